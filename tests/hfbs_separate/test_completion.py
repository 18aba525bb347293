"""The Tab key: what shells ask for and get, by click's protocol of environment variables and in bash itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hfbs_model import known_checkpoints
from hfbs_separate._options import COMBINATIONS, DEVICES
from hfbs_separate.cli import main
from hfbs_separate.completion import completion

HFBS = Path(sys.executable).with_name("hfbs")
NAMES = [checkpoint.name for checkpoint in known_checkpoints()]


def completed(words: str, shell: str = "bash") -> list[str]:
    """What is offered for the last of these words, in the lines of click's protocol."""
    environment = {
        "_HFBS_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": words.rpartition(" ")[2] if shell == "fish" else str(words.count(" ")),
    }
    return CliRunner().invoke(main, [], env=environment, prog_name="hfbs").output.splitlines()


def test_commands_are_completed() -> None:
    assert completed("hfbs sep") == ["plain,separate"]
    offered = completed("hfbs ")
    assert [f"plain,{command}" for command in sorted(main.commands)] == sorted(offered)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("--combine ", list(COMBINATIONS)),
        ("--combine max", ["max", "max-fft"]),
        ("--device c", [device for device in DEVICES if device.startswith("c")]),
        ("--format flac", ["flac", "flac16"]),
        ("--cross", ["--crossover"]),
    ],
)
def test_options_and_their_choices_are_completed(words: str, offered: list[str]) -> None:
    assert completed(f"hfbs separate song.wav {words}") == [f"plain,{word}" for word in offered]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("separate so", "file"),
        ("separate one.wav so", "file"),
        ("separate song.wav --checkpoint so", "file"),
        ("separate song.wav --checkpoint m.ckpt --with so", "file"),
        ("separate song.wav -o so", "dir"),
        ("inspect so", "file"),
        ("convert so", "file"),
        ("view so", "dir"),
        ("evaluate so", "dir"),
        ("download name -o so", "dir"),
    ],
)
def test_paths_are_left_to_the_shell(words: str, kind: str) -> None:
    assert completed(f"hfbs {words}") == [f"{kind},so"]


@pytest.mark.parametrize("command", ["download", "models"])
def test_names_of_models_are_those_of_the_registry(command: str) -> None:
    assert completed(f"hfbs {command} ") == [f"plain,{name}" for name in NAMES]
    begun = NAMES[0][:3]
    assert completed(f"hfbs {command} {begun}") == [f"plain,{name}" for name in NAMES if name.startswith(begun)]
    assert completed(f"hfbs {command} no-such-name") == [""]


def test_zsh_and_fish_get_names_with_what_they_separate() -> None:
    first = known_checkpoints()[0]
    assert completed(f"hfbs download {first.name}", "fish") == [f"plain,{first.name}\t{first.title}"]
    assert completed(f"hfbs download {first.name}", "zsh")[:2] == ["plain", first.name]


def test_completion_loads_no_pytorch() -> None:
    """PyTorch takes seconds, at every Tab. In a process of its own, as this one has loaded it."""
    program = (
        "import sys\n"
        "from hfbs_separate.cli import main\n"
        "try:\n"
        "    main(prog_name='hfbs')\n"
        "finally:\n"
        "    heavy = {'torch', 'matplotlib', 'librosa', 'scipy'} & sys.modules.keys()\n"
        "    print(*heavy, file=sys.stderr)\n"
    )
    environment = {**os.environ, "_HFBS_COMPLETE": "bash_complete", "COMP_WORDS": "hfbs download ", "COMP_CWORD": "2"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == len(NAMES)
    assert done.stderr == "\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_with_the_script_that_is_printed() -> None:
    words = "COMP_WORDS=(hfbs separate song.wav --combine median); COMP_CWORD=4"
    asked = f'{words}; _hfbs_completion hfbs; echo "${{COMPREPLY[@]}}"'
    program = f'eval "$(hfbs completion bash)"; complete -p hfbs; {asked}'
    environment = {**os.environ, "PATH": f"{HFBS.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "--norc", "-c", program], env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["complete -o nosort -F _hfbs_completion hfbs", "median median-fft"]


@pytest.mark.parametrize(("shell", "begins"), [("zsh", "#compdef hfbs\n"), ("fish", "function _hfbs_completion;\n")])
def test_the_script_is_that_of_the_shell(shell: str, begins: str) -> None:
    said = CliRunner().invoke(main, ["completion", shell], prog_name="hfbs")
    found = CliRunner().invoke(main, ["completion"], prog_name="hfbs", env={"SHELL": f"/usr/bin/{shell}"})
    assert said.output == found.output
    assert said.output.startswith(begins)
    assert f"_HFBS_COMPLETE={shell}_complete" in said.output


@pytest.mark.parametrize(
    ("environment", "told"), [({"SHELL": "/bin/tcsh"}, "SHELL is /bin/tcsh"), ({"SHELL": ""}, "SHELL is not set")]
)
def test_a_shell_that_is_none_of_them_is_asked_for(environment: dict[str, str], told: str) -> None:
    done = CliRunner().invoke(main, ["completion"], env=environment)
    assert (done.exit_code, done.output) == (2, f"hfbs: error: name the shell, bash, zsh or fish: {told}\n")


def test_any_program_completes_itself_with_the_command() -> None:
    program = click.Group("some-program", commands=[completion])
    script = CliRunner().invoke(program, ["completion", "zsh"], prog_name="some-program").output
    assert script.startswith("#compdef some-program\n")
    assert "_SOME_PROGRAM_COMPLETE=zsh_complete" in script
