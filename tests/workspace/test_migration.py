"""What the pages on migration say of this workspace is so: imports, keywords, defaults."""

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import hfbs_attention
import hfbs_model
from hfbs_experimental.attend import VALUE_RESIDUAL
from hfbs_model import BandSplitRotator, Parts, load_checkpoint
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


TINY = {"dim": 8, "depth": 2, "heads": 2, "dim_head": 4, "zero_dc": False}
# What weights do not tell, at the values that a model has which is told nothing.
UNTOLD = {"stft_hop_length": 512, "stft_win_length": 2048, "zero_dc": False, "skip_connection": False}
UNTOLD |= {"stems": "a", "sample_rate": 44100, "chunk_size": 8192}
SWAPPED = "`….learned_value_residual_mix.0.…`"
PREDECESSORS_VALUES = "`….learned_value_residual_mix.…`"
State = dict[str, Tensor]


def renamed(pattern: str, name: str | Callable[[re.Match[str]], str]) -> Callable[[State], State]:
    return lambda state: {re.sub(pattern, name, key): tensor for key, tensor in state.items()}


# How weights of a model here come to be a file of each row of "Names in a state dict".
SPELLINGS: dict[str, list[Callable[[State], object]]] = {
    "`state_dict`, `state`, `model`, `model_state_dict` around the weights": [
        lambda state, around=around: {around: state} for around in ("state_dict", "state", "model", "model_state_dict")
    ],
    "`module.…`, `_orig_mod.…`": [renamed("^", "module."), renamed("^", "_orig_mod.")],
    "`….to_value_residual_mix.…`": [dict],
    SWAPPED: [dict],
    PREDECESSORS_VALUES: [renamed("to_value_residual_mix", "learned_value_residual_mix")],
    "`….branch.…` with one residual stream": [renamed(r"(\.layers\.\d\.\d)\.", r"\1.branch.")],
    "`layers.L.1.…`, `layers.L.2.…` without linear transformers": [
        renamed(r"^(layers\.\d)\.(\d)", lambda found: f"{found[1]}.{int(found[2]) + 1}")
    ],
}


def model_of(row: str) -> BandSplitRotator:
    """A model whose weights a row is about."""
    parts = VALUE_RESIDUAL.build(Parts()) if row == SWAPPED else Parts()
    return BandSplitRotator(**TINY, use_value_residual_learning="value_residual" in row, parts=parts).eval()


def test_every_row_of_names_in_a_state_dict_is_tried():
    assert [cells[0] for cells in rows("../migration", "Names in a state dict")] == list(SPELLINGS)


@pytest.mark.parametrize("row", SPELLINGS)
def test_load_checkpoint_reads_these_names(row: str, tmp_path: Path):
    model, mixture = model_of(row), torch.randn(1, 1, 3000)
    asked = {"msst_residuals": False} if "value_residual" in row and row != SWAPPED else {}
    for spelled in SPELLINGS[row]:
        torch.save(spelled(model.state_dict()), tmp_path / "model.ckpt")
        loaded = load_checkpoint(tmp_path / "model.ckpt", **UNTOLD, **asked).model
        torch.testing.assert_close(loaded(mixture), model(mixture))


def test_swapped_value_residuals_under_the_other_name_give_wrong_stems_without_an_error():
    theirs, ours = model_of(SWAPPED), model_of(PREDECESSORS_VALUES)
    ours.load_state_dict(renamed(r"learned_value_residual_mix\.0", "to_value_residual_mix")(theirs.state_dict()))
    mixture = torch.randn(1, 1, 3000)
    assert (ours(mixture) - theirs(mixture)).norm() > 1e-3 * theirs(mixture).norm()
