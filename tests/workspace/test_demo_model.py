"""The program that the demo model was trained by computes what a separator computes."""

import importlib.util
import sys
from types import ModuleType

import pytest
import torch

from hfbs_model import BandSplitRotator
from workspace._repository import ROOT

PROGRAMS = ROOT / "docs" / "examples" / "demo_model"


def program(name: str) -> ModuleType:
    """One of the programs, which import each other by their plain names."""
    spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def no_module_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PROGRAMS)  # pyright: ignore[reportUnknownMemberType]
    for name in ("mover", "network", "songs", "train"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_weights_side_by_side_give_the_separators_stems_and_gradients() -> None:
    network = program("network")
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
    separator = BandSplitRotator(**network.KEYWORDS)
    with torch.no_grad():
        for weight in separator.parameters():
            weight += 0.02 * torch.randn_like(weight) * weight.requires_grad
    weights = {name: weight.requires_grad_() for name, weight in network.stacked(separator.state_dict()).items()}
    mixture = 0.1 * torch.randn(2, 2, 20 * network.HOP)
    expected = separator(mixture)[:, 0]
    vocals = network.Network(torch.device("cpu"))(weights, mixture, network.Functions(compiled=False))
    torch.testing.assert_close(vocals, expected, rtol=0, atol=1e-5 * float(expected.detach().abs().max()))
    expected.square().mean().backward()
    vocals.square().mean().backward()
    of_it = network.stacked(
        {name: weight.grad for name, weight in separator.named_parameters() if weight.requires_grad}
    )
    for name, gradient in of_it.items():
        own = weights[name].grad
        assert own is not None
        assert float((own - gradient).norm() / gradient.norm()) < 1e-3, name


def test_stacked_weights_are_taken_apart_again() -> None:
    network = program("network")
    state = BandSplitRotator(**network.KEYWORDS).state_dict()
    apart = network.unstacked(network.stacked(state))
    assert {key for key in state if "freqs" not in key or "to_freqs" in key} == apart.keys()
    assert all(torch.equal(state[key], weight) for key, weight in apart.items())


def test_steps_on_songs_move_every_weight() -> None:
    network = program("network")
    vars(network)["CHUNK"] = 16 * network.HOP
    songs_of, train = program("songs"), program("train")
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
    songs = songs_of.Songs(30, torch.device("cpu"))
    tone = torch.sin(torch.arange(8 * songs_of.RATE) * 0.05).expand(2, -1)
    for kind in (songs_of.RENDERED, songs_of.REAL):
        assert songs.add(0.2 * tone, 0.1 * torch.randn(2, tone.shape[1]), kind)
    assert not songs.add(torch.zeros(2, 30 * songs_of.RATE), torch.zeros(2, 30 * songs_of.RATE), 0)
    weights = network.stacked(BandSplitRotator(**network.KEYWORDS).state_dict())
    stepper = train.Stepper(weights, songs, 1, network.Functions(compiled=False), torch.float32)
    taken = train.run(stepper, stepper, 0.5, 1)
    assert taken >= 10
    assert torch.isfinite(stepper.told).all()
    assert all(not torch.equal(weight, stepper.weights[name]) for name, weight in weights.items())
