"""How much memory a forward pass needs, before one is run."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from hfbs_attention import POSITIONS_IN_CACHE, RMSNorm

from ._checkpoints._build import no_initial_values
from ._parts import Parts
from ._rotator import BandSplitRotator

_FLOAT32, _COMPLEX64 = 4, 8


def inference_memory(
    model: BandSplitRotator | Mapping[str, object],
    *,
    samples: int,
    batch_size: int = 1,
    bytes_per_element: int = 4,
    device_type: str = "cpu",
) -> int:
    """Predict the most memory that a model and one forward pass without gradients occupy at once.

    Weights, audio and spectrum (X bytes) are there all the time. On top comes the largest of four moments.

    In the trunk there are the bands' features (Q bytes), and per token (one for each of the batch, frame and band) of D
    = ``dim`` numbers the layer's input, what attention along time made of it, and what attention along the bands makes
    (3 D; with a batch a copy, D, and with skip connections D for each layer before; with value residuals I = heads ·
    dim_head for each of both axes). Sequences go through a transformer in groups of
    :data:`~hfbs_attention.POSITIONS_IN_CACHE` positions, or by twos and threes where they are longer. So only per
    position of a group there is what the code holds at the widest moment of a block: its input twice, then in attention
    the input normalised, the queries, keys and values, the first two with positions, and the result twice (3 D + 7 I),
    or in the feed-forward block twice the hidden features (2 D + 2 · ff_mult · D). Half precision, PoPE and attention
    that is spelled out have wider moments, the latter two with the whole matrix of weights.

    After the trunk there are the features (Q), the tokens (D), and per stem the masks by band, twice (2 Q). While they
    become masks by bin, there are per stem those by band (Q) and twice those by bin (2 X). In the inverse Fourier
    transform there are per stem the masks by bin (X), the masked spectrum (X), its frames before and after the window
    (2 X), and the audio twice.

    What libraries allocate unseen by PyTorch is not counted, nor are the process itself and, on a GPU, its context.

    Args:
        model: The separator, or its keywords.
        samples: Length of a chunk.
        batch_size: Chunks at once.
        bytes_per_element: Of weights and tokens: 4 for float32, 2 for a model in half precision. Spectra are in float32
            always.
        device_type: Where it runs. Only ``"cpu"`` takes sequences in groups; elsewhere all of them are taken at once.

    Returns:
        Bytes.

    Raises:
        ValueError: A size below one, or a model with research variants, of whose parts this knows nothing.
    """
    sizes = {"samples": samples, "batch_size": batch_size, "bytes_per_element": bytes_per_element}
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is at least 1, got {size}")
    if not isinstance(model, BandSplitRotator):
        with no_initial_values():
            model = BandSplitRotator(**cast("dict[str, Any]", model))
    if model.parts != Parts():
        raise ValueError(
            "the formula is of models without research variants, whose parts need what it does not know, "
            f"got one with {', '.join(model.parts.recipe) or 'parts of its own'}; measure a forward pass instead"
        )

    settings, stems = model.stft_settings, model.num_stems
    frames = 1 + max(samples, settings.num_bins) // settings.hop_length
    columns = batch_size * frames
    tokens = columns * model.layout.num_bands * bytes_per_element
    spectrum = columns * model.audio_channels * settings.num_bins * _COMPLEX64
    features = columns * sum(model.band_gather.widths)
    audio = batch_size * model.audio_channels * _FLOAT32

    weights = sum(parameter.numel() for parameter in model.parameters()) * bytes_per_element
    moments = _numbers(model, frames, batch_size, bytes_per_element, in_groups=device_type == "cpu")
    trunk = features * _FLOAT32 + bytes_per_element * max(moments)
    by_band, by_bin = stems * features * bytes_per_element, stems * spectrum
    masking = features * _FLOAT32 + tokens * _keyword(model, "dim") + 2 * by_band
    averaging = stems * features * _FLOAT32 + 2 * by_bin
    inverting = 4 * by_bin + 2 * stems * audio * (samples + settings.n_fft)
    return weights + audio * samples + spectrum + max(trunk, masking, averaging, inverting)


def _numbers(
    model: BandSplitRotator, frames: int, batch_size: int, bytes_per_element: int, *, in_groups: bool
) -> Iterator[int]:
    """What is held at the widest moment of each transformer of the last layer, and of the normalisation after it."""
    dim, heads, linear = _keyword(model, "dim"), _keyword(model, "heads"), _keyword(model, "linear_transformer_depth")
    inner, hidden = heads * _keyword(model, "dim_head"), int(dim * cast("float", model.keywords["ff_mult"]))
    earlier, bands = len(model.layers) - 1, model.layout.num_bands
    tokens = batch_size * frames * bands
    first_values = 2 * inner if model.value_mix and earlier else 0
    half = bytes_per_element < _FLOAT32
    kept = dim * (1 + (earlier if model.skip_connection else 0)) + first_values
    if linear:
        at_once, grouped = _at_once(batch_size, frames * bands, in_groups)
        # A batch's queries, keys and values are copied to be turned on their sides.
        yield tokens * (kept + dim * grouped) + at_once * frames * bands * (dim + (9 if at_once > 1 else 7) * inner)
        kept += dim
    if isinstance(model.final_norm, RMSNorm):  # divides and scales in float32
        yield tokens * (kept + 2 * dim * (2 if half else 1))
    if batch_size > 1:
        kept += dim
    for axis, (sequences, length) in enumerate(((batch_size * bands, frames), (batch_size * frames, bands))):
        at_once, grouped = _at_once(sequences, length, in_groups)
        blocks = _keyword(model, ("time_transformer_depth", "freq_transformer_depth")[axis])
        own_input = (axis == 0 and batch_size == 1) + (blocks > 1)
        weights = heads * length
        moments = [2 * dim + 7 * inner + (inner if first_values else 0), dim + 2 * hidden]
        if half:  # positions are given in float32
            moments.append(dim + 9 * inner)
        if model.keywords["use_pope"]:
            multiplied = 26 * inner + 2 * weights if half else 11 * inner + weights
            averaged = 21 * inner + 9 * weights // 2 if half else 9 * inner + 9 * weights // 4
            moments.append(dim + max(multiplied, averaged))
        elif not model.keywords["flash_attn"]:
            moments.append(dim + max(7 * inner + weights, 5 * inner + 2 * weights))
        yield tokens * (kept + dim * (axis + grouped)) + at_once * length * (dim * own_input + max(moments))


def _at_once(sequences: int, length: int, in_groups: bool) -> tuple[int, bool]:
    """The most sequences in a group, and whether there are several groups."""
    if not in_groups:
        return sequences, False
    groups = max(1, sequences // max(2, POSITIONS_IN_CACHE // length))
    return -(-sequences // groups), groups > 1


def _keyword(model: BandSplitRotator, name: str) -> int:
    return cast("int", model.keywords[name])
