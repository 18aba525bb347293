"""Packages released one at a time are found, pinned, refused and installed from an index as their bounds say."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from index._index import Index, Refusal, run
from release.repository import Repository
from workspace._repository import MEMBERS

type History = list[Index]


def ours(versions: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix("hfbs-"): version for name, version in versions.items() if name in MEMBERS}


def test_each_release_adds_its_two_files_and_changes_none(history: History):
    files = [{path.name: path.read_bytes() for path in index.folder.iterdir()} for index in history]
    assert [len(each) for each in files] == [0, 12, 14, 16, 18]
    for before, after in pairwise(files):
        assert before.items() <= after.items()


def test_each_release_has_its_tag(history: History, repository: Repository):
    first = {f"{name}-v0.1.0" for name in MEMBERS}
    later = {"hfbs-attention-v0.2.0", "hfbs-filterbanks-v0.2.0", "hfbs-model-v0.1.1"}
    assert {*repository.git("tag").split()} == first | later
    assert len(repository.git("log", "--format=%s", "--grep=^Release ").splitlines()) == len(first | later)
    assert repository.changes == []


def test_before_the_first_release_there_is_nothing(history: History):
    with pytest.raises(Refusal, match="hfbs-filterbanks was not found in the package registry"):
        history[0].by_uv("hfbs-filterbanks")
    with pytest.raises(Refusal, match="No matching distribution found for hfbs-filterbanks"):
        history[0].by_pip("hfbs-filterbanks")


def test_all_packages_resolve_together_after_the_first_release_and_the_last(history: History):
    """The newest of each that the others admit: hfbs-experimental and hfbs-separate still bound what is below."""
    first = dict.fromkeys((name.removeprefix("hfbs-") for name in MEMBERS), "0.1.0")
    assert ours(history[1].by_uv(*MEMBERS)) == first
    assert ours(history[4].by_uv(*MEMBERS)) == {**first, "model": "0.1.1"}


@pytest.mark.parametrize(
    ("release", "attention", "filterbanks", "model"),
    [*((release, "0.1.0", "0.1.0", "0.1.0") for release in (1, 2, 3)), (4, "0.2.0", "0.2.0", "0.1.1")],
)
def test_a_model_brings_what_it_admits(history: History, release: int, attention: str, filterbanks: str, model: str):
    found = ours(history[release].by_uv("hfbs-model"))
    assert found == {"attention": attention, "filterbanks": filterbanks, "model": model}


@pytest.mark.parametrize("release", [1, 2, 3, 4])
def test_a_project_that_pins_the_old_attention_keeps_resolving(history: History, release: int):
    pinned = "hfbs-attention>=0.1,<0.2"
    assert history[release].by_uv(pinned, "hfbs-model")["hfbs-attention"] == "0.1.0"
    assert history[release].by_pip(pinned, options=("--no-deps",)) == {"hfbs-attention": "0.1.0"}


@pytest.mark.parametrize(("release", "newest"), [(1, "0.1.0"), (2, "0.2.0")])
def test_a_project_that_does_not_pin_gets_the_newest(history: History, release: int, newest: str):
    assert history[release].by_uv("hfbs-attention")["hfbs-attention"] == newest
    assert history[release].by_pip("hfbs-attention", options=("--no-deps",)) == {"hfbs-attention": newest}


@pytest.mark.parametrize(
    ("sibling", "bound"), [("hfbs-attention>=0.2", ">=0.1,<0.2"), ("hfbs-filterbanks>=0.2", ">=0.1,<0.2")]
)
def test_a_pair_that_cannot_be_is_refused_with_its_reason(history: History, sibling: str, bound: str):
    name = sibling.partition(">")[0]
    with pytest.raises(Refusal) as refusal:
        history[4].by_uv("hfbs-model==0.1.0", sibling)
    # uv says `<=` where no lower version is there.
    assert re.search(rf"hfbs-model[<=]=0\.1\.0 depends on {name}{bound}", str(refusal.value))
    assert "unsatisfiable" in str(refusal.value)
    with pytest.raises(Refusal) as refusal:
        history[4].by_pip("hfbs-model==0.1.0", sibling)
    assert f"The user requested {sibling}" in str(refusal.value)
    assert f"hfbs-model 0.1.0 depends on {name}<0.2 and >=0.1" in str(refusal.value)


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_filterbanks_bring_numpy_alone(history: History, installer: str, tmp_path: Path):
    python = history[4].install(installer, "hfbs-filterbanks", tmp_path / "environment")
    listed = json.loads(run("uv", "pip", "list", "--quiet", "--format=json", f"--python={python}"))
    assert {package["name"] for package in listed} == {"hfbs-filterbanks", "numpy"}
    program = "import hfbs_filterbanks, importlib.metadata as m; print(m.version('hfbs-filterbanks'))"
    assert run(python, "-I", "-c", program) == "0.2.0\n"
