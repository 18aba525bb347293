"""Audio, targets and stems that do not fit are refused at the door, and the message says what to do."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hfbs_model import BandSplitRotator

pytestmark = pytest.mark.usefixtures("as_users_run")


def spoilt(value: float) -> Tensor:
    audio = torch.zeros(1, 1, 50)
    audio[..., 7:9] = value
    return audio


AUDIO: list[tuple[bool, Tensor, type[Exception], str]] = [
    (True, torch.zeros(1, 1, 50), ValueError, r"takes 2 channel\(s\), got 1 .*repeat a mono mixture .*stereo=False"),
    (True, torch.zeros(1, 50), ValueError, r"takes 2 channel\(s\), got 1 .*repeat a mono mixture .*stereo=False"),
    (False, torch.zeros(1, 2, 50), ValueError, r"takes 1 channel\(s\), got 2 .*separate each channel .*stereo=True"),
    (True, torch.zeros(1, 50, 2), ValueError, r"takes 2 channel\(s\), got 50 \(shape \(1, 50, 2\)\)"),
    (False, torch.zeros(50), ValueError, r"\(batch, time\) or \(batch, channel, time\), got shape \(50,\)"),
    (False, torch.zeros(1, 1, 1, 50), ValueError, r"\(batch, channel, time\), got shape \(1, 1, 1, 50\)"),
    (False, torch.zeros(1, 1, 50, dtype=torch.int16), TypeError, "got torch.int16; divide 16-bit samples by 32768.0"),
    (False, torch.zeros(1, 1, 50, dtype=torch.complex64), TypeError, "floating-point samples, got torch.complex64"),
    (False, spoilt(float("nan")), ValueError, r"finite samples only, got 2 NaN or infinite of 50; .*nan_to_num"),
    (False, spoilt(float("inf")), ValueError, "finite samples only, got 2 NaN or infinite of 50"),
    (False, spoilt(-float("inf")), ValueError, "finite samples only, got 2 NaN or infinite of 50"),
    (False, torch.zeros(1, 1, 0), ValueError, r"at least one sample, got shape \(1, 1, 0\)"),
    (False, torch.zeros(0, 1, 50), ValueError, r"at least one sample, got shape \(0, 1, 50\)"),
]


@pytest.mark.parametrize(("stereo", "audio", "error", "message"), AUDIO)
def test_refuses_audio_that_does_not_fit(
    tiny: Any, stereo: bool, audio: Tensor, error: type[Exception], message: str
) -> None:
    model: BandSplitRotator = tiny(stereo=stereo)
    with pytest.raises(error, match=message):
        model(audio)


def test_refuses_audio_that_is_no_tensor(tiny: Any) -> None:
    with pytest.raises(TypeError, match=r"raw_audio is a tensor, got list; convert it by torch\.as_tensor"):
        tiny()([[0.0, 0.1]])


@pytest.mark.parametrize(
    ("stereo", "num_stems", "shape"),
    [
        (True, 2, (2, 3, 2, 50)),
        (True, 2, (2, 2, 1, 50)),
        (True, 2, (1, 2, 2, 50)),
        (True, 2, (2, 2, 2, 49)),
        (True, 2, (2, 2, 50)),
        (True, 1, (2, 50)),
        (False, 2, (2, 50)),
        (False, 1, (50,)),
        (False, 1, (2, 1, 1, 1, 50)),
    ],
)
def test_refuses_a_target_of_another_shape(tiny: Any, stereo: bool, num_stems: int, shape: tuple[int, ...]) -> None:
    model: BandSplitRotator = tiny(stereo=stereo, num_stems=num_stems)
    channels = model.audio_channels
    message = rf"= \(2, {num_stems}, {channels}, 50\) or longer in time, all stems included, got \({shape[0]},"
    with pytest.raises(ValueError, match=message):
        model(torch.zeros(2, channels, 50), torch.zeros(shape))


def test_refuses_a_target_that_is_not_finite_or_not_floating_point(tiny: Any) -> None:
    with pytest.raises(ValueError, match="target holds finite samples only, got 2 NaN or infinite of 50"):
        tiny()(torch.zeros(1, 1, 50), spoilt(float("nan")))
    with pytest.raises(TypeError, match=r"target holds floating-point samples, got torch\.int16"):
        tiny()(torch.zeros(1, 1, 50), torch.zeros(1, 1, 50, dtype=torch.int16))


@pytest.mark.parametrize("active", [[], [3], [-1], [0, 0], [0, 1, 2, 3]])
def test_refuses_stems_that_are_not_there(tiny: Any, active: list[int]) -> None:
    with pytest.raises(ValueError, match=rf"different numbers from 0 to 2, at least one, got \{active}"):
        tiny(num_stems=3)(torch.zeros(1, 1, 50), active_stem_ids=active)


def test_refuses_stems_that_are_no_whole_numbers(tiny: Any) -> None:
    with pytest.raises(TypeError, match=r"active_stem_ids are whole numbers, got \[0\.5\]"):
        tiny(num_stems=3)(torch.zeros(1, 1, 50), active_stem_ids=[0.5])
    assert tiny(num_stems=3)(torch.zeros(1, 1, 50), active_stem_ids=torch.tensor([2, 0])).shape[1] == 2


def test_refuses_a_breakdown_of_no_loss(tiny: Any) -> None:
    with pytest.raises(ValueError, match="return_loss_breakdown=True needs the true stems; pass target"):
        tiny()(torch.zeros(1, 1, 50), return_loss_breakdown=True)


def test_refuses_before_it_works(tiny: Any) -> None:
    model: BandSplitRotator = tiny()
    model.band_split.register_forward_pre_hook(lambda *_: pytest.fail("the network ran"))
    with pytest.raises(ValueError, match="target is"):
        model(torch.zeros(1, 1, 50), torch.zeros(1, 2, 1, 50))
    with pytest.raises(ValueError, match="pass target"):
        model(torch.zeros(1, 1, 50), return_loss_breakdown=True)
