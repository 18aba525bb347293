"""How a tutorial's blocks are told apart, and its screens compared."""

import sys
from pathlib import Path

import pytest

from tutorials._page import missing_line, read_steps
from tutorials._sessions import Python, Shell

PAGE = """
```python
# one/two.py
print(1)
```
```console
$ python one/two.py
$ echo done
```
```text
1
```
```python
x = 2
```
"""


def test_blocks_are_files_commands_and_python(tmp_path: Path):
    (tmp_path / "page.md").write_text(PAGE)
    file, console, python = read_steps(tmp_path / "page.md")
    assert (file.kind, file.name, file.line) == ("file", "one/two.py", 2)
    assert (console.kind, console.commands, console.screen) == ("console", ["python one/two.py", "echo done"], ["1"])
    assert (python.kind, python.text) == ("python", "x = 2\n")


@pytest.mark.parametrize("block", ["```text\nfree\n```", "```console\nno prompt\n```", "```bash\nls\n```"])
def test_a_block_of_another_kind_is_an_error(block: str, tmp_path: Path):
    (tmp_path / "page.md").write_text(block)
    with pytest.raises(ValueError, match=r"page.md:1: a block of"):
        read_steps(tmp_path / "page.md")


@pytest.mark.parametrize(
    ("screen", "shown"),
    [
        ("a\nc", "a\nb\nc"),
        ("SDR  4.50 dB", "SDR -12.125 dB"),
        ("hfbs … of 2", "hfbs one, two of 2"),
        ("loss -1.5 (…)", "loss 0.1 (x)"),
        ("a\n\n  b", "a\nb"),
    ],
)
def test_a_screen_may_leave_out_lines_and_figures_may_differ(screen: str, shown: str):
    assert missing_line(screen.splitlines(), shown) is None


@pytest.mark.parametrize(
    ("screen", "shown", "missing"),
    [
        ("b\na", "a\nb", "a"),
        ("3 layers", "4 layers", "3 layers"),
        ("1.5 dB", "1 dB", "1.5 dB"),
        ("a", "ab", "a"),
        ("a.b", "acb", "a.b"),
    ],
)
def test_a_line_that_is_not_shown_in_its_place_is_missing(screen: str, shown: str, missing: str):
    assert missing_line(screen.splitlines(), shown) == missing


def test_what_a_command_changes_holds_for_the_next(tmp_path: Path):
    with Shell(tmp_path, {"PATH": "/usr/bin:/bin"}) as shell:
        assert shell.type("mkdir there && cd there && WORD=hello") == ("", 0)
        assert shell.type("echo $WORD; pwd; cat") == (f"hello\n{tmp_path}/there\n", 0)
        assert shell.type("false")[1] == 1
        assert shell.type("exit 3")[1] == 1


def test_names_stay_from_block_to_block_and_failures_are_told(tmp_path: Path):
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    with Shell(tmp_path, environment) as shell, Python(shell, environment) as python:
        assert python.run("x = 1") == ("", 0)
        assert python.run("print(x + 1)") == ("2\n", 0)
        shown, code = python.run("print(y)")
        assert code == 1
        assert "NameError: name 'y'" in shown
