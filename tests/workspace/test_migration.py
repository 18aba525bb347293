"""What the pages on migration say of this workspace is so: imports, keywords, defaults."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hfbs_attention
import hfbs_model
from hfbs_model import BandSplitRotator
from hfbs_model.bs_roformer import BSRoformer
from hfbs_model.mel_band_roformer import MelBandRoformer
from migration_tables import HUNTER, LUCIDRAINS, MSST, PYMSS, default, keyword_rows, listed, rows, value

# Every symbol of the package map of hunterFormsBS 0.1.5.
PREDECESSORS = {
    *("BandSplitRotator", "BandSplit", "MaskEstimator", "MLP", "lossComputation", "DEFAULT_FREQS_PER_BANDS"),
    *("Attend", "Attention", "FeedForward", "LinearAttention", "Transformer", "FlashAttentionConfig"),
    *("ParametersAttention", "ParametersTransformer", "ParametersSTFT", "ParametersComputeLoss"),
    *("filter_bank_non_overlapping", "librosa_filters_mel", "print_static_mask"),
    *("mask_filter_bank_mel_band_default", "mask_filter_bank_bs_roformer_default", "BSRoformer", "MelBandRoformer"),
}
KEYWORDS = inspect.signature(BandSplitRotator).parameters.keys() - {"unknown"}


IMPORTS = {cells[0].strip("`"): cells[1].strip("`") for cells in rows(HUNTER, "Imports")}


def test_every_symbol_of_the_predecessor_has_its_import():
    assert IMPORTS.keys() == PREDECESSORS


@pytest.mark.parametrize(("symbol", "module"), IMPORTS.items(), ids=list(IMPORTS))
def test_the_import_works_under_the_same_name(symbol: str, module: str):
    assert getattr(importlib.import_module(module), symbol) is not None


@pytest.mark.parametrize("upstream", [HUNTER, MSST, LUCIDRAINS, PYMSS])
def test_every_keyword_and_default_is_that_of_the_separator(upstream: str):
    for keyword, (_, _, here, *_) in keyword_rows(upstream).items():
        if here == "not here":
            assert keyword not in KEYWORDS
        else:
            assert value(here) == default(BandSplitRotator, keyword), keyword


@pytest.mark.parametrize("upstream", [HUNTER, MSST, LUCIDRAINS, PYMSS])
def test_what_is_said_to_be_the_same_exists(upstream: str):
    same = listed(upstream, "ame default and same meaning")
    assert same
    assert same <= KEYWORDS
    assert not same & keyword_rows(upstream).keys()


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
        for upstream in (HUNTER, LUCIDRAINS)
        for cells in rows(upstream, "The blocks")
        if len(cells) in (2, 3)
        for call in re.findall(r"`(\w+(?:\.forward)?)\((\w+)=?([^)`]*)\)", cells[1])
    ]
    assert len(calls) >= 10
    for owner, keyword, shown in calls:
        name, _, method = owner.partition(".")
        block = getattr(hfbs_attention, name, None) or getattr(hfbs_model, name)
        parameter = inspect.signature(getattr(block, method) if method else block).parameters[keyword]
        assert not shown or value(shown) == parameter.default, f"{owner}({keyword})"


def test_the_options_of_the_separator_that_the_pages_name_exist():
    tables = [("msst", "The command `inference.py`"), ("audio-separator", "Options"), ("pymss", "Separating")]
    cells = [row[1] for upstream, title in tables for row in rows(upstream, title)]
    options = set(re.findall(r"`(--[a-z-]+)", " ".join(cells)))
    assert len(options) >= 20
    helps = [run_help(command) for command in ("separate", "models", "download", "view")]
    missing = {option for option in options if not any(re.search(rf"{option}\b", text) for text in helps)}
    assert not missing


def run_help(command: str) -> str:
    words = [Path(sys.executable).with_name("hfbs"), command, "--help"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
