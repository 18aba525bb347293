"""The Tab key completes hfbs-train, too."""

from click.testing import CliRunner

from hfbs_train.cli import main


def test_commands_are_completed() -> None:
    environment = {"_HFBS_TRAIN_COMPLETE": "bash_complete", "COMP_WORDS": "hfbs-train ch", "COMP_CWORD": "1"}
    done = CliRunner().invoke(main, [], env=environment, prog_name="hfbs-train")
    assert done.output == "plain,check\n"


def test_the_script_is_of_this_program() -> None:
    script = CliRunner().invoke(main, ["completion", "fish"], prog_name="hfbs-train").output
    assert "complete --no-files --command hfbs-train" in script
