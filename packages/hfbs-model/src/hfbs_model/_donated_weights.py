"""Weights of a new band, made from those of the old bands that it is made of."""

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from hfbs_attention import RMSNorm

from ._band_split import BandSplit
from ._mask import MaskEstimator
from ._rotator import BandSplitRotator
from ._shared_bins import Donor

_TOKENS_PER_FEATURE = 4
_RIDGE = 1e-4


def projection(
    split: BandSplit, donors: Sequence[Donor], per_bin: int, old_signs: Sequence[Tensor], new_sign: Tensor
) -> dict[str, Tensor]:
    """Weights of a new band's projection to its token, by their names in it.

    Args:
        split: The old model's.
        donors: Old bands that the new one is made of.
        per_bin: Features of a bin: 2 × channels.
        old_signs: Per old band and bin, what columns are multiplied by before they are averaged, (bins,).
        new_sign: What they are multiplied by after that, (new band's bins,).
    """
    olds = [cast("tuple[RMSNorm, nn.Linear]", tuple(_item(split.to_features, d.band))) for d in donors]
    parts = [torch.as_tensor(donor.bins) for donor in donors]
    gains = [_exact(norm.gamma).view(-1, per_bin) for norm, _ in olds]

    mean_gain = sum((part @ gain for part, gain in zip(parts, gains, strict=True)), torch.zeros(()))
    square = sum((part @ gain.square() for part, gain in zip(parts, gains, strict=True)), torch.zeros(()))
    new_gain = square.sqrt().where(mean_gain >= 0, -square.sqrt())

    weight, bias = torch.zeros(()), torch.zeros(())
    for donor, part, gain, (_, linear) in zip(donors, parts, gains, olds, strict=True):
        relative = torch.where(new_gain[:, None] == 0, 1.0, gain / new_gain[:, None])
        width = math.sqrt(part.shape[1] / part.shape[0])
        factors = width * relative * (part * torch.outer(new_sign, old_signs[donor.band]))[..., None]
        weight = weight + torch.einsum("dke,nke->dne", _exact(linear.weight).unflatten(1, (-1, per_bin)), factors)
        bias = bias + donor.share * _exact(linear.bias)
    norm, linear = olds[0]
    return {
        "0.gamma": new_gain.flatten().to(norm.gamma),
        "1.weight": weight.flatten(1).to(linear.weight),
        "1.bias": bias.to(linear.bias),
    }


def mask_network(
    estimator: MaskEstimator, donors: Sequence[Donor], per_bin: int, tokens: Callable[[], Tensor]
) -> dict[str, Tensor]:
    """Weights of a new band's mask network, by their names in it.

    Args:
        estimator: The old model's, of one stem.
        donors: Old bands that the new one is made of.
        per_bin: Features of a bin: 2 × channels.
        tokens: Gives tokens like those that the old networks get; called only where networks have to be matched.
    """
    main = max(donors, key=lambda donor: donor.share).band
    networks = {donor.band: cast("nn.Sequential", _item(estimator.to_freqs, donor.band)[0]) for donor in donors}
    rows = torch.zeros(())
    for donor in donors:
        last = cast("nn.Linear", networks[donor.band][-1])
        old = torch.cat((_exact(last.weight), _exact(last.bias)[:, None]), dim=1)
        if not _hide_alike(networks[main], networks[donor.band]):
            old = _through(networks[main], networks[donor.band], old, tokens())
        value_and_gate = old.view(2, -1, per_bin, old.shape[1])
        rows = rows + torch.einsum("nk,gkeh->gneh", torch.as_tensor(donor.bins), value_and_gate)
    rows = rows.flatten(0, 2)
    weights = {name: value.clone() for name, value in networks[main].state_dict().items()}
    last = len(networks[main]) - 1
    return weights | {
        f"{last}.weight": rows[:, :-1].to(weights[f"{last}.weight"]),
        f"{last}.bias": rows[:, -1].to(weights[f"{last}.bias"]),
    }


def _through(
    main: nn.Sequential, other: nn.Sequential, rows: Float[Tensor, "row hidden"], tokens: Float[Tensor, "token dim"]
) -> Float[Tensor, "row hidden"]:
    """Rows that give on the hidden features of ``main`` nearly what ``rows`` give on those of ``other``."""
    ours, theirs = _hidden(main, tokens), _hidden(other, tokens)
    gram = ours.T @ ours
    # Large weights that cancel each other on noise would not on music. The bias is free.
    gram.diagonal()[:-1] += _RIDGE * gram.diagonal().mean()
    solve = cast("Callable[..., Tensor]", torch.linalg.solve)  # pyright: ignore[reportUnknownMemberType]
    return solve(gram, ours.T @ (theirs @ rows.T)).T


def _hide_alike(network: nn.Sequential, other: nn.Sequential) -> bool:
    pairs = zip(network[:-1].parameters(), other[:-1].parameters(), strict=True)
    return all(torch.equal(own, its) for own, its in pairs)


def _hidden(network: nn.Sequential, tokens: Float[Tensor, "token dim"]) -> Float[Tensor, "token hidden"]:
    """What the last layer sees, with a one for its bias."""
    hidden = deepcopy(network[:-1]).to("cpu", torch.float64)(tokens)
    return F.pad(hidden, (0, 1), value=1.0)


@torch.no_grad()
def tokens_of_noise(model: BandSplitRotator) -> Float[Tensor, "token dim"]:
    """Tokens of all bands after the trunk, of white noise, the same at each call."""
    estimator = model.mask_estimators[0]
    linears = [module for module in estimator.modules() if isinstance(module, nn.Linear)]
    frames = -(-_TOKENS_PER_FEATURE * max(linear.in_features for linear in linears) // model.layout.num_bands)
    shape = (1, model.audio_channels, frames * model.stft_settings.hop_length)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(linears[0].weight.device)
    caught: list[Tensor] = []

    def catch(_: nn.Module, inputs: tuple[Tensor]) -> None:
        caught.extend(inputs)

    was_training = [module for module in model.modules() if module.training]
    hook = estimator.register_forward_pre_hook(catch)
    try:
        model.eval()(noise, active_stem_ids=[0])
    finally:
        hook.remove()
        for module in was_training:
            module.training = True
    return _exact(caught[0]).flatten(0, -2)


def _item(modules: nn.ModuleList, index: int) -> nn.Sequential:
    return cast("nn.Sequential", modules[index])


def _exact(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float64)
