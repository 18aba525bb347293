"""How versions follow each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from release.bounds import raised, widened
from release.versions import PARTS, Part, bumped, may_break, next_breaking, tag_of

NUMBERS = st.integers(0, 50)
VERSIONS = st.builds(lambda *numbers: Version(".".join(map(str, numbers))), NUMBERS, NUMBERS, NUMBERS)


@pytest.mark.parametrize(
    ("part", "version"), [("first", "0.1.2"), ("patch", "0.1.3"), ("minor", "0.2.0"), ("major", "1.0.0")]
)
def test_a_part_goes_up_and_those_after_it_begin_again(part: Part, version: str):
    assert bumped(Version("0.1.2"), part) == Version(version)


@given(VERSIONS, st.sampled_from(PARTS))
def test_a_release_that_may_break_is_one_that_its_users_bounds_exclude(version: Version, part: Part):
    if part != "first":
        assert bumped(version, part) > version
    assert may_break(version, part) == (bumped(version, part) >= next_breaking(version))


@given(VERSIONS)
def test_a_widened_bound_admits_what_it_did_and_the_new_version(version: Version):
    before = Requirement("hfbs-attention[fast]>=0.0,<0.1; python_version < '3.14'")
    after = Requirement(widened(before, version))
    assert (after.name, after.extras, after.marker) == (before.name, before.extras, before.marker)
    assert after.specifier.contains("0.0.7")
    assert after.specifier.contains(version)
    assert not after.specifier.contains(next_breaking(version))


@given(VERSIONS)
def test_a_raised_bound_begins_with_the_new_version(version: Version):
    specifier = Requirement(raised(Requirement("hfbs-attention>=0.0,<0.1"), version)).specifier
    assert specifier.contains(version)
    assert not specifier.contains(next_breaking(version))
    below = [Version(f"{version.major}.{version.minor}.{version.micro - 1}")] if version.micro else []
    assert not any(specifier.contains(each) for each in below)


def test_bounds_are_as_short_as_they_are_written_by_hand():
    requirement = Requirement("hfbs-model[mel]>=0.1,<0.2")
    assert widened(requirement, Version("0.2.0")) == "hfbs-model[mel]>=0.1,<0.3"
    assert raised(requirement, Version("0.2.1")) == "hfbs-model[mel]>=0.2.1,<0.3"
    assert raised(requirement, Version("1.0.0")) == "hfbs-model[mel]>=1.0,<2.0"


def test_a_tag_names_member_and_version():
    assert tag_of("hfbs-attention", Version("0.2.0")) == "hfbs-attention-v0.2.0"
