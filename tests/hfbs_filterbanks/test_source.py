"""Printed source, executed, gives the mask that it was printed for."""

import ast
import contextlib
import io
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given
from numpy.typing import NDArray

from hfbs_filterbanks import (
    BandLayout,
    contiguous_layout,
    filter_bank_non_overlapping,
    librosa_filters_mel,
    mel_layout,
    print_static_mask,
)

layouts = st.from_type(BandLayout)


def printed(function: Callable[..., None], *arguments: Any, **keywords: Any) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as output:
        function(*arguments, **keywords)
    return output.getvalue()


def executed(source: str) -> NDArray[np.bool_]:
    names: dict[str, Any] = {}
    exec(source, names)
    return names["mask_filter_bank"]


@given(layouts)
def test_printed_source_gives_the_mask_back(layout: BandLayout):
    source = printed(print_static_mask, layout.matrix)
    mask = executed(source)
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, layout.matrix)
    assert executed(printed(print_static_mask, layout.matrix.astype(int).tolist())).tolist() == mask.tolist()
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imports] == ["import numpy as np"]


@given(layouts)
def test_printed_source_is_short_and_narrow(layout: BandLayout):
    lines = printed(print_static_mask, layout.matrix).splitlines()
    runs = int((np.diff(layout.matrix.astype(int), prepend=0, axis=1) == 1).sum())
    assert len(lines) <= 6 + -(-runs // 5)
    assert max(map(len, lines)) <= 110
    assert not any(line.endswith(" ") for line in lines)


def test_printed_source_reads_well():
    assert printed(print_static_mask, [[1, 0, 1], [0, 1, 0]]) == (
        "import numpy as np\n"
        "\n"
        "mask_filter_bank = np.zeros((2, 3), dtype=np.bool_)\n"
        "for band, start, stop in (\n"
        "    (0, 0, 1), (0, 2, 3), (1, 1, 2),\n"
        "):\n"
        "    mask_filter_bank[band, start:stop] = True\n"
    )


def test_what_is_no_layout_is_not_printed(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(ValueError, match="bin 1 of 2 is in none"):
        print_static_mask([[True, False]])
    assert capsys.readouterr().out == ""


@given(st.lists(st.integers(1, 9), min_size=2, max_size=30))
def test_printed_widths_give_the_contiguous_layout(widths: list[int]):
    expected = contiguous_layout(widths).matrix
    np.testing.assert_array_equal(executed(printed(filter_bank_non_overlapping, widths)), expected)
    np.testing.assert_array_equal(executed(printed(filter_bank_non_overlapping, iter(widths), len(widths))), expected)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=30), st.integers(1, 40))
def test_another_number_of_widths_is_refused(widths: list[int], num_bands: int):
    assume(num_bands != len(widths))
    with pytest.raises(ValueError, match=f"each of num_bands = {num_bands} bands, but it names {len(widths)}"):
        filter_bank_non_overlapping(widths, num_bands)


@given(st.integers(1, 20), st.sampled_from((16000, 44100.0)), st.sampled_from((512, 1024)), st.booleans())
def test_a_printed_mel_mask_is_that_of_mel_layout(num_bands: int, rate: float, n_fft: int, aliases: bool):
    names = ("sr", "n_fft", "n_mels") if aliases else ("sample_rate", "stft_n_fft", "num_bands")
    source = printed(librosa_filters_mel, **dict(zip(names, (rate, n_fft, num_bands), strict=True)))
    np.testing.assert_array_equal(executed(source), mel_layout(num_bands, sample_rate=rate, n_fft=n_fft).matrix)


def test_librosas_keywords_reach_librosa():
    plain = executed(printed(librosa_filters_mel, 44100, 2048, 60))
    other_scale = executed(printed(librosa_filters_mel, 44100, 2048, 60, htk=True))
    assert (plain != other_scale).any()
    whole_range = executed(printed(librosa_filters_mel, 44100, 2048, 60, fmin=0, fmax=22050, norm=None))
    np.testing.assert_array_equal(whole_range, plain)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        (
            {"sample_rate": 44100, "sr": 48000},
            ValueError,
            "sample_rate and sr are two names .* they are 44100 and 48000",
        ),
        (
            {"stft_n_fft": 2048, "n_fft": 4096},
            ValueError,
            "stft_n_fft and n_fft are two names .* 2048 and 4096. Give one",
        ),
        ({"num_bands": 60, "n_mels": 64}, ValueError, "num_bands and n_mels are two names .* 60 and 64"),
        ({"num_bands": None}, TypeError, "num_bands is needed; it may also be given as n_mels"),
        ({"sample_rate": None}, TypeError, "sample_rate is needed; it may also be given as sr"),
        ({"stft_n_fft": None}, TypeError, "stft_n_fft is needed; it may also be given as n_fft"),
        ({"fmin": 20}, ValueError, "so that fmin can only be 0 Hz, not 20. Leave it out"),
        ({"fmax": 16000}, ValueError, "so that fmax can only be 22050 Hz, not 16000. Leave it out"),
        ({"dtype": np.float64}, TypeError, "dtype"),
        ({"num_bands": 1000}, ValueError, "does not resolve 1000 mel bands"),
    ],
)
def test_values_that_give_no_mel_mask_are_refused(keywords: dict[str, Any], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        librosa_filters_mel(**{"sample_rate": 44100, "stft_n_fft": 2048, "num_bands": 60, **keywords})


def test_two_names_that_agree_are_accepted():
    assert printed(librosa_filters_mel, 44100, 2048, 60, 44100.0, 2048, 60) == printed(
        librosa_filters_mel, 44100, 2048, 60
    )
