"""The command ``hfbs-train``."""

from click.testing import CliRunner

from hfbs_train.cli import main


def test_the_command_says_its_version():
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("hfbs-train 0.")
