"""The pages on migration have every parameter of the upstream classes that are installed here, with its default."""

import inspect
from typing import Any

import pytest
import torch

from hfbs_filterbanks import DEFAULT_FREQS_PER_BANDS
from hfbs_model import BandSplitRotator
from migration_tables import LUCIDRAINS, PYMSS, default, keyword_rows, listed, value
from parity.oracles import LucidrainsBS, LucidrainsMel, PymssBS, PymssMel

CLASSES = [(LUCIDRAINS, 0, LucidrainsBS), (LUCIDRAINS, 1, LucidrainsMel), (PYMSS, 0, PymssBS), (PYMSS, 1, PymssMel)]
NEEDED = {"dim", "depth"}


def shown(upstream: str, column: int) -> dict[str, Any]:
    """What a page says of the parameters of a class that have a row."""
    cells = {keyword: row[column] for keyword, row in keyword_rows(upstream).items()}
    return {keyword: value(cell) for keyword, cell in cells.items() if cell != "—"}


@pytest.mark.parametrize(("upstream", "column", "theirs"), CLASSES)
def test_every_parameter_of_an_upstream_class_is_on_its_page_and_no_other(
    upstream: str, column: int, theirs: type
) -> None:
    parameters = inspect.signature(theirs).parameters.values()
    there = {parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD}
    assert there == shown(upstream, column).keys() | listed(upstream, "ame default and same meaning")


@pytest.mark.parametrize(("upstream", "column", "theirs"), CLASSES)
def test_the_defaults_are_those_of_the_upstream_class(upstream: str, column: int, theirs: type) -> None:
    for keyword, said in shown(upstream, column).items():
        assert said == default(theirs, keyword), keyword


@pytest.mark.parametrize(("upstream", "column", "theirs"), CLASSES)
def test_what_is_said_to_have_the_same_default_has_it(upstream: str, column: int, theirs: type) -> None:
    for keyword in listed(upstream, "ame default and same meaning") - NEEDED:
        assert default(theirs, keyword) == default(BandSplitRotator, keyword), keyword


def test_the_window_and_the_widths_are_those_of_upstream() -> None:
    assert default(LucidrainsBS, "freqs_per_bands") == DEFAULT_FREQS_PER_BANDS
    assert default(LucidrainsBS, "multi_stft_window_fn") is torch.hann_window
