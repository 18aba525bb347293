"""Configurations to compare in, each in the words of BandSplitRotator and with the upstream that has it too."""

from dataclasses import dataclass, field
from typing import Any

BANDS_63 = (2,) * 24 + (4,) * 12 + (12,) * 8 + (24,) * 8 + (48,) * 8 + (64, 64, 129)
BANDS_63_WIDE = (4,) * 24 + (8,) * 12 + (24,) * 8 + (48,) * 8 + (96,) * 8 + (128, 128, 257)
SMALL = {"dim": 24, "depth": 2, "heads": 2, "dim_head": 16, "time_transformer_depth": 1, "freq_transformer_depth": 1}


@dataclass(frozen=True)
class Case:
    """One configuration.

    Attributes:
        upstream: Key of :data:`oracles.BUILDERS`.
        length: Samples of the input.
        keywords: Keywords of BandSplitRotator beside :data:`SMALL`.
        theirs: Keywords of upstream's class that BandSplitRotator does not have.
        variants: Research variants by name, each with the keywords that weights do not tell.
    """

    upstream: str
    length: int
    keywords: dict[str, Any] = field(default_factory=dict)
    theirs: dict[str, Any] = field(default_factory=dict)
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        return SMALL | self.keywords

    def __str__(self) -> str:
        spoken = {"freqs_per_bands": lambda bands: f"{len(bands)} bands", "stft_win_length": lambda _: ""}
        said = [
            spoken.get(name, lambda value, name=name: f"{name}={value}")(value)
            for name, value in (self.keywords | self.theirs).items()
        ]
        return f"{self.upstream}: {', '.join([*filter(None, said), f'{self.length} samples'])}"


def mel(sample_rate: int = 44100, num_bands: int = 60) -> dict[str, int]:
    return {"num_bands": num_bands, "sample_rate": sample_rate}


def stft(n_fft: int, hop: int) -> dict[str, int]:
    return {"stft_n_fft": n_fft, "stft_win_length": n_fft, "stft_hop_length": hop}


VALUES = {"use_value_residual_learning": True}

CASES = [
    # BS layouts. lucidrains' model has learned value residuals in every layer but the first.
    Case("lucidrains BS", 11025, {"depth": 1, "zero_dc": False}),
    Case("lucidrains BS", 11025, {"depth": 1, "zero_dc": True, "stereo": True}),
    Case("lucidrains BS", 12001, {"depth": 1, "stereo": True, "num_stems": 2, "mask_estimator_depth": 2}),
    Case("lucidrains BS", 9999, {"depth": 1, "freqs_per_bands": BANDS_63, "dim_head": 64, "num_stems": 4}),
    Case("lucidrains BS", 11025, {"depth": 1, "stereo": True, "use_pope": True, "dim_head": 32}),
    Case(
        "lucidrains BS",
        13001,
        {"depth": 1, **stft(2048, 441), "time_transformer_depth": 2, "freq_transformer_depth": 3},
    ),
    Case("lucidrains BS", 14001, {"depth": 1, **stft(4096, 882), "freqs_per_bands": BANDS_63_WIDE, "stereo": True}),
    Case("lucidrains BS", 8191, {"depth": 1, "freq_range": (24, 824), "freqs_per_bands": (20,) * 40, "zero_dc": False}),
    Case("lucidrains BS", 11025, {**VALUES, "stereo": True, "zero_dc": False}),
    Case("lucidrains BS", 11025, {**VALUES, "depth": 3, "num_stems": 6, "time_transformer_depth": 2}),
    Case(
        "lucidrains BS", 10007, {**VALUES, "use_pope": True, "stereo": True, "mask_estimator_depth": 3, "num_stems": 2}
    ),
    Case("pymss BS", 11025, {"zero_dc": False}),
    Case("pymss BS", 11025, {"zero_dc": True, "stereo": True, "num_stems": 4, "mlp_expansion_factor": 2}),
    Case("pymss BS", 12345, {"depth": 3, "skip_connection": True, "stereo": True, **stft(2048, 441)}),
    Case("pymss BS", 11027, {"freqs_per_bands": BANDS_63, "mask_estimator_depth": 2, "zero_dc": False}),
    Case("pymss BS", 11025, {"use_pope": True, "stereo": True, "mlp_expansion_factor": 1, "num_stems": 2}),
    Case("pymss BS", 15001, {**stft(4096, 882), "freqs_per_bands": BANDS_63_WIDE, "dim_head": 64, "heads": 1}),
    Case("pymss BS", 11025, {"num_stems": 6, "stereo": True, "mask_estimator_depth": 3, "depth": 1}),
    Case("pymss BS", 2049, {"stereo": True, "time_transformer_depth": 2, "freq_transformer_depth": 2}),
    # Mel layouts.
    Case("lucidrains Mel", 11025, {**mel(), "zero_dc": False}),
    Case("lucidrains Mel", 11025, {**mel(), "stereo": True, "zero_dc": True, "match_input_audio_length": False}),
    Case("lucidrains Mel", 12001, {**mel(), "linear_transformer_depth": 1, "stereo": True, "num_stems": 2}),
    Case("lucidrains Mel", 9001, {**mel(), "linear_transformer_depth": 2, "mask_estimator_depth": 2, "num_stems": 4}),
    Case("lucidrains Mel", 11025, {**mel(48000), "use_pope": True, "stereo": True, "dim_head": 32}),
    Case("lucidrains Mel", 14001, {**mel(), **stft(4096, 882), "stereo": True, "mask_estimator_depth": 3}),
    Case("lucidrains Mel", 11025, {**mel(32000, 64), **stft(2048, 441), "depth": 3, "time_transformer_depth": 2}),
    Case("pymss Mel", 11025, {**mel(), "zero_dc": True}),
    Case("pymss Mel", 11025, {**mel(), "stereo": True, "zero_dc": False, "mlp_expansion_factor": 1}),
    Case("pymss Mel", 14003, {**mel(), **stft(4096, 882), "skip_connection": True, "num_stems": 4, "stereo": True}),
    Case("pymss Mel", 12321, {**mel(48000), "num_stems": 6, "mask_estimator_depth": 2, **stft(2048, 441)}),
    Case(
        "pymss Mel",
        11025,
        {**mel(), "mask_estimator_depth": 3, "mlp_expansion_factor": 2, "stereo": True, "dim_head": 64},
    ),
    Case(
        "pymss Mel", 11025, {**mel(16000, 80), **stft(4096, 512), "depth": 3, "skip_connection": True, "num_stems": 2}
    ),
    Case("pymss Mel", 7777, {**mel(), "match_input_audio_length": False, "stereo": True, "freq_transformer_depth": 3}),
]

CONNECTIONS = {"hyper-connections": {"sinkhorn_iters": 2}}
EXPERIMENTAL_CASES = [
    # lucidrains' classes as they are by default: four streams, value residuals, a linear transformer in the Mel model.
    Case("lucidrains BS", 11025, {**VALUES, "stereo": True}, {"num_residual_streams": 4}, CONNECTIONS),
    Case(
        "lucidrains BS",
        11025,
        {**VALUES, "depth": 3, "use_pope": True, "num_stems": 2, "time_transformer_depth": 2},
        {"num_residual_streams": 2, "mc_hyper_conn_sinkhorn_iters": 5},
        {"hyper-connections": {"sinkhorn_iters": 5}},
    ),
    Case(
        "lucidrains BS",
        9999,
        VALUES,
        {"num_residual_streams": 2, "num_residual_fracs": 2},
        CONNECTIONS,
    ),
    Case(
        "lucidrains Mel",
        11025,
        {**mel(), **VALUES, "linear_transformer_depth": 1, "stereo": True},
        {"num_residual_streams": 4},
        {"value-residual": {}, **CONNECTIONS},
    ),
    Case(
        "lucidrains Mel",
        11025,
        {**mel(), **VALUES, "linear_transformer_depth": 2, "depth": 3, "num_stems": 2},
        {"num_residual_streams": 1},
        {"value-residual": {}},
    ),
    Case(
        "lucidrains Mel",
        12001,
        {**mel(), **VALUES, "use_pope": True, "stereo": True, "time_transformer_depth": 2},
        {"num_residual_streams": 3},
        {**CONNECTIONS, "value-residual": {}},
    ),
    Case("lucidrains Mel", 11025, {**mel(), "linear_transformer_depth": 1}, {"num_residual_streams": 4}, CONNECTIONS),
    Case("pymss BS", 11025, {"stereo": True, "num_stems": 6}, {"use_shared_bias": True}, {"biased-attention": {}}),
    Case("pymss BS", 11025, {"use_pope": True}, {"use_shared_bias": True}, {"biased-attention": {}}),
    Case("pymss BS Conformer", 11025, {"stereo": True, "time_transformer_depth": 2}, {}, {"conformer": {}}),
    Case(
        "pymss BS Conformer",
        11025,
        {"num_stems": 2},
        {"use_shared_bias": True, "conv_kernel_size": 7, "conv_expansion_factor": 3},
        {"biased-attention": {}, "conformer": {}},
    ),
    Case("pymss Mel Conformer", 11025, {**mel(), "stereo": True, "skip_connection": True}, {}, {"conformer": {}}),
]
