"""What docs/migration.md says of this workspace is so: imports, keywords, defaults."""

import importlib
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch

import hfbs_attention
import hfbs_model
from hfbs_filterbanks import DEFAULT_FREQS_PER_BANDS
from hfbs_model import BandSplitRotator
from hfbs_model.bs_roformer import BSRoformer
from hfbs_model.mel_band_roformer import MelBandRoformer
from workspace._repository import ROOT

# Every symbol of the package map of hunterFormsBS 0.1.5.
PREDECESSORS = {
    *("BandSplitRotator", "BandSplit", "MaskEstimator", "MLP", "lossComputation", "DEFAULT_FREQS_PER_BANDS"),
    *("Attend", "Attention", "FeedForward", "LinearAttention", "Transformer", "FlashAttentionConfig"),
    *("ParametersAttention", "ParametersTransformer", "ParametersSTFT", "ParametersComputeLoss"),
    *("filter_bank_non_overlapping", "librosa_filters_mel", "print_static_mask"),
    *("mask_filter_bank_mel_band_default", "mask_filter_bank_bs_roformer_default", "BSRoformer", "MelBandRoformer"),
}
HUNTER, MSST, LUCIDRAINS = "From hunterFormsBS", "From MSST", "From BS-RoFormer by lucidrains"
KEYWORDS = inspect.signature(BandSplitRotator).parameters.keys() - {"unknown"}


def section(title: str) -> str:
    text = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")
    return re.split(r"^## ", text.split(f"\n## {title}\n")[1], maxsplit=1, flags=re.M)[0]


def rows(title: str) -> Iterator[list[str]]:
    """The cells of each row of the tables below a heading, heads and rules left out."""
    lines = section(title).splitlines()
    for above, line in pairwise(lines):
        if line.startswith("|") and above.startswith("|") and not line.startswith("| ---"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def keyword_rows(title: str) -> dict[str, list[str]]:
    return {cells[0].strip("` "): cells[1:] for cells in rows(title) if re.fullmatch(r"`\w+`", cells[0])}


def listed(title: str, beginning: str) -> set[str]:
    """The keywords of the sentence that begins so."""
    sentence = next(part for part in section(title).split("\n\n") if beginning in part)
    return set(re.findall(r"`(\w+)`", sentence.partition(beginning)[2].partition(":")[2]))


def value(cell: str) -> Any:
    """What a cell stands for: a Python value, `hann_window`, or the widths of BS-RoFormer's bands."""
    if cell == "62 widths":
        return DEFAULT_FREQS_PER_BANDS
    return eval(cell.strip("`"), {"hann_window": torch.hann_window})


def default(owner: type, keyword: str) -> Any:
    return inspect.signature(owner).parameters[keyword].default


IMPORTS = {cells[0].strip("`"): cells[1].strip("`") for cells in rows("Imports")}


def test_every_symbol_of_the_predecessor_has_its_import():
    assert IMPORTS.keys() == PREDECESSORS


@pytest.mark.parametrize(("symbol", "module"), IMPORTS.items(), ids=list(IMPORTS))
def test_the_import_works_under_the_same_name(symbol: str, module: str):
    assert getattr(importlib.import_module(module), symbol) is not None


@pytest.mark.parametrize("title", [HUNTER, MSST, LUCIDRAINS])
def test_every_keyword_and_default_is_that_of_the_separator(title: str):
    for keyword, (_, _, here, *_) in keyword_rows(title).items():
        if here == "not here":
            assert keyword not in KEYWORDS
        else:
            assert value(here) == default(BandSplitRotator, keyword), keyword


@pytest.mark.parametrize("title", [HUNTER, MSST, LUCIDRAINS])
def test_what_is_said_to_be_the_same_exists(title: str):
    same = listed(title, "ame default and same meaning")
    assert same
    assert same <= KEYWORDS
    assert not same & keyword_rows(title).keys()


def test_no_keyword_of_the_separator_is_left_out():
    assert listed(HUNTER, "ame default and same meaning") | keyword_rows(HUNTER).keys() >= KEYWORDS
    assert (
        listed(MSST, "ame default and same meaning") | keyword_rows(MSST).keys() | listed(MSST, "Only in") >= KEYWORDS
    )


@pytest.mark.parametrize(("column", "ours"), [(0, BSRoformer), (1, MelBandRoformer)])
def test_the_classes_of_mssts_name_have_the_defaults_of_mssts_columns(column: int, ours: type):
    there = inspect.signature(ours).parameters.keys() - {"unknown"}
    said = {keyword: cells[column] for keyword, cells in keyword_rows(MSST).items() if cells[column] != "—"}
    assert "num_residual_streams" not in there  # of MSST's experimental files
    del said["num_residual_streams"]
    for keyword, shown in said.items():
        assert value(shown) == default(ours, keyword), keyword
    same = listed(MSST, "ame default and same meaning")
    for keyword in same - {"dim", "depth"}:
        assert default(ours, keyword) == default(BandSplitRotator, keyword), keyword
    assert there == said.keys() | same | {"sage_attention", "parts"}


def test_every_call_of_the_blocks_has_that_keyword_and_default():
    calls = [
        call
        for title in (HUNTER, LUCIDRAINS)
        for cells in rows(title)
        if len(cells) in (2, 3)
        for call in re.findall(r"`(\w+(?:\.forward)?)\((\w+)=?([^)`]*)\)", cells[1])
    ]
    assert len(calls) >= 10
    for owner, keyword, shown in calls:
        name, _, method = owner.partition(".")
        block = getattr(hfbs_attention, name, None) or getattr(hfbs_model, name)
        parameter = inspect.signature(getattr(block, method) if method else block).parameters[keyword]
        assert not shown or value(shown) == parameter.default, f"{owner}({keyword})"
