"""What runs on GitHub runs sessions that exist, and publishes what the release tool tagged, and no more."""

import ast
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.version import Version

from release.versions import PARTS, bumped, tag_of
from workspace._repository import MEMBERS, ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SESSIONS = {
    function.name
    for function in ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8")).body
    if isinstance(function, ast.FunctionDef) and any("nox.session" in ast.unparse(d) for d in function.decorator_list)
}


def read(path: Path) -> dict[str, Any]:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    # YAML 1.1 takes the key `on` for a truth value.
    return {("on" if key is True else key): value for key, value in workflow.items()}


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


CHECKS, PUBLISH = (read(ROOT / ".github" / "workflows" / name) for name in ("checks.yml", "publish.yml"))


def test_there_are_two_workflows():
    assert [path.name for path in WORKFLOWS] == ["checks.yml", "publish.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_keep_no_credentials(path: Path):
    for step in steps(read(path)):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@(v|release/v)\d+", step["uses"])
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_sessions_that_exist(path: Path):
    workflow = read(path)
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    named = {session for command in commands for session in re.findall(r"nox -s (\w+)", command)}
    for job in workflow["jobs"].values():
        named |= {*job.get("strategy", {}).get("matrix", {}).get("session", [])}
    assert named
    assert named <= SESSIONS


def test_tests_run_on_every_system_for_the_lowest_and_the_highest_python():
    matrix = CHECKS["jobs"]["tests"]["strategy"]["matrix"]
    assert {system.partition("-")[0] for system in matrix["system"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"] == ["3.12", "3.14"]


def test_the_checks_are_those_of_ci_run():
    longer = re.search(r'^longer="nox -s ([\w ]+)"$', (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.M)
    assert longer
    assert {*longer[1].split()} == {*CHECKS["jobs"]["sessions"]["strategy"]["matrix"]["session"]}


def test_only_tags_start_publishing():
    assert PUBLISH["on"].keys() == {"push"}
    assert PUBLISH["on"]["push"].keys() == {"tags"}


@pytest.mark.parametrize("name", MEMBERS)
def test_the_pattern_has_every_tag_that_a_release_makes(name: str):
    (pattern,) = PUBLISH["on"]["push"]["tags"]
    for version in (Version("0.1.0"), Version("12.34.56")):
        for part in PARTS:
            assert fnmatchcase(tag_of(name, bumped(version, part)), pattern)


@pytest.mark.parametrize("tag", ["v0.1.0", "hfbs-v0.1.0", "hfbs-attention-0.1.0", "demo-hfbs-attention-v0.1.0"])
def test_the_pattern_has_no_other_tag(tag: str):
    (pattern,) = PUBLISH["on"]["push"]["tags"]
    assert not fnmatchcase(tag, pattern)


def test_what_is_built_for_publishing_is_the_member_of_the_tag():
    commands = [step["run"] for step in PUBLISH["jobs"]["build"]["steps"] if "run" in step]
    assert commands == ["pip install nox uv", 'nox -s dist -- "$GITHUB_REF_NAME"']
    handed_on = [step["with"] for job in PUBLISH["jobs"].values() for step in job["steps"] if "artifact" in str(step)]
    assert [each["name"] for each in handed_on] == ["dist", "dist"]


def test_only_the_job_that_publishes_may_and_it_runs_nothing_else():
    assert PUBLISH["permissions"] == {}
    assert PUBLISH["jobs"].keys() == {"build", "publish"}
    assert PUBLISH["jobs"]["build"]["permissions"] == {"contents": "read"}
    publish = PUBLISH["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["needs"] == "build"
    assert publish["environment"] == "pypi"
    assert [step["uses"].partition("@")[0] for step in publish["steps"]] == [
        "actions/download-artifact",
        "pypa/gh-action-pypi-publish",
    ]
    assert publish["steps"][-1]["with"] == {"attestations": True}
    assert not any("run" in step for step in publish["steps"])
