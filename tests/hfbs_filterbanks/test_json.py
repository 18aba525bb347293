"""Layouts to JSON and back, and texts that are none of a layout."""

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from hfbs_filterbanks import BandLayout, contiguous_layout

layouts = st.from_type(BandLayout)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@given(layouts)
def test_json_gives_the_layout_back(layout: BandLayout):
    text = layout.to_json()
    assert BandLayout.from_json(text) == layout
    assert BandLayout.from_json(json.dumps(json.loads(text), indent=2)) == layout
    assert "\n" not in text


def test_json_is_compact_and_versioned():
    assert contiguous_layout([2, 3]).to_json() == (
        '{"format":"hfbs-band-layout","version":1,"num_bins":5,"bands":[[0,2],[2,5]]}'
    )
    assert json.loads(BandLayout([[1, 0, 1], [0, 1, 1]]).to_json())["bands"] == [[0, 1, 2, 3], [1, 3]]


@given(st.text() | json_values.map(json.dumps))
def test_any_other_text_is_refused_with_a_remedy(text: str):
    with pytest.raises(ValueError, match=r"to_json"):
        BandLayout.from_json(text)


@given(layouts, st.sampled_from(("format", "version", "num_bins", "bands")), json_values)
def test_a_changed_entry_is_refused_or_changes_the_layout(layout: BandLayout, key: str, value: Any):
    document = json.loads(layout.to_json())
    original, document[key] = document[key], value
    try:
        changed = BandLayout.from_json(json.dumps(document))
    except ValueError:
        return
    assert (changed == layout) == (value == original)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, r'"format": "hfbs-band-layout", not \'other\'\. Give the text'),
        ({"version": 2}, r"reads version 1 of a band layout, not 2\. .* upgrade"),
        ({"version": True}, r"reads version 1 of a band layout, not True"),
        ({"widths": [2, 3]}, r"no key 'widths'"),
        ({"num_bins": 5.0}, r'"num_bins", a whole number of at least 2, not 5\.0'),
        ({"num_bins": 1}, r'"num_bins", a whole number of at least 2, not 1'),
        ({"num_bins": True}, r'"num_bins", a whole number of at least 2, not True'),
        ({"num_bins": 10**12}, r"at most 1073741824 memberships, but 2 bands × 1000000000000 bins are more"),
        ({"num_bins": 6}, r"Every bin must be in at least one band, but bin 5 of 6 is in none"),
        ({"bands": []}, r'"bands", a list of at least one band, not \[\]'),
        ({"bands": {"0": 2}}, r'"bands", a list of at least one band, not'),
        ({"bands": [[0, 2], [2, 6]]}, r"Band 1 must be a list of start, stop, .* to num_bins = 5; it is \[2, 6\]"),
        ({"bands": [[0, 5], []]}, r"Band 1 must be a list of start, stop"),
        ({"bands": [[0, 5], [3]]}, r"Band 1 must be a list of start, stop"),
        ({"bands": [[0, 5], [3, 3]]}, r"Band 1 must be a list of start, stop"),
        ({"bands": [[0, 5], [-1, 3]]}, r"Band 1 must be a list of start, stop"),
        ({"bands": [[0, 2, 2, 5]]}, r"Band 0 must be a list of start, stop"),
        ({"bands": [[0, 5.0]]}, r"Band 0 must be a list of start, stop"),
        ({"bands": [[False, 5]]}, r"Band 0 must be a list of start, stop"),
        ({"bands": ["05"]}, r"Band 0 must be a list of start, stop"),
        ({"bands": [5]}, r"Band 0 must be a list of start, stop"),
    ],
)
def test_a_text_that_is_no_layout_is_refused(change: dict[str, Any], message: str):
    document = json.loads(contiguous_layout([2, 3]).to_json())
    with pytest.raises(ValueError, match=message):
        BandLayout.from_json(json.dumps({**document, **change}))


@pytest.mark.parametrize("text", ["", "{", "[" * 200_000, '{"version": ' + "9" * 5000 + "}"])
def test_a_text_that_is_no_json_is_refused(text: str):
    with pytest.raises(ValueError, match=r"not JSON that a band layout can be read from: .*Give the text"):
        BandLayout.from_json(text)


@pytest.mark.parametrize("text", [b"{}", None, {}])
def test_only_a_string_is_read(text: Any):
    with pytest.raises(TypeError, match="read from a string of JSON, not from"):
        BandLayout.from_json(text)
