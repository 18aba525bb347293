"""The community's families of checkpoints, with the structure that their published YAML files have.

Depths, bands, heads' number, stems, hops and hidden layers are the published ones; the width is not, which would only
make the files larger. Heads have 8 features instead of 64.
"""

from dataclasses import dataclass
from typing import Any

from parity.cases import BANDS_63, Case, mel, stft

TRUNK = {"dim": 32, "heads": 8, "dim_head": 8, "time_transformer_depth": 1, "freq_transformer_depth": 1, "stereo": True}
BANDS_90 = (2,) * 40 + (4,) * 20 + (12,) * 15 + (35,) * 14 + (195,)


@dataclass(frozen=True)
class Family:
    """One row of the table.

    Attributes:
        name: Who trained it, and what.
        case: The configuration, and the upstream package that builds it.
        half: Whether its file holds float16.
        double: Whether to compare in float64, since a deep head of random weights magnifies rounding a thousandfold.
    """

    name: str
    case: Case
    half: bool = False
    double: bool = False

    def __str__(self) -> str:
        return self.name


def bs(name: str, depth: int, hop: int, *, half: bool = False, theirs: Any = None, **keywords: Any) -> Family:
    own = {**TRUNK, "depth": depth, **stft(2048, hop), "mask_estimator_depth": 1, **keywords}
    return Family(name, Case("pymss BS", 8000, own, theirs or {}), half)


def mel_band(name: str, depth: int, *, hidden: int = 2, n_fft: int = 2048, hop: int = 441, **keywords: Any) -> Family:
    own = {**TRUNK, "depth": depth, **mel(), **stft(n_fft, hop), "mask_estimator_depth": hidden, **keywords}
    return Family(name, Case("pymss Mel", 4 * n_fft, own))


def lucidrains(name: str, upstream: str, streams: int, **keywords: Any) -> Family:
    own = {**TRUNK, "depth": 3, **stft(2048, 512), **keywords}
    own |= mel() if "Mel" in upstream else {}
    return Family(name, Case(upstream, 8000, own, {"num_residual_streams": streams}))


FAMILIES = [
    bs("viperx ep_317, ep_368", 12, 441),
    bs("viperx ep_937", 12, 512),
    mel_band("viperx mel ep_3005", 12),
    mel_band("Kim MelBandRoformer", 6),
    mel_band("unwa kim_ft, inst v1, bleed suppressor", 6),
    mel_band("unwa duality", 6, num_stems=2),
    mel_band("unwa big_beta3, 5e", 6, hidden=3),
    mel_band("unwa beta4, inst_v2", 12, hidden=3),
    mel_band("unwa beta7", 8),
    bs("unwa BS LargeV1", 16, 441),
    bs("unwa revive", 12, 441),
    bs("unwa resurrection vocals", 12, 512),
    bs("unwa resurrection inst", 12, 441),
    bs("unwa Leap, Leap XE (90 bands)", 12, 512, freqs_per_bands=BANDS_90),
    mel_band("gabox inst, voc", 6),
    mel_band("gabox karaoke_small", 6, mlp_expansion_factor=1),
    mel_band("gabox voc_fv7", 12),
    mel_band("becruily vocals, inst", 6),
    mel_band("becruily karaoke", 6, num_stems=2),
    mel_band("becruily guitar", 4, mlp_expansion_factor=1),
    mel_band("becruily deux", 12, num_stems=2),
    mel_band("aufr33 karaoke, denoise, crowd", 6),
    bs("aufr33 male_female", 8, 441, num_stems=2),
    mel_band("anvuew dereverb", 6),
    bs("anvuew BS dereverb, karaoke, instrum", 12, 512),
    bs(
        "anvuew dereverb_room (mono, 63 bands)",
        16,
        512,
        stereo=False,
        freqs_per_bands=BANDS_63,
        mask_estimator_depth=2,
    ),
    mel_band("sucial dereverb-echo", 8, num_stems=2),
    bs("SW-Fixed, 6 stems", 12, 512, num_stems=6),
    bs("SW, shared biases, 6 stems", 12, 512, num_stems=6, theirs={"use_shared_bias": True}),
    bs("ZFTurbo MUSDB, 4 stems", 8, 441, num_stems=4, mlp_expansion_factor=2),
    mel_band("amane large, 4 stems", 8, n_fft=4096, hop=882, num_stems=4, skip_connection=True),
    mel_band("amane small, 4 stems", 8, n_fft=4096, hop=882, num_stems=4, skip_connection=True, mlp_expansion_factor=1),
    bs("mesk rifforge", 24, 441),
    bs("PolarFormer (PoPE, float16)", 6, 512, half=True, use_pope=True),
    bs("MVSep Mega-53", 12, 512, num_stems=53, mlp_expansion_factor=2, dim=8),
    bs("phantom center", 12, 441),
    bs("deverb_bs", 10, 512),
    lucidrains("lucidrains BS, 4 streams", "lucidrains BS", 4, use_value_residual_learning=True),
    lucidrains("lucidrains BS, 1 stream", "lucidrains BS", 1, use_value_residual_learning=True),
    lucidrains(
        "lucidrains Mel, 4 streams", "lucidrains Mel", 4, use_value_residual_learning=True, linear_transformer_depth=1
    ),
    lucidrains("lucidrains Mel, 1 stream", "lucidrains Mel", 1),
    Family("MSST BS Conformer", Case("pymss BS Conformer", 8000, {**TRUNK, "depth": 4, **stft(2048, 441)})),
    Family("MSST Mel Conformer", Case("pymss Mel Conformer", 8000, {**TRUNK, "depth": 4, **mel(), **stft(2048, 441)})),
    Family("unwa HyperACE v2", Case("pymss HyperACE", 8000, {**TRUNK, "depth": 12, **stft(2048, 512)}), double=True),
]
