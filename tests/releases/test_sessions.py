"""The tests that a release asks nox for are sessions of this repository."""

import subprocess

import pytest

from release.__main__ import nox_for
from release.members import Member
from workspace._repository import MEMBERS, ROOT


@pytest.mark.parametrize("member", MEMBERS.values(), ids=str)
def test_each_member_has_the_session_that_its_siblings_releases_run(member: Member):
    listed = subprocess.run([*nox_for(member), "--list"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    chosen = [line for line in listed.splitlines() if line.startswith("* ")]
    assert [line.partition(" -> ")[0] for line in chosen] == [f"* tests-3.12(package='{member}')"]
