"""What the READMEs and the documentation show runs as they show it, and the documentation leaves no name out."""

import ast
import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from hfbs_model import known_checkpoints
from hfbs_train import RunConfiguration
from release.members import Member
from workspace._examples import Run, examples
from workspace._repository import MEMBERS, ROOT

PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(member.folder / "README.md" for member in MEMBERS.values()),
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if not {"_build", "tutorials"} & set(page.parts)),
)
# Followed by tests/tutorials, in environments of their own.
TUTORIALS = tuple(sorted((ROOT / "docs" / "tutorials").glob("*.md")))
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+?) -->\s*)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: where it begins, and why it is not run, if it is not."""

    where: str
    language: str
    text: str
    reason: str | None


def blocks(*languages: str, pages: Sequence[Path] = PAGES) -> list[Block]:
    found: list[Block] = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            if match["language"] in languages:
                where = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, match.start('language')) + 1}"
                found.append(Block(where, match["language"], match["text"], match["reason"]))
    return found


def commands() -> list[tuple[str, list[str]]]:
    """Every command of the pages' shell blocks, split at `&&`, its comment and its prompt taken away."""
    return [
        (block.where, shlex.split(command))
        for block in blocks("console", "bash", "sh", pages=PAGES + TUTORIALS)
        for line in block.text.splitlines()
        for command in re.sub(r"\s+#.*", "", line.removeprefix("$ ")).split("&&")
        if command.strip()
    ]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with examples() as run:
        yield run


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.where)
def test_the_example_runs(run: Run, block: Block, tmp_path: Path):
    if block.reason:
        pytest.skip(f"{block.where}: {block.reason}")
    status, written = run(block.text, tmp_path)
    assert status == 0, f"{block.where}\n{written}"


def test_an_example_that_fails_is_one_and_leaves_nothing_to_the_next(run: Run, tmp_path: Path):
    status, written = run("import json\nkept = 1\nprint('said')\nraise ValueError('this')", tmp_path)
    assert status == 1
    assert written.startswith("said\n")
    assert written.endswith("ValueError: this\n")
    assert run("import warnings; warnings.warn('that')", tmp_path)[0] == 1
    assert run("print(kept)", tmp_path)[1].endswith("NameError: name 'kept' is not defined\n")
    assert run("import sys; sys.exit(3)", tmp_path)[0] == 3


def test_the_readme_holds_the_two_command_lines():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for session in ("demo", "tests"):
        assert f"\npip install nox uv && nox -s {session}\n" in re.sub(r" +#.*", "", readme)


def test_the_sessions_that_the_pages_name_exist():
    module = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    sessions = {
        function.name
        for function in module.body
        if isinstance(function, ast.FunctionDef)
        and any("nox.session" in ast.unparse(d) for d in function.decorator_list)
    }
    named = {words[index + 1] for _, words in commands() if words[0] == "nox" for index in [words.index("-s")]}
    assert named <= sessions


def test_the_commands_and_options_that_the_pages_name_exist():
    for where, words in commands():
        if words[0] in ("hfbs", "hfbs-train"):
            told = help_of(words[0], *(word for word in words[1:2] if not word.startswith("-")))
            for option in (word for word in words if word.startswith("-")):
                assert re.search(rf"{re.escape(option)}\b", told), f"{where}: {words[0]} has no {option}"


def test_the_screens_of_the_readme_are_what_its_commands_show(tmp_path: Path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    screens = re.findall(r"^```console\n((?:\$ [^\n]*\n)+)```\n\n```text\n(.*?)^```$", readme, re.M | re.S)
    assert len(screens) >= 4
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for typed, screen in screens:
        script = "".join(line.removeprefix("$ ") + "\n" for line in typed.splitlines())
        environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
        run = subprocess.run(
            ["sh", "-c", script],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        shown = iter([line.rstrip() for line in run.stdout.splitlines()])
        for line in screen.splitlines():  # some are left out, none is changed or moved
            assert not line or line in shown, f"{script}does not show, or not there:\n{line}\nbut\n{run.stdout}"


@cache
def help_of(command: str, *subcommand: str) -> str:
    words = [Path(sys.executable).with_name(command), *subcommand, "--help"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def test_what_the_pages_install_is_a_package_or_an_extra_of_this_workspace():
    for where, words in commands():
        for name, listed in re.findall(
            r"\b(hfbs-[a-z]+)(?:\[([a-z,]+)\])?", " ".join(words) if "install" in words else ""
        ):
            assert name in MEMBERS, f"{where}: there is no {name}"
            extras = MEMBERS[name].project.get("optional-dependencies", {}).keys()
            assert {*filter(None, listed.split(","))} <= extras, f"{where}: {name} lacks one of the extras {listed}"


@pytest.mark.parametrize("member", MEMBERS.values(), ids=str)
def test_the_api_page_of_a_package_has_every_public_name(member: Member):
    page = (ROOT / "docs" / "api" / f"{member.import_name}.rst").read_text(encoding="utf-8")
    described = set(re.findall(r"^\.\. auto(?!module)\w+:: (\w+)$", page, re.M))
    package = importlib.import_module(member.import_name)
    public = {
        name for name in dir(package) if not name.startswith("_") and not isinstance(getattr(package, name), ModuleType)
    }
    assert described == public - {"TYPE_CHECKING"}


def test_the_pages_count_the_checkpoints_of_the_registry_as_it_has_them():
    known = known_checkpoints()
    counted = {
        "address of the weights": len(known),
        "SHA-256 and size of the weights": sum(None not in (each.sha256, each.size) for each in known),
        "address of the YAML": sum(each.config_url is not None for each in known),
        "hop length": sum("stft_hop_length" in each.settings for each in known),
        "stems in the order of the outputs": sum("stems" in each.settings for each in known),
        "licence": sum(each.licence is not None for each in known),
    }
    table = re.findall(r"^\| ([^|]+) \| (\d+) \|$", (ROOT / "docs" / "models.md").read_text(encoding="utf-8"), re.M)
    assert {what: int(count) for what, count in table} == counted
    digests = counted["SHA-256 and size of the weights"]
    for page in ("README.md", "docs/models.md", "docs/tutorials/checkpoint.md"):
        text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        assert re.search(rf"\b{len(known)}\b[^.]*\b{digests}\b[^.]*\bdigest|\bdigest {digests} ", text), page


TRAINING = (
    "docs/configuration.md",
    "docs/train.md",
    "docs/losses.md",
    "docs/augmentation.md",
    "docs/training-data.md",
    "packages/hfbs-train/README.md",
)


@pytest.mark.parametrize(
    "block", [each for each in blocks("yaml") if each.where.startswith(TRAINING)], ids=lambda block: block.where
)
def test_what_the_pages_say_of_a_run_is_a_configuration(block: Block):
    run = {"stems": ["vocals"], "data": {"songs": ["train"]}, "steps": 1, "model": {"dim": 8, "depth": 1}}
    RunConfiguration.of(run | yaml.safe_load(block.text))


def test_the_page_of_keys_has_every_key_at_its_default():
    run, start, muon = (
        yaml.safe_load(block.text) for block in blocks("yaml", pages=[ROOT / "docs" / "configuration.md"])
    )
    given = {name: run[name] for name in ("stems", "steps", "model")} | {"data": {"songs": run["data"]["songs"]}}
    given |= {"start": {"checkpoint": start["start"]["checkpoint"]}, "lora": {}}
    for shown, usual in ((run | start, given), (run | start | muon, given | {"optimizer": {"kind": "muon"}})):
        configuration = RunConfiguration.of(shown)
        assert configuration == RunConfiguration.of(usual)
        assert keys_of(configuration.as_plain()) - keys_of(shown) == {f"stems.{name}" for name in run["stems"]}


def keys_of(section: Mapping[str, object], where: str = "") -> set[str]:
    found = {where + name for name in section}
    for name, value in section.items():
        if isinstance(value, Mapping):
            found |= keys_of(value, f"{where}{name}.")
    return found
