"""``BSRoformer`` with the constructor, state-dict keys, shapes and lengths of MSST's class of that name."""

from collections.abc import Sequence
from inspect import signature

import torch

from hfbs_filterbanks import DEFAULT_FREQS_PER_BANDS

from ._msst import hidden_layers
from ._parts import Parts
from ._rotator import BandSplitRotator
from ._settings import UnknownKeyword, refuse_unknown
from ._stft import WindowFunction


class BSRoformer(BandSplitRotator):
    """BS-RoFormer :cite:p:`lu2023bsroformer` under MSST's keywords, for code and YAML files written for it.

    What differs from :class:`~hfbs_model.BandSplitRotator`: ``mask_estimator_depth`` counts the linear layers, so 2
    means one hidden layer. What differs from MSST's class: audio too short to be mirrored is separated too; an unknown
    keyword is named with the nearest known one; a ``dim_freqs_in`` other than the default is checked, not ignored.
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
        freqs_per_bands: Sequence[int] = DEFAULT_FREQS_PER_BANDS,
        dim_head: int = 64,
        heads: int = 8,
        attn_dropout: float = 0.0,
        ff_dropout: float = 0.0,
        flash_attn: bool = True,
        dim_freqs_in: int = 1025,
        stft_n_fft: int = 2048,
        stft_hop_length: int = 512,
        stft_win_length: int = 2048,
        stft_normalized: bool = False,
        stft_window_fn: WindowFunction | None = None,
        zero_dc: bool = True,
        mask_estimator_depth: int = 2,
        multi_stft_resolution_loss_weight: float = 1.0,
        multi_stft_resolutions_window_sizes: Sequence[int] = (4096, 2048, 1024, 512, 256),
        multi_stft_hop_size: int = 147,
        multi_stft_normalized: bool = False,
        multi_stft_window_fn: WindowFunction = torch.hann_window,
        mlp_expansion_factor: int = 4,
        use_torch_checkpoint: bool = False,
        skip_connection: bool = False,
        use_pope: bool = False,
        sage_attention: bool = False,
        use_value_residual_learning: bool = False,
        parts: Parts | None = None,
        **unknown: UnknownKeyword,
    ) -> None:
        refuse_unknown(unknown, list(signature(BSRoformer).parameters)[:-1], "BSRoformer")
        super().__init__(
            dim,
            depth=depth,
            stereo=stereo,
            num_stems=num_stems,
            time_transformer_depth=time_transformer_depth,
            freq_transformer_depth=freq_transformer_depth,
            linear_transformer_depth=linear_transformer_depth,
            freqs_per_bands=freqs_per_bands,
            dim_head=dim_head,
            heads=heads,
            attn_dropout=attn_dropout,
            ff_dropout=ff_dropout,
            flash_attn=flash_attn,
            sage_attention=sage_attention,
            use_pope=use_pope,
            norm_output=False,
            final_norm=True,
            skip_connection=skip_connection,
            dim_freqs_in=None if dim_freqs_in == 1025 else dim_freqs_in,
            stft_n_fft=stft_n_fft,
            stft_hop_length=stft_hop_length,
            stft_win_length=stft_win_length,
            stft_normalized=stft_normalized,
            stft_window_fn=stft_window_fn,
            zero_dc=zero_dc,
            mask_estimator_depth=hidden_layers("bs", mask_estimator_depth),
            mlp_expansion_factor=mlp_expansion_factor,
            multi_stft_resolution_loss_weight=multi_stft_resolution_loss_weight,
            multi_stft_resolutions_window_sizes=multi_stft_resolutions_window_sizes,
            multi_stft_hop_size=multi_stft_hop_size,
            multi_stft_normalized=multi_stft_normalized,
            multi_stft_window_fn=multi_stft_window_fn,
            use_torch_checkpoint=use_torch_checkpoint,
            use_value_residual_learning=use_value_residual_learning,
            parts=parts,
        )
