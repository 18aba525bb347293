"""The separator."""

from collections.abc import Sequence
from inspect import signature
from typing import TYPE_CHECKING, Literal, cast, overload

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Complex, Float
from numpy.typing import ArrayLike
from rotary_embedding_torch import RotaryEmbedding
from torch import Tensor, nn

from hfbs_attention import ParametersTransformer, RMSNorm, ValueMix, recomputed
from hfbs_filterbanks import BandLayout

from ._audio import checked_audio, checked_stems, checked_target
from ._axial import AxialLayer, LayerValues
from ._band_split import BandSplit
from ._gather import BandGather
from ._loss import LossTerms, ParametersComputeLoss, lossComputation
from ._parts import Parts
from ._settings import UnknownKeyword, refuse_unknown, resolve_freq_range, resolve_layout, resolve_value_mix
from ._stft import ParametersSTFT, WindowFunction, istft, stft

if TYPE_CHECKING:
    from PoPE_pytorch import PoPE


class BandSplitRotator(nn.Module):
    """Separates a mixture into stems by masks over bands of its spectrum.

    BS-RoFormer :cite:p:`lu2023bsroformer`, Mel-Band RoFormer :cite:p:`wang2024melroformer` and any other layout of
    bands are this one model; they differ in the band-membership matrix. State-dict keys are upstream's.

    The bands are given in one of three ways: ``freqs_per_bands``, ``num_bands`` with ``sample_rate``, or
    ``mask_filter_bank``. With none of them, they are BS-RoFormer's 62.

    Args:
        dim: Features of a token.
        depth: Layers of the trunk, each with attention along time and along the bands.
        stereo: Two audio channels, which each band sees together; else one.
        num_stems: Stems, each with its own mask estimator.
        time_transformer_depth: Attention and feed-forward blocks along time in each layer.
        freq_transformer_depth: The same along the bands.
        linear_transformer_depth: Blocks of linear attention over all frames and bands before them; 0 for none.
        freqs_per_bands: Bins of each band, side by side from 0 Hz up.
        num_bands: Number of mel bands; needs ``sample_rate``.
        sample_rate: Samples a second, from which mel bands are computed; needs ``num_bands``.
        mask_filter_bank: Boolean matrix (bands × bins) or a :class:`~hfbs_filterbanks.BandLayout`; bands may overlap.
        freq_range: First bin and the one after the last that the model sees and passes on; −1 stands for the end of the
            spectrum.
        dim_head: Features of an attention head.
        heads: Attention heads.
        attn_dropout: Share of attention weights dropped in training.
        ff_dropout: Share of feed-forward features dropped in training.
        ff_mult: Hidden features of the feed-forward blocks as a multiple of ``dim``.
        flash_attn: PyTorch's fused attention kernels; False spells attention out.
        sage_attention: SageAttention's kernels, for inference on CUDA in half precision.
        scale: Factor of the query-key products; None means 1/√dim_head. Linear attention's is 8, as upstream's.
        use_pope: Positions by PoPE :cite:p:`gopalakrishnan2025pope` instead of RoPE :cite:p:`su2021roformer`.
        use_value_residual_learning: Mix the first layer's attention values into those of later layers
            :cite:p:`zhou2024valueresidual`.
        learned_value_residual_mix: Whether that mix is learned (None, True) or half and half (False).
        norm_output: Normalise the output of every transformer. None means: where bands overlap, as Mel-Band RoFormer
            does.
        final_norm: Normalise the tokens once after the trunk. None means: where bands do not overlap, as BS-RoFormer
            does.
        skip_connection: Add the outputs of all earlier layers to the input of each layer. Weights do not tell it.
        dim_freqs_in: Number of bins; only checked against ``stft_n_fft``.
        stft_n_fft: See :class:`ParametersSTFT`, as for the four below.
        stft_hop_length: Weights do not tell it; a wrong one sounds bad without an error.
        stft_win_length: Weights do not tell it.
        stft_normalized: Weights do not tell it.
        stft_window_fn: None means the periodic Hann window.
        zero_dc: Set the lowest bin of every stem to zero, as MSST does since September 2025. Weights do not tell it.
        mask_estimator_depth: Hidden layers of the mask estimators. Upstream's YAML files count differently; see the
            compat classes.
        mlp_expansion_factor: Hidden features of the mask estimators as a multiple of ``dim``.
        multi_stft_resolution_loss_weight: See :class:`ParametersComputeLoss`, as for the four below.
        multi_stft_resolutions_window_sizes: Window lengths in samples.
        multi_stft_hop_size: Distance between frames in samples.
        multi_stft_normalized: Divide the loss's spectra by √n_fft.
        multi_stft_window_fn: Builds the loss's windows.
        match_input_audio_length: Give as many samples as the input has; else whole hops only, as Mel-Band RoFormer does
            in MSST.
        use_torch_checkpoint: In training, keep only the results of products and attention, and compute the rest again
            in the backward pass.
        parts: What research variants put in the place of parts of the model; None means nothing.

    Attributes:
        keywords: What it was built with, by keyword, without ``parts``.

    Raises:
        ValueError: Keywords that contradict each other or do not fit the bands.
        TypeError: An unknown keyword.
        ImportError: SageAttention, or librosa for mel bands of unusual settings, is needed and missing.

    Example:
        >>> model = BandSplitRotator(dim=16, depth=1, heads=2, dim_head=8, stereo=True, num_stems=2).eval()
        >>> model.layout
        BandLayout(62 bands × 1025 bins, partition)
        >>> with torch.inference_mode():
        ...     model(torch.randn(1, 2, 4410)).shape  # (batch, stem, channel, time)
        torch.Size([1, 2, 2, 4410])
    """

    def __init__(
        self,
        dim: int,
        *,
        depth: int,
        stereo: bool = False,
        num_stems: int = 1,
        time_transformer_depth: int = 2,
        freq_transformer_depth: int = 2,
        linear_transformer_depth: int = 0,
        freqs_per_bands: Sequence[int] | None = None,
        num_bands: int | None = None,
        sample_rate: int | None = None,
        mask_filter_bank: ArrayLike | BandLayout | None = None,
        freq_range: tuple[int, int] | None = None,
        dim_head: int = 64,
        heads: int = 8,
        attn_dropout: float = 0.0,
        ff_dropout: float = 0.0,
        ff_mult: float = 4.0,
        flash_attn: bool = True,
        sage_attention: bool = False,
        scale: float | None = None,
        use_pope: bool = False,
        use_value_residual_learning: bool = False,
        learned_value_residual_mix: bool | None = None,
        norm_output: bool | None = None,
        final_norm: bool | None = None,
        skip_connection: bool = False,
        dim_freqs_in: int | None = None,
        stft_n_fft: int = 2048,
        stft_hop_length: int = 512,
        stft_win_length: int = 2048,
        stft_normalized: bool = False,
        stft_window_fn: WindowFunction | None = None,
        zero_dc: bool = True,
        mask_estimator_depth: int = 1,
        mlp_expansion_factor: int = 4,
        multi_stft_resolution_loss_weight: float = 1.0,
        multi_stft_resolutions_window_sizes: Sequence[int] = (4096, 2048, 1024, 512, 256),
        multi_stft_hop_size: int = 147,
        multi_stft_normalized: bool = False,
        multi_stft_window_fn: WindowFunction = torch.hann_window,
        match_input_audio_length: bool = True,
        use_torch_checkpoint: bool = False,
        parts: Parts | None = None,
        **unknown: UnknownKeyword,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in _KEYWORDS and name != "parts"}
        super().__init__()
        refuse_unknown(unknown, _KEYWORDS, type(self).__name__)
        parts = Parts() if parts is None else parts
        sizes = {
            "dim": dim,
            "depth": depth,
            "num_stems": num_stems,
            "time_transformer_depth": time_transformer_depth,
            "freq_transformer_depth": freq_transformer_depth,
            "heads": heads,
            "mlp_expansion_factor": mlp_expansion_factor,
        }
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name} is at least 1, got {size}")
        if not use_pope and (dim_head < 4 or dim_head % 2):
            raise ValueError(
                f"dim_head is even and at least 4, since RoPE turns pairs of features, got {dim_head}; "
                "or set use_pope=True"
            )
        if linear_transformer_depth < 0:
            raise ValueError(f"linear_transformer_depth is at least 0, got {linear_transformer_depth}")

        self.stft_settings = ParametersSTFT(
            n_fft=stft_n_fft,
            hop_length=stft_hop_length,
            win_length=stft_win_length,
            normalized=stft_normalized,
            window_fn=torch.hann_window if stft_window_fn is None else stft_window_fn,
        )
        num_bins = self.stft_settings.num_bins
        if dim_freqs_in is not None and dim_freqs_in != num_bins:
            raise ValueError(
                f"dim_freqs_in is stft_n_fft // 2 + 1 = {num_bins}, got {dim_freqs_in}; correct it or leave it out"
            )
        first_bin, last_bin = resolve_freq_range(freq_range, num_bins)
        layout = resolve_layout(
            num_bins=last_bin - first_bin,
            freqs_per_bands=freqs_per_bands,
            mask_filter_bank=mask_filter_bank,
            num_bands=num_bands,
            sample_rate=sample_rate,
            freq_range=freq_range,
        )
        value_mix = resolve_value_mix(use_value_residual_learning, learned_value_residual_mix, depth)
        transformer = ParametersTransformer(
            dim=dim,
            dim_head=dim_head,
            heads=heads,
            attn_dropout=attn_dropout,
            ff_dropout=ff_dropout,
            ff_mult=ff_mult,
            norm_output=not layout.is_partition if norm_output is None else norm_output,
            flash_attn=flash_attn,
            use_torch_checkpoint=use_torch_checkpoint,
        )
        self.loss_settings = ParametersComputeLoss(
            window_sizes=tuple(multi_stft_resolutions_window_sizes),
            hop_length=multi_stft_hop_size,
            n_fft=stft_n_fft,
            normalized=multi_stft_normalized,
            loss_weight=multi_stft_resolution_loss_weight,
            window_fn=multi_stft_window_fn,
        )

        self.keywords = given
        self.parts = parts
        self.layout = layout
        self.stereo = stereo
        self.audio_channels = 2 if stereo else 1
        self.num_stems = num_stems
        self.bins = slice(first_bin, last_bin)
        self.zero_dc = zero_dc
        self.skip_connection = skip_connection
        self.value_mix = value_mix
        self.match_input_audio_length = match_input_audio_length
        self.use_torch_checkpoint = use_torch_checkpoint

        time_rotary, band_rotary = (None, None) if use_pope else (RotaryEmbedding(dim_head), RotaryEmbedding(dim_head))
        time_pope, band_pope = (_pope(dim_head, heads), _pope(dim_head, heads)) if use_pope else (None, None)

        def axial_layer(index: int, mix: ValueMix) -> AxialLayer:
            build = parts.transformer_of(index)
            return AxialLayer(
                build(
                    depth=time_transformer_depth,
                    rotary_embed=time_rotary,
                    pope_embed=time_pope,
                    scale=scale,
                    sage_attention=sage_attention,
                    value_mix=mix,
                    **transformer,
                ),
                build(
                    depth=freq_transformer_depth,
                    rotary_embed=band_rotary,
                    pope_embed=band_pope,
                    scale=scale,
                    sage_attention=sage_attention,
                    value_mix=mix,
                    **transformer,
                ),
                build(depth=linear_transformer_depth, linear_attn=True, **transformer)
                if linear_transformer_depth
                else None,
            )

        self.band_gather = BandGather(layout, self.audio_channels)
        self.band_split = BandSplit(dim, self.band_gather.widths)
        self.layers = nn.ModuleList(axial_layer(index, value_mix if index else None) for index in range(depth))
        with_final_norm = layout.is_partition if final_norm is None else final_norm
        self.final_norm = RMSNorm(dim) if with_final_norm else nn.Identity()
        self.mask_estimators = nn.ModuleList(
            parts.mask_estimator(
                dim, self.band_gather.widths, depth=mask_estimator_depth, mlp_expansion_factor=mlp_expansion_factor
            )
            for _ in range(num_stems)
        )

    @overload
    def forward(
        self,
        raw_audio: Tensor,
        target: None = None,
        active_stem_ids: Sequence[int] | None = None,
        *,
        return_loss_breakdown: bool = False,
    ) -> Tensor: ...
    @overload
    def forward(
        self,
        raw_audio: Tensor,
        target: Tensor,
        active_stem_ids: Sequence[int] | None = None,
        *,
        return_loss_breakdown: Literal[False] = False,
    ) -> Tensor: ...
    @overload
    def forward(
        self,
        raw_audio: Tensor,
        target: Tensor,
        active_stem_ids: Sequence[int] | None = None,
        *,
        return_loss_breakdown: Literal[True],
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]: ...
    def forward(
        self,
        raw_audio: Float[Tensor, "batch time"] | Float[Tensor, "batch channel time"],
        target: Float[Tensor, "batch *stem_and_channel longer"] | None = None,
        active_stem_ids: Sequence[int] | None = None,
        *,
        return_loss_breakdown: bool = False,
    ) -> Float[Tensor, "batch active channel kept"] | Float[Tensor, ""] | tuple[Float[Tensor, ""], LossTerms]:
        """Separate audio, or compute the loss against the true stems.

        Args:
            raw_audio: Mixture in [−1, 1] or any other finite range, (batch, time) for one channel or (batch, channel,
                time), from one sample up.
            target: True stems, (batch, stem, channel, time); the stem axis may be missing for one stem, the channel
                axis for one channel. All stems, also where only some are active.
            active_stem_ids: Stems to compute, in the order wanted; None means all.
            return_loss_breakdown: Return the loss's two terms as well; needs ``target``.

        Returns:
            Stems, (batch, active stem, channel, time), as long as the input, or its whole hops where
            ``match_input_audio_length`` is False; with a target, the loss, or (loss, (waveform term, multi-resolution
            term)).

        Raises:
            ValueError: Audio or target of the wrong shape, empty, or not finite; a stem that is not there.
            TypeError: Audio or target that is no tensor or not floating-point.
        """
        mixture = checked_audio(raw_audio, self.audio_channels)
        stem_ids = checked_stems(active_stem_ids, self.num_stems)
        truth = None if target is None else checked_target(target, mixture, self.num_stems)
        if truth is None and return_loss_breakdown:
            raise ValueError("return_loss_breakdown=True needs the true stems; pass target")

        spectrum = stft(mixture, self.stft_settings)[:, :, self.bins]
        masks = self.band_gather.merge(self.band_masks(self.band_gather.split(spectrum), stem_ids))
        stems = self._audio_of(masks * rearrange(spectrum, "b c f t -> b 1 c f t"), mixture.shape[-1])

        if truth is None:
            return stems
        if return_loss_breakdown:
            return lossComputation(stems, truth, stem_ids, self.loss_settings, return_loss_breakdown=True)
        return lossComputation(stems, truth, stem_ids, self.loss_settings)

    def band_masks(
        self, features: Float[Tensor, "batch frame features"], stem_ids: Sequence[int]
    ) -> Float[Tensor, "batch active frame features"]:
        """The network between the transforms: from the bins of all bands to their masks.

        Args:
            features: (batch, frame, features): band after band; within one by bin, then channel, then real and
                imaginary part.
            stem_ids: Stems to compute, in the order wanted.

        Returns:
            Masks, (batch, active stem, frame, features), in the same order; where bands overlap, each says its own.
        """
        tokens = self._tokens(features)
        return torch.stack([self._recomputed(self.mask_estimators[stem], tokens) for stem in stem_ids], dim=1)

    def compile_blocks(self, *, mode: str | None = None) -> None:
        """Compile the blocks from now on, each when it is first needed, for any length of audio.

        Blocks are the layers of the trunk, which share their code, so that the depth does not count; and the front end
        and the mask estimators, but not on a processor, where it would take longer and gain nothing. Call it where the
        model is to run. A part of a research variant that is not one graph is refused by PyTorch when it is first run.

        Args:
            mode: As ``torch.compile`` has it; on CUDA, ``"reduce-overhead"`` records CUDA graphs, one for each
                shape that comes, so give it chunks of one length.
        """
        transformers = (transformer for layer in self.layers for transformer in cast("AxialLayer", layer))
        in_trunk = (block for transformer in transformers for block in cast("nn.ModuleList", transformer.layers))
        around_trunk = (self.band_split, *self.mask_estimators)
        for block in (*in_trunk, *(() if self.band_gather.indices.is_cpu else around_trunk)):
            block.compile(  # pyright: ignore[reportUnknownMemberType]
                fullgraph=True, dynamic=True, mode=mode
            )

    def _tokens(self, features: Float[Tensor, "batch frame features"]) -> Float[Tensor, "batch frame band dim"]:
        x = self.parts.expand(self._recomputed(self.band_split, features))
        outputs: list[Tensor] = []
        values: LayerValues | None = None
        for layer in self.layers:
            first_of_mixing = self.value_mix is not None and values is None
            x, own_values = layer(x, outputs, values, first_of_mixing)
            if self.skip_connection:
                outputs.append(x)
            values = own_values if first_of_mixing else values
        return self.final_norm(self.parts.reduce(x))

    def _audio_of(
        self, spectrum: Complex[Tensor, "batch active channel bin frame"], length: int
    ) -> Float[Tensor, "batch active channel kept"]:
        spectrum = F.pad(spectrum, (0, 0, self.bins.start, self.stft_settings.num_bins - self.bins.stop))
        parts = torch.view_as_real(spectrum)
        # A real signal has nothing imaginary there. A processor's inverse ignores what there is; cuFFT's does not where
        # it transforms several signals at once.
        parts[..., 0, :, 1] = parts[..., -1, :, 1] = 0.0
        if self.zero_dc:
            parts[..., 0, :, 0] = 0.0
        if not self.match_input_audio_length:
            length -= length % self.stft_settings.hop_length
        return istft(spectrum, self.stft_settings, length)

    def _recomputed(self, module: nn.Module, x: Tensor) -> Tensor:
        if self.use_torch_checkpoint and self.training and torch.is_grad_enabled():
            return recomputed(module, x)
        return module(x)


def _pope(dim_head: int, heads: int) -> "PoPE":
    from PoPE_pytorch import PoPE  # takes longer to import than PyTorch, and few models have it

    return PoPE(dim_head, heads=heads)


_KEYWORDS = tuple(signature(BandSplitRotator).parameters)[:-1]
