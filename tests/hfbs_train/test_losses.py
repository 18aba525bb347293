"""Each criterion agrees with an independent implementation, and the whole with what batches and stems must obey."""

import math
from dataclasses import replace
from functools import cache
from typing import Any

import auraloss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import hfbs_separate.evaluation
from hfbs_model import ParametersComputeLoss, lossComputation
from hfbs_train import ConfigurationError
from hfbs_train.losses import Loss, LossTerms, build_loss, read_losses

RATE = 44100
SMALL = ParametersComputeLoss((64, 32), 8, 64)
# Settings that are quick on short audio; one of each kind.
KINDS: dict[str, dict[str, Any]] = {
    "model": {},
    "l1": {},
    "mse": {},
    "stft": {"windows": [64, 32], "hop_length": 8, "n_fft": 64},
    "si_sdr": {},
    "l1_snr": {},
    "stft_l1_snr": {"windows": [32, 64]},
    "log_wmse": {},
    "multi_resolution_stft": {"fft_sizes": [64, 32], "hop_sizes": [16, 8], "win_lengths": [64, 24]},
}
ZERO_ON_EQUALITY = ["model", "l1", "mse", "stft", "multi_resolution_stft"]
kinds = st.sampled_from(list(KINDS))
seeds = st.integers(0, 2**32 - 1)
each_kind = pytest.mark.parametrize("kind", KINDS)


@cache
def loss_of(*names: str, sample_rate: int = RATE) -> Loss:
    specs = read_losses([{"kind": kind, **KINDS[kind]} for kind in names])
    return build_loss(specs, sample_rate=sample_rate, own=SMALL)


def noise(seed: int, *shape: int) -> Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def batch(
    seed: int, items: int = 2, stems: int = 2, channels: int = 2, time: int = 300
) -> tuple[Tensor, Tensor, Tensor]:
    """Estimates, targets, mixture."""
    targets = noise(seed, items, stems, channels, time)
    return targets + noise(seed + 1, *targets.shape), targets, targets.sum(1)


def all_known(stems: Tensor) -> Tensor:
    return torch.ones(stems.shape[:2], dtype=torch.bool)


def value(kind: str, estimates: Tensor, targets: Tensor, mixture: Tensor, **keywords: Any) -> float:
    return loss_of(kind, **keywords)(estimates, targets, mixture, all_known(targets)).total.item()


# Each criterion, against another implementation


@settings(max_examples=30)
@given(seeds, st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(1, 300))
def test_the_models_own_loss_is_the_models(seed: int, items: int, stems: int, channels: int, time: int) -> None:
    estimates, targets, mixture = batch(seed, items, stems, channels, time)
    own = replace(SMALL, loss_weight=0.3)
    specs = read_losses([{"kind": "model"}])
    loss = build_loss(specs, sample_rate=RATE, own=own)
    ours, theirs = estimates.clone().requires_grad_(), estimates.clone().requires_grad_()
    total = loss(ours, targets, mixture, all_known(targets)).total
    reference = lossComputation(theirs, targets, range(stems), own)
    torch.testing.assert_close(total, reference)
    total.backward()
    reference.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_l1_and_stft_together_are_the_models_own_loss() -> None:
    """With the usual settings, which a model has that says nothing of its loss."""
    signals = batch(0, time=5000)
    known = all_known(signals[0])
    apart = build_loss(read_losses(["l1", "stft"]), sample_rate=RATE)(*signals, known)
    whole = build_loss(read_losses(["model"]), sample_rate=RATE)(*signals, known)
    torch.testing.assert_close(apart.total, whole.total)
    torch.testing.assert_close(apart.terms["l1"], (signals[0] - signals[1]).abs().mean())


@settings(max_examples=30)
@given(seeds)
def test_l1_and_mse_are_torchs(seed: int) -> None:
    estimates, targets, mixture = batch(seed)
    assert value("l1", estimates, targets, mixture) == pytest.approx(torch.nn.L1Loss()(estimates, targets).item())
    assert value("mse", estimates, targets, mixture) == pytest.approx(torch.nn.MSELoss()(estimates, targets).item())


@settings(max_examples=30)
@given(seeds, st.floats(-50, 20), st.floats(-10, 20))
def test_si_sdr_is_the_score_of_that_name(seed: int, error_level: float, level: float) -> None:
    targets = 10 ** (level / 20) * noise(seed, 2, 3, 2, 500)
    estimates = targets + 10 ** ((level + error_level) / 20) * noise(seed + 1, *targets.shape)
    scores = [
        hfbs_separate.evaluation.si_sdr(truth.numpy(), guess.numpy())
        for truth, guess in zip(targets.flatten(0, 1), estimates.flatten(0, 1), strict=True)
    ]
    assert value("si_sdr", estimates, targets, targets.sum(1)) == pytest.approx(-np.mean(scores), abs=2e-2)


@settings(max_examples=30)
@given(seeds, st.floats(-30, 30), kinds)
def test_si_sdr_alone_does_not_change_where_the_estimate_is_scaled(seed: int, level: float, kind: str) -> None:
    estimates, targets, mixture = batch(seed)
    before = value(kind, estimates, targets, mixture)
    after = value(kind, 10 ** (level / 20) * estimates, targets, mixture)
    if kind == "si_sdr":
        assert after == pytest.approx(before, abs=1e-2)
    elif abs(level) > 3:
        assert after != pytest.approx(before, abs=1e-5)


@settings(max_examples=10)
@given(seeds, st.floats(-50, 10), st.sampled_from([44100, 48000, 32000]))
def test_log_wmse_is_the_librarys(seed: int, error_level: float, sample_rate: int) -> None:
    targets = noise(seed, 1, 2, 2, sample_rate // 2)
    estimates = targets + 10 ** (error_level / 20) * noise(seed + 1, *targets.shape)
    mixture = targets.sum(1)
    scores = [
        hfbs_separate.evaluation.log_wmse(truth.numpy(), guess.numpy(), mixture[0].numpy(), sample_rate)
        for truth, guess in zip(targets[0], estimates[0], strict=True)
    ]
    ours = value("log_wmse", estimates, targets, mixture, sample_rate=sample_rate)
    # The library leaves out what its filter gives before and after the audio, and soxr's filter is not ideal.
    assert ours == pytest.approx(-np.mean(scores), abs=0.1)


def test_log_wmse_of_a_perfect_estimate_or_a_silent_mixture_is_the_librarys_best() -> None:
    best = 4 * math.log(1e-8)
    targets, silence = noise(0, 1, 2, 2, 1000), torch.zeros(1, 2, 1000)
    assert value("log_wmse", targets, targets, targets.sum(1)) == pytest.approx(best)
    assert value("log_wmse", targets + 1, targets, silence) == pytest.approx(best)


def test_no_gradient_of_log_wmse_reaches_the_mixture() -> None:
    estimates, targets, mixture = batch(0)
    mixture.requires_grad_()
    estimates.requires_grad_()
    loss_of("log_wmse")(estimates, targets, mixture, all_known(targets)).total.backward()
    assert mixture.grad is None
    assert estimates.grad is not None


@settings(max_examples=20)
@given(
    seeds,
    st.sampled_from(["hann", "hamming"]),
    st.sampled_from(["L1", "L2"]),
    st.tuples(*[st.sampled_from([0.0, 0.5, 1.0])] * 3).filter(any),
)
def test_multi_resolution_stft_is_auralosss_item_by_item_and_stem_by_stem(
    seed: int, window: str, distance: str, factors: tuple[float, float, float]
) -> None:
    estimates, targets, mixture = batch(seed)
    names = ("spectral_convergence", "log_magnitude", "linear_magnitude")
    entry = {
        "kind": "multi_resolution_stft",
        **KINDS["multi_resolution_stft"],
        **dict(zip(names, factors, strict=True)),
        "window": window,
        "distance": distance,
    }
    total = build_loss(read_losses([entry]), sample_rate=RATE)(estimates, targets, mixture, all_known(targets)).total
    reference = auraloss.freq.MultiResolutionSTFTLoss(
        [64, 32], [16, 8], [64, 24], f"{window}_window", *factors, mag_distance=distance
    )
    losses = [reference(*(each[i, j][None] for each in (estimates, targets))) for i in range(2) for j in range(2)]
    torch.testing.assert_close(total, torch.stack(losses).mean())


def test_perceptual_weighting_is_auralosss_at_the_datas_rate() -> None:
    estimates, targets, mixture = batch(0, items=1, stems=1, time=2000)
    entry = {"kind": "multi_resolution_stft", "perceptual_weighting": True}
    total = build_loss(read_losses([entry]), sample_rate=32000)(estimates, targets, mixture, all_known(targets)).total
    reference = auraloss.freq.MultiResolutionSTFTLoss(sample_rate=32000, perceptual_weighting=True)
    torch.testing.assert_close(total, reference(estimates[0], targets[0]))


@settings(max_examples=20)
@given(seeds, st.sampled_from([1e-3, 1e-1]))
def test_l1_snr_is_its_formula_spelled_out(seed: int, eps: float) -> None:
    estimates, targets, mixture = (each.double() for each in batch(seed, time=200))
    entries = [{"kind": "l1_snr", "eps": eps}, {"kind": "stft_l1_snr", "windows": [32, 64], "eps": eps}]
    terms = build_loss(read_losses(entries), sample_rate=RATE)(estimates, targets, mixture, all_known(targets)).terms

    def decibels(ours: Any, theirs: Any) -> float:
        return 10 * math.log10((np.abs(ours - theirs).mean() + eps) / (np.abs(theirs).mean() + eps))

    def spectra(channels: Any, size: int) -> Any:
        window = np.hanning(size + 1)[:-1]
        mirrored = np.pad(channels, ((0, 0), (size // 2, size // 2)), mode="reflect")
        starts = range(0, mirrored.shape[1] - size + 1, size // 4)
        frames = [np.fft.rfft(mirrored[:, start : start + size] * window) for start in starts]
        return np.array(frames) / np.sqrt((window**2).sum())

    pairs = [(estimates[i, j].numpy(), targets[i, j].numpy()) for i in range(2) for j in range(2)]
    expected = np.mean([decibels(*pair) for pair in pairs])
    assert terms["l1_snr"].item() == pytest.approx(expected, rel=1e-9)
    spectral: list[float] = []
    for pair in pairs:
        for size in (32, 64):
            ours, theirs = (spectra(channels, size) for channels in pair)
            spectral.append(decibels(ours.real, theirs.real) + decibels(ours.imag, theirs.imag))
    assert terms["stft_l1_snr"].item() == pytest.approx(np.mean(spectral), rel=1e-9)


# What all criteria obey


@pytest.mark.parametrize("kind", ZERO_ON_EQUALITY)
def test_a_perfect_estimate_has_no_loss(kind: str) -> None:
    _, targets, mixture = batch(0)
    assert value(kind, targets, targets, mixture) == 0


@each_kind
def test_no_estimate_has_less_loss_than_the_truth(kind: str) -> None:
    estimates, targets, mixture = batch(0)
    assert value(kind, targets, targets, mixture) < value(kind, (estimates + targets) / 2, targets, mixture)
    assert value(kind, (estimates + targets) / 2, targets, mixture) < value(kind, estimates, targets, mixture)


@each_kind
@pytest.mark.parametrize("silent", ["estimates", "targets", "both", "mixture", "all"])
@pytest.mark.parametrize("level", [1.0, 1e-4, 1e-10, 1e-30])
def test_silence_makes_neither_loss_nor_gradient_explode(kind: str, silent: str, level: float) -> None:
    estimates, targets, mixture = (level * each for each in batch(0))
    if silent in ("estimates", "both", "all"):
        estimates = torch.zeros_like(estimates)
    if silent in ("targets", "both", "all"):
        targets = torch.zeros_like(targets)
    if silent in ("mixture", "all"):
        mixture = torch.zeros_like(mixture)
    estimates.requires_grad_()
    total = loss_of(kind)(estimates, targets, mixture, all_known(targets)).total
    total.backward()
    assert total.isfinite()
    assert estimates.grad is not None
    assert estimates.grad.isfinite().all()
    assert estimates.grad.norm() < 1e8


@settings(max_examples=40)
@given(seeds, kinds, st.permutations(range(3)))
def test_the_order_of_stems_makes_no_difference(seed: int, kind: str, order: list[int]) -> None:
    estimates, targets, mixture = batch(seed, stems=3)
    known = torch.tensor([[True, False, True], [True, True, True]])
    loss = loss_of(kind)
    before = loss(estimates, targets, mixture, known).total
    after = loss(estimates[:, order], targets[:, order], mixture, known[:, order]).total
    torch.testing.assert_close(before, after)


@settings(max_examples=40)
@given(seeds, kinds, st.lists(st.tuples(st.booleans(), st.booleans()), min_size=4, max_size=4))
def test_equal_shares_of_a_batch_average_to_the_batch(seed: int, kind: str, known: list[tuple[bool, bool]]) -> None:
    """What DDP does over devices, and a step that gathers gradients over batches."""
    estimates, targets, mixture = batch(seed, items=4)
    mask, loss = torch.tensor(known), loss_of(kind)

    def gradient(shares: list[slice]) -> tuple[Tensor, Tensor]:
        ours = estimates.clone().requires_grad_()
        total = torch.stack([loss(ours[s], targets[s], mixture[s], mask[s]).total for s in shares]).mean()
        total.backward()
        assert ours.grad is not None
        return total, ours.grad

    whole, expected = gradient([slice(0, 4)])
    parts, actual = gradient([slice(0, 2), slice(2, 4)])
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(actual, expected)


@settings(max_examples=40)
@given(seeds, kinds, st.sampled_from([0.0, 7.0, math.inf, math.nan]))
def test_what_is_not_known_counts_nothing(seed: int, kind: str, filler: float) -> None:
    estimates, targets, mixture = batch(seed, items=3, stems=3)
    known = torch.tensor([[True, False, True], [False, True, False], [False, False, False]])
    alone = [
        torch.stack(
            [loss_of(kind)(*(e[i : i + 1, j : j + 1] for e in (estimates, targets)), mixture[i : i + 1], one).total
             for j in stems]
        ).mean()
        for one in [torch.ones(1, 1, dtype=torch.bool)]
        for i, stems in enumerate([[0, 2], [1]])
    ]  # fmt: skip
    targets[~known] = filler
    estimates.requires_grad_()
    total = loss_of(kind)(estimates, targets, mixture, known).total
    total.backward()
    torch.testing.assert_close(total, torch.stack(alone).sum() / 3)
    assert estimates.grad is not None
    assert (estimates.grad[~known] == 0).all()
    assert estimates.grad[known].isfinite().all()
    assert estimates.grad[0, 0].any()


@each_kind
def test_losses_are_in_single_precision_within_autocast(kind: str) -> None:
    estimates, targets, mixture = batch(0)
    plain = loss_of(kind)(estimates, targets, mixture, all_known(targets))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        within = loss_of(kind)(estimates, targets, mixture, all_known(targets))
    assert within.total.dtype == torch.float32
    torch.testing.assert_close(within.total, plain.total, rtol=0, atol=0)
    half = loss_of(kind)(estimates.bfloat16(), targets, mixture, all_known(targets))
    same = loss_of(kind)(estimates.bfloat16().float(), targets, mixture, all_known(targets))
    assert half.total == same.total


@each_kind
def test_a_target_longer_than_the_estimate_is_cut(kind: str) -> None:
    estimates, targets, mixture = batch(0)
    short = estimates[..., :250]
    cut = value(kind, short, targets[..., :250], mixture[..., :250])
    assert value(kind, short, targets, mixture) == cut


@each_kind
def test_audio_shorter_than_any_window_has_a_loss(kind: str) -> None:
    estimates, targets, mixture = batch(0, time=5)
    assert math.isfinite(value(kind, estimates, targets, mixture))


@settings(max_examples=20)
@given(seeds, st.lists(st.floats(0, 10), min_size=len(KINDS), max_size=len(KINDS)).filter(any))
def test_the_total_is_the_sum_of_the_terms_times_their_weights(seed: int, weights: list[float]) -> None:
    signals = batch(seed)
    entries = [
        {"kind": kind, "weight": weight, **own} for (kind, own), weight in zip(KINDS.items(), weights, strict=True)
    ]
    found: LossTerms = build_loss(read_losses(entries), sample_rate=RATE, own=SMALL)(*signals, all_known(signals[0]))
    assert list(found.terms) == list(KINDS)
    expected = sum(weight * term.item() for weight, term in zip(weights, found.terms.values(), strict=True))
    assert found.total.item() == pytest.approx(expected, rel=1e-5, abs=1e-4)
    assert not any(term.requires_grad for term in found.terms.values())


def test_two_terms_of_one_kind_have_names() -> None:
    entries = [{"kind": "l1"}, {"kind": "stft", "name": "coarse", "windows": [64]}, {"kind": "stft", "weight": 0.5}]
    signals = batch(0)
    assert list(build_loss(read_losses(entries), sample_rate=RATE)(*signals, all_known(signals[0])).terms) == [
        "l1",
        "coarse",
        "stft",
    ]


# What a configuration may say


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ("l1", r"losses must be a list such as \[\{kind: model\}\], got 'l1'"),
        ([], r"losses must be a list such as \[\{kind: model\}\], got \[\]"),
        ([3], r"losses\[0\] must be a mapping of names to values, got 3"),
        (["l1", {"weight": 1.0}], r"losses\[1\]: kind is missing; there are model, l1, mse, stft, si_sdr, "),
        (["huber"], r"losses\[0\]: unknown kind 'huber'; there are model, l1, mse, stft, "),
        (
            [{"kind": "stft", "hop": 441}],
            r"losses\[0\]: unknown key 'hop'; there are weight, name, windows, hop_length",
        ),
        ([{"kind": "l1", "weight": "1"}], r"losses\[0\]\.weight must be a number, got '1'"),
        ([{"kind": "l1", "weight": True}], r"losses\[0\]\.weight must be a number, got True"),
        ([{"kind": "l1", "weight": -1}], r"losses\[0\]: weight must be a number of at least 0, got -1\.0"),
        ([{"kind": "l1", "weight": math.nan}], r"losses\[0\]: weight must be a number of at least 0, got nan"),
        ([{"kind": "stft", "windows": 512}], r"losses\[0\]\.windows must be a list, got 512"),
        ([{"kind": "stft", "windows": [512, 0]}], r"windows must be in samples, at least 1, got \(512, 0\)"),
        ([{"kind": "stft", "hop_length": 1.5}], r"losses\[0\]\.hop_length must be a whole number, got 1\.5"),
        ([{"kind": "stft_l1_snr", "windows": [510]}], r"windows must be multiples of 4, as the hop is a quarter"),
        ([{"kind": "l1_snr", "eps": 0}], r"losses\[0\]: eps must be a number above 0, got 0\.0"),
        (
            [{"kind": "multi_resolution_stft", "window": "tukey"}],
            r"losses\[0\]\.window must be one of hann, hamming, blackman, bartlett, got 'tukey'",
        ),
        (
            [{"kind": "multi_resolution_stft", "fft_sizes": [512]}],
            r"fft_sizes, hop_sizes and win_lengths must have one value per resolution, got 1, 3 and 3",
        ),
        (
            [{"kind": "multi_resolution_stft", "win_lengths": [600, 4096, 240]}],
            r"a window cannot be longer than its transform, got 4096 and 2048",
        ),
        (
            [{"kind": "multi_resolution_stft", "spectral_convergence": 0, "log_magnitude": 0}],
            r"must be at least 0, and one of them above, got \(0\.0, 0\.0, 0\.0\)",
        ),
        (["l1", "l1"], r"losses: two terms are called 'l1'; give one of them another `name`"),
        ([{"kind": "l1", "name": "loss"}], r"losses: a term is called 'loss', which a run's figures have already"),
        ([{"kind": "l1", "name": "step"}], r"losses: a term is called 'step', which a run's figures have already"),
        ([{"kind": "l1", "weight": 0}], r"losses: no term has a weight above 0, so there is nothing to minimise"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(entries: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_losses(entries)


@pytest.mark.parametrize(
    ("kind", "library"), [("multi_resolution_stft", "auraloss"), ("log_wmse", "log_wmse_audio_quality")]
)
def test_a_missing_library_is_named_before_training(kind: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hfbs_train._extra.find_spec", lambda name: None if name == library else object())
    with pytest.raises(
        ConfigurationError, match=rf'{kind} needs {library}, which is not installed: pip install "hfbs-train\[losses\]"'
    ):
        build_loss(read_losses([kind]), sample_rate=RATE)
