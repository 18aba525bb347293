"""Any file that upstream's packages can write loads from the weights alone, and gives upstream's output."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from hfbs_model import BandSplitRotator, Checkpoint, load_checkpoint, save_checkpoint
from parity.cases import VALUES, Case, mel, stft
from parity.oracles import build, our_keywords
from parity.test_parity import relative_difference, with_stem_axis

# Partitions of the 129 bins of an FFT of 256, and of the 257 bins of one of 512.
PARTITIONS = {
    256: [(1,) * 3 + (2,) * 63, (4,) * 32 + (1,), (60, 69), (8,) * 16 + (1,)],
    512: [(8,) * 32 + (1,), (100, 157)],
}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Configurations that each of the upstream packages builds, small but of any shape."""
    upstream = draw(st.sampled_from(["lucidrains BS", "lucidrains Mel", "pymss BS", "pymss Mel", "pymss BS Conformer"]))
    is_mel, is_lucidrains = "Mel" in upstream, upstream.startswith("lucidrains")
    n_fft = 2048 if is_mel else draw(st.sampled_from(sorted(PARTITIONS)))
    keywords: dict[str, Any] = {
        "dim": 4 * draw(st.integers(2, 6)),
        "depth": draw(st.integers(1, 3)),
        "heads": draw(st.integers(1, 4)),
        "dim_head": 2 * draw(st.integers(2, 8)),
        "stereo": draw(st.booleans()),
        "num_stems": draw(st.integers(1, 3)),
        "time_transformer_depth": draw(st.integers(1, 2)),
        "freq_transformer_depth": draw(st.integers(1, 2)),
        "mask_estimator_depth": draw(st.integers(1, 3)),
        "zero_dc": draw(st.booleans()),
        **stft(n_fft, n_fft // draw(st.sampled_from([4, 5, 8]))),
    }
    keywords |= mel(draw(st.sampled_from([44100, 48000]))) if is_mel else {}
    keywords |= {} if is_mel else {"freqs_per_bands": draw(st.sampled_from(PARTITIONS[n_fft]))}
    theirs: dict[str, Any] = {}
    if is_lucidrains:
        theirs["num_residual_streams"] = draw(st.integers(1, 4))
        if keywords["depth"] > 1 and (not is_mel or draw(st.booleans())):
            keywords |= VALUES
        if is_mel:
            keywords["linear_transformer_depth"] = draw(st.integers(0, 2))
        elif theirs["num_residual_streams"] > 1:
            theirs["mc_hyper_conn_sinkhorn_iters"] = draw(st.integers(1, 4))
    else:
        keywords["mlp_expansion_factor"] = draw(st.integers(1, 3))
        if not is_mel:
            theirs["use_shared_bias"] = draw(st.booleans())
    if upstream == "pymss BS Conformer":
        theirs |= {
            "conv_kernel_size": 2 * draw(st.integers(1, 4)) + 1,
            "conv_expansion_factor": draw(st.integers(1, 3)),
        }
    if upstream in ("lucidrains BS", "lucidrains Mel", "pymss BS") and draw(st.booleans()):
        keywords["use_pope"] = True
    if upstream in ("pymss BS", "pymss Mel"):
        keywords["skip_connection"] = draw(st.booleans())
    return Case(upstream, 5 * n_fft + draw(st.integers(0, n_fft)), keywords, theirs)


def untold(case: Case) -> dict[str, Any]:
    """What a user has to say about the weights of a case: nothing of their shapes."""
    said = our_keywords(case)
    keywords = ("stft_hop_length", "stft_win_length", "zero_dc")
    answers: dict[str, Any] = {name: said[name] for name in keywords}
    answers["skip_connection"] = said.get("skip_connection", False)
    answers["match_input_audio_length"] = said.get("match_input_audio_length", True)
    answers["stems"] = [f"stem {number}" for number in range(said.get("num_stems", 1))]
    answers |= {"sample_rate": said.get("sample_rate", 44100), "chunk_size": 44100}
    if case.theirs.get("num_residual_streams", 1) > 1:
        answers["sinkhorn_iters"] = case.theirs.get("mc_hyper_conn_sinkhorn_iters", 2)
    if case.upstream == "pymss HyperACE":
        answers["hyperace_num_heads"] = 8
    return answers


def loaded_from_weights_alone(theirs: nn.Module, case: Case, folder: Path) -> Checkpoint:
    torch.save(theirs.state_dict(), folder / "model.ckpt")
    return load_checkpoint(folder / "model.ckpt", **untold(case))


@torch.no_grad()
def difference(theirs: nn.Module, case: Case, ours: nn.Module) -> float:
    precision = next(ours.parameters()).dtype
    mixture = torch.randn(1, 1 + case.settings.get("stereo", False), case.length, dtype=precision)
    return relative_difference(ours(mixture), with_stem_axis(theirs(mixture)))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases())
def test_a_drawn_architecture_loads_from_its_weights_alone(tmp_path: Path, case: Case) -> None:
    torch.manual_seed(len(str(case)))
    theirs = build(case).eval()
    checkpoint = loaded_from_weights_alone(theirs, case, tmp_path)
    told = {finding.keyword: finding.taken for finding in checkpoint.report.by_origin("weights")}
    for name, value in case.settings.items():
        if name in told:
            assert told[name] == value, name
    assert difference(theirs, case, checkpoint.model) <= 1e-5


@pytest.mark.parametrize("num_bands", [1, 2])
@pytest.mark.parametrize("stereo", [False, True])
def test_mel_bands_however_few_are_loaded(tmp_path: Path, num_bands: int, stereo: bool) -> None:
    """Here, since other bands than the usual 60 need librosa."""
    model = BandSplitRotator(8, depth=1, num_bands=num_bands, sample_rate=32000, stereo=stereo, **stft(64, 16)).eval()
    save_checkpoint(Checkpoint(model, ("vocals",), 32000, 4000), tmp_path / "m.safetensors")
    loaded = load_checkpoint(tmp_path / "m.safetensors").model
    audio = torch.randn(1, model.audio_channels, 333)
    with torch.no_grad():
        assert torch.equal(loaded(audio), model(audio))
