"""Pages of stems: nothing of a song is markup, the audio in them is the song's, and they appear whole or not at all."""

import base64
import hashlib
import io
import json
import os
import re
import stat
import tracemalloc
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from hfbs_separate import AudioFileError, OptionError, OutputError, view
from hfbs_separate._decode import decode
from hfbs_separate._view_audio import encode as encode_track
from hfbs_separate._view_page import page_parts
from hfbs_separate._view_spectrogram import Scale, Spectrogram, common_scale, frequency_range, palette, picture
from hfbs_separate._view_tracks import find_tracks
from hfbs_separate.cli import main
from hfbs_separate.view import Page, write_page

RATE = 44100
HOSTILE = [
    "<script>alert(1)</script>",
    "</title></script><img src=x onerror=alert(1)>",
    "\"quoted\" & 'more' &amp;",
    "{{script}} {{audio}}",
    "Übung – 日本語 🎸\u202e",
    "<!--<script>",
]


class Parsed(HTMLParser):
    """A page as a browser takes it apart: its elements in order, and the text right after each one's start."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open = False
        self.feed(page.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.texts.append("")
        self.open = True

    def handle_endtag(self, tag: str) -> None:
        self.open = False

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[-1] += data

    def all(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(each[1], text) for each, text in zip(self.tags, self.texts, strict=True) if each[0] == tag]

    @property
    def title(self) -> str:
        ((_, title),) = self.all("title")
        return title

    @property
    def song(self) -> dict[str, Any]:
        return json.loads(next(text for attributes, text in self.all("script") if attributes.get("id") == "song"))

    def audio(self, number: int, path: Path) -> tuple[np.ndarray, int]:
        """A track's song and rate, read by libsndfile, which is not what wrote it: (channel, time)."""
        encoded = next(text for attributes, text in self.all("script") if attributes.get("id") == f"audio-{number}")
        path.write_bytes(base64.b64decode(encoded, validate=True))
        samples, rate = soundfile.read(path, always_2d=True)
        lead = self.song["lead"]
        if lead["song"]:
            assert np.abs(samples[: lead["song"], 0]).argmax() == lead["click"]
        return samples[lead["song"] :].T, rate


def noise(channels: int, samples: int, peak: float = 0.3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-peak, peak, (channels, samples)).astype(np.float32)


def write_stems(folder: Path, stems: dict[str, np.ndarray], rate: int = RATE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, stem in stems.items():
        soundfile.write(folder / f"{name}.wav", stem.T, rate, "FLOAT")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A quarter of a second of two stems of a song, stereo."""
    stems = {"other": noise(2, RATE // 4, seed=1), "vocals": noise(2, RATE // 4, seed=2)}
    return write_stems(tmp_path / "My song", stems)


def hfbs_view(*words: object) -> Result:
    return CliRunner().invoke(main, ["view", *map(str, words)], prog_name="hfbs")


def pixels(png: bytes) -> np.ndarray:
    """What a picture shows: (row, column, colour)."""
    with av.open(io.BytesIO(png), "r") as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def refusal(result: Result) -> str:
    """The one line of a refused call."""
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1), result.output
    return result.stderr.removeprefix("hfbs: error: ").removesuffix("\n")


def test_the_command_writes_a_page_into_the_folder_and_prints_its_path(folder: Path) -> None:
    result = hfbs_view(folder)
    page = folder / "My song.html"
    assert (result.exit_code, result.stdout) == (0, f"{page}\n"), result.output
    assert re.fullmatch(r"vocals, other; 0\.2 s, 0\.\d MB\n", result.stderr)
    assert sorted(path.name for path in folder.iterdir()) == ["My song.html", "other.wav", "vocals.wav"]
    assert Parsed(page).title == "My song"


def test_the_mixture_comes_first_and_the_stems_in_the_usual_order(tmp_path: Path) -> None:
    names = ("zither", "Other", "bass", "drums", "Vocals", "piano", "accordion")
    folder = write_stems(tmp_path / "song", {name: noise(1, 500) for name in names})
    mixture = write_stems(tmp_path, {"song": noise(2, 500)}) / "song.wav"
    (folder / "cover.jpg").write_bytes(b"no audio")
    (folder / ".vocals-1.wav").write_bytes(b"of a separation that was broken off")
    page = write_page(folder, mixture=mixture)
    assert page.tracks == ("mixture", "Vocals", "drums", "bass", "piano", "accordion", "zither", "Other")
    tracks = Parsed(page.path).song["tracks"]
    assert [track["name"] for track in tracks] == list(page.tracks)
    assert [track["isMixture"] for track in tracks] == [True] + 7 * [False]


@pytest.mark.parametrize("named", [False, True])
def test_a_file_named_mixture_is_no_stem(folder: Path, named: bool) -> None:
    stems = [soundfile.read(folder / f"{name}.wav", dtype="float32")[0].T for name in ("vocals", "other")]
    write_stems(folder, {"Mixture": sum(stems)})
    page = write_page(folder, mixture=folder / "Mixture.wav" if named else None)
    assert page.tracks == ("mixture", "vocals", "other")
    song = Parsed(page.path).song
    assert song["overviewOf"] == "mixture"
    assert song["about"] == "2 stems and the mixture · 0.2 s · 44.1 kHz stereo"
    assert "The mixture less the sum of the stems: −200 dB of it." in song["notes"]


def test_without_a_mixture_the_overview_is_of_the_sum_of_the_stems(folder: Path) -> None:
    song = Parsed(write_page(folder).path).song
    assert song["overviewOf"] == "sum of stems"
    assert not any("mixture" in note for note in song["notes"])
    total = np.sum([soundfile.read(folder / f"{name}.wav")[0] for name in ("vocals", "other")], axis=0)
    assert max(song["overview"]) == 255  # the loudest of all, its own scale
    assert song["overview"][-1] == round(255 * np.abs(total[-(RATE // 4 % 256) :]).max() / np.abs(total).max())


def test_what_is_missing_from_the_stems_is_told_in_decibels(tmp_path: Path) -> None:
    whole = noise(1, 5000)
    folder = write_stems(tmp_path / "song", {"mixture": whole, "vocals": 0.5 * whole, "other": 0.4 * whole})
    assert "The mixture less the sum of the stems: −20 dB of it." in Parsed(write_page(folder).path).song["notes"]


def test_files_of_one_stem_are_told_apart_by_their_suffix(folder: Path) -> None:
    soundfile.write(folder / "vocals.flac", noise(2, RATE // 4).T, RATE)
    assert write_page(folder).tracks == ("vocals.flac", "vocals.wav", "other")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_whatever_they_hold(tmp_path: Path, name: str) -> None:
    as_file = name.replace("/", "∕")
    song = write_stems(tmp_path / as_file, {as_file: noise(1, 400), "plain": noise(1, 400)})
    plain = write_stems(tmp_path / "plain", {"one": noise(1, 400), "plain": noise(1, 400)})
    hostile, harmless = Parsed(write_page(song).path), Parsed(write_page(plain).path)
    assert hostile.title == as_file
    assert [text for _, text in hostile.all("h1")] == [as_file]
    assert {track["name"] for track in hostile.song["tracks"]} == {as_file, "plain"}
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in harmless.tags]
    assert [attributes for tag, attributes in hostile.tags] == [attributes for tag, attributes in harmless.tags]


def test_a_slash_that_ends_a_script_stays_text() -> None:
    parts = page_parts("</title>", {"tracks": [{"name": "</script><script>alert(1)</script>"}]}, [])
    text = b"".join(parts).decode()
    assert "alert(1)</script>" not in text
    assert "<title>&lt;/title&gt;</title>" in text


def test_a_name_that_is_no_utf8_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    folder = write_stems(tmp_path / "song", {"vocals": noise(1, 400)})
    try:
        (folder / "vocals.wav").rename(folder / os.fsdecode(b"voc\xe4ls.wav"))
    except OSError:
        assert os.name == "nt" or os.uname().sysname == "Darwin"  # where there are no such names
        return
    assert write_page(folder).tracks == ("voc\ufffdls",)


def test_the_policy_admits_the_pages_own_script_and_style_and_nothing_else(folder: Path) -> None:
    page = Parsed(write_page(folder).path)
    (policy,) = [a["content"] for a, _ in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    (style,) = [text for _, text in page.all("style")]
    (script,) = [text for attributes, text in page.all("script") if not attributes]
    for directive, content in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert directives.pop(directive) == f"'sha256-{digest}'"
    assert directives == {"default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}
    # Before the policy there is nothing that it would have to govern; nothing in the page has an address outside it.
    assert [tag for tag, _ in page.tags[:4]] == ["html", "head", "meta", "meta"]
    addresses = [a[name] for _, a in page.tags for name in ("src", "href", "action") if name in a]
    assert all(address is not None and address.startswith("data:") for address in addresses)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 44100, 96000])
def test_flac_in_the_page_is_the_stem_to_the_24th_bit(tmp_path: Path, channels: int, rate: int) -> None:
    stems = {"vocals": noise(channels, 70001, 0.5), "other": noise(channels, 70001, 0.4, seed=1)}
    written = write_page(write_stems(tmp_path / "song", stems, rate), audio_format="flac")
    page = Parsed(written.path)
    assert (written.gain, page.song["rate"], page.song["seconds"]) == (1, rate, 70001 / rate)
    for number, name in enumerate(written.tracks):
        samples, encoded_rate = page.audio(number, tmp_path / "track.flac")
        assert encoded_rate == rate
        np.testing.assert_allclose(samples, stems[name], atol=0.5001 * 2.0**-23)


@pytest.mark.parametrize(("rate", "encoded_rate"), [(44100, 44100), (32000, 32000), (22050, 44100), (96000, 48000)])
def test_mp3_in_the_page_is_the_stem_at_the_same_place_and_length(tmp_path: Path, rate: int, encoded_rate: int) -> None:
    # Noise below what any rate here cuts off, and a click in each stem at a place of its own.
    samples = rate // 2 + 7
    slow = np.cumsum(noise(2, samples, 0.02), axis=1)
    slow -= np.linspace(slow[:, 0], slow[:, -1], samples, axis=1)
    clicks = {"vocals": rate // 4, "other": rate // 3 + 5}
    stems = {name: slow.astype(np.float32) for name in clicks}
    for name, place in clicks.items():
        stems[name] = stems[name].copy()
        stems[name][:, place] += 0.5
    written = write_page(write_stems(tmp_path / "song", stems, rate))
    page = Parsed(written.path)
    assert page.song["rate"] == encoded_rate
    for number, name in enumerate(written.tracks):
        decoded, got_rate = page.audio(number, tmp_path / "track.mp3")
        assert got_rate == encoded_rate
        assert decoded.shape == (2, -(-samples * encoded_rate // rate))
        place = clicks[name] * encoded_rate // rate
        jumps = np.abs(decoded[0] - np.convolve(decoded[0], np.ones(9) / 9, "same"))
        assert abs(int(jumps.argmax()) - place) <= 1
        if rate == encoded_rate:
            expected = stems[name] * np.float32(written.gain)
            assert np.sum((decoded - expected) ** 2) < 0.01 * np.sum(expected**2)


@pytest.mark.parametrize("audio_format", ["mp3", "flac"])
@pytest.mark.parametrize("rate", [44100, 96000])
def test_a_track_is_encoded_block_by_block(audio_format: Any, rate: int) -> None:
    file = io.BytesIO()
    written: list[int] = []

    def blocks() -> Iterator[np.ndarray]:
        for number in range(40):
            written.append(file.tell())
            yield noise(2, 20000, seed=number)

    encode_track(blocks(), file, rate, 2, 1.0, audio_format)
    assert 0 < written[20] < written[30] < written[39] < len(file.getvalue())


def test_real_music_in_the_page_is_close_to_the_stems(shared_audio: Path, tmp_path: Path) -> None:
    song = shared_audio / "cc0" / "potassium"
    stems: dict[str, np.ndarray] = {}
    for name in ("vocals", "drums", "bass", "other"):
        audio, rate = soundfile.read(song / f"{name}.ogg", start=82 * RATE, frames=3 * RATE, dtype="float32")
        stems[name] = audio.T
    written = write_page(write_stems(tmp_path / "song", stems, rate))
    page = Parsed(written.path)
    assert written.tracks == tuple(stems)
    for number, (name, stem) in enumerate(stems.items()):
        decoded, _ = page.audio(number, tmp_path / "track.mp3")
        difference = 10 * np.log10(np.sum((decoded - stem * written.gain) ** 2) / np.sum(stem**2))
        assert difference < -15, name


@pytest.mark.parametrize(("audio_format", "ceiling"), [("mp3", 10 ** (-1 / 20)), ("flac", 1 - 2.0**-23)])
def test_tracks_and_sums_beyond_full_scale_are_all_turned_down_by_one_gain_that_the_page_tells(
    tmp_path: Path, audio_format: Any, ceiling: float
) -> None:
    stems = {"vocals": noise(2, 9000, 0.9), "other": noise(2, 9000, 0.1, seed=1)}
    stems["vocals"][0, 100] = stems["other"][0, 100] = 1.5  # the sum is louder than either
    written = write_page(write_stems(tmp_path / "song", stems), audio_format=audio_format)
    assert written.gain == pytest.approx(ceiling / 3)
    page = Parsed(written.path)
    turned_down = "10.54" if audio_format == "mp3" else "9.54"
    assert page.song["notes"][0] == (
        f"All tracks are turned down by {turned_down} dB, so that neither they nor their sum clip."
    )
    decoded = [page.audio(number, tmp_path / "track")[0] for number in range(2)]
    assert np.abs(sum(decoded)).max() <= 1
    if audio_format == "flac":
        for samples, name in zip(decoded, written.tracks, strict=True):
            np.testing.assert_allclose(samples, stems[name] * written.gain, atol=2.0**-23)


def test_silence_and_a_single_sample_make_a_page(tmp_path: Path) -> None:
    folder = write_stems(tmp_path / "song", {"vocals": np.zeros((1, 1)), "other": np.zeros((2, 1))})
    page = Parsed(write_page(folder).path)
    assert page.song["levels"] == {"bottom": -120, "top": -40}
    assert page.song["overview"] == [0]
    assert page.song["about"] == "2 stems · 0.0 s · 44.1 kHz stereo"


@settings(max_examples=50)
@given(frequency=st.floats(40, 15000), rate=st.sampled_from([32000, 44100, 96000]))
def test_a_sine_of_full_scale_is_near_0_db_in_the_row_of_its_frequency(frequency: float, rate: int) -> None:
    time = np.arange(rate // 3) / rate
    spectrogram = Spectrogram(rate, len(time))
    spectrogram.add(np.sin(2 * np.pi * frequency * time).astype(np.float32)[np.newaxis])
    levels = spectrogram.levels()
    column = levels[:, levels.shape[1] // 2]
    low, high = frequency_range(rate)
    row = len(column) * np.log(high / frequency) / np.log(high / low) - 0.5
    bin_in_rows = len(column) * np.log1p(rate / 8192 / frequency) / np.log(high / low)
    assert abs(column.argmax() - row) <= 1 + bin_in_rows
    assert -3.5 < column.max() < 0.2
    assert np.all(column[np.abs(np.arange(len(column)) - row) > 2 + 16 * bin_in_rows] < -25)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 9000), max_size=12), st.integers(1, 2))
def test_levels_do_not_depend_on_where_the_track_is_cut_into_blocks(sizes: list[int], channels: int) -> None:
    track = noise(channels, 12345)
    whole, cut = Spectrogram(8000, 12345), Spectrogram(8000, 12345)
    whole.add(track)
    for block in np.split(track, np.minimum(np.cumsum([*sizes, 12345])[:-1], 12345), axis=1):
        cut.add(block)
    np.testing.assert_allclose(cut.levels(), whole.levels(), atol=1e-3)


@given(samples=st.integers(1, 200_000), place=st.floats(0, 1, exclude_max=True))
def test_a_click_is_in_its_column_of_a_picture_of_any_length(samples: int, place: float) -> None:
    track = np.zeros((1, samples), np.float32)
    track[0, int(place * samples)] = 1
    spectrogram = Spectrogram(8000, samples)
    spectrogram.add(track)
    levels = spectrogram.levels()
    columns = levels.shape[1]
    assert columns == min(1600, -(-samples // 40))
    high = levels[:20].max(axis=0)  # where the windows are short: 512 samples
    assert abs(high.argmax() - int(place * samples) * columns / samples) <= 1 + 256 * columns / samples
    far = np.abs(np.arange(columns) - place * columns) > 2 + 600 * columns / samples
    assert np.all(high[far] < high.max() - 20)


@pytest.mark.unchecked
def test_the_memory_for_a_spectrogram_does_not_grow_with_the_song() -> None:
    def peak(blocks: int) -> int:
        block = noise(2, 65536)
        spectrogram = Spectrogram(8000, blocks * 65536)
        tracemalloc.start()
        for _ in range(blocks):
            spectrogram.add(block)
        spectrogram.levels()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(60) < 1.2 * peak(20)


def test_the_pictures_have_one_scale_and_its_colours(folder: Path) -> None:
    loud, quiet = np.full((4, 3), -12.0, np.float32), np.full((4, 3), -95.0, np.float32)
    loud[0] = (-10, -50, -91)
    scale = common_scale([quiet, loud])
    assert scale == Scale(top=-10, bottom=-90)
    shown = pixels(picture(loud, scale))
    colours = palette()
    np.testing.assert_array_equal(shown[0], colours[[255, 128, 0]])
    np.testing.assert_array_equal(shown[1], colours[3 * [round(255 * 78 / 80)]])
    song = Parsed(write_page(folder).path).song
    assert [song["colours"][0], song["colours"][-1]] == [f"#{bytes(colours[index]).hex()}" for index in (0, 255)]


def test_the_colours_rise_evenly_in_lightness() -> None:
    linear = np.where(palette() <= 10, palette() / 3294.6, ((palette() / 255 + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = np.where(luminance < 0.008856, 903.3 * luminance, 116 * np.cbrt(luminance) - 16)  # CIE L*
    assert np.all(np.diff(lightness) > 0)
    np.testing.assert_allclose(np.diff(lightness[::51]), lightness[-1] / 5, rtol=0.25)


def put(name: str, samples: list[float], rate: int = RATE) -> Callable[[Path], None]:
    return lambda folder: soundfile.write(folder / name, np.array(samples, np.float32), rate, "FLOAT")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (
            lambda folder: [path.unlink() for path in folder.iterdir()],
            "{folder}: this folder holds no audio file of a stem, such as vocals.wav",
        ),
        (
            lambda folder: (folder / "vocals.wav").write_bytes(b"no sound but words\n" * 99),
            "{folder}/vocals.wav: FFmpeg cannot read this file: invalid data found when processing input",
        ),
        (
            put("drums.wav", [0], 48000),
            "{folder}/drums.wav has 48000 Hz, {folder}/vocals.wav 44100 Hz: the tracks of a page need one rate, so "
            "convert one, or name the mixture that the stems were made from",
        ),
        (
            put("drums.wav", [0] * 70000),
            "{folder}/drums.wav has 70000 samples (1.6 s), {folder}/vocals.wav 11025 samples (0.2 s): the tracks of a "
            "page must be of one song and equally long, so take the odd one out of the folder, or name the mixture "
            "that the stems were made from",
        ),
        (
            put("drums.wav", [0, np.inf]),
            "{folder}/drums.wav: sample 1 of channel 1 is inf; audio must be finite",
        ),
        (
            put("drums.wav", [0], 400000),
            "{folder}/drums.wav has 400000 Hz, but at most 384000 Hz can be shown: convert it",
        ),
    ],
    ids=["no audio", "unreadable", "rates", "lengths", "not finite", "rate out of range"],
)
def test_tracks_that_make_no_page_are_refused_in_one_line(
    folder: Path, prepare: Callable[[Path], object], message: str
) -> None:
    prepare(folder)
    before = sorted(folder.iterdir())
    assert refusal(hfbs_view(folder)) == message.format(folder=folder)
    assert sorted(folder.iterdir()) == before


def test_a_folder_of_folders_is_refused_with_the_name_of_one(folder: Path) -> None:
    assert refusal(hfbs_view(folder.parent)) == (
        f"{folder.parent}: this folder holds no audio file of a stem; name a folder in it, such as My song"
    )


def test_a_mixture_of_another_length_is_refused(folder: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "other song.wav", np.zeros(300), RATE)
    message = refusal(hfbs_view(folder, "--mixture", tmp_path / "other song.wav"))
    assert message.startswith(f"{folder / 'vocals.wav'} has 11025 samples (0.2 s), {tmp_path / 'other song.wav'} 300 ")


def test_a_page_that_is_there_is_kept_unless_forced(folder: Path) -> None:
    page = folder / "My song.html"
    page.write_text("precious")
    message = refusal(hfbs_view(folder))
    assert message == f"{page} exists: add --force to overwrite it, or name another place with -o"
    assert page.read_text() == "precious"
    assert hfbs_view(folder, "--force").exit_code == 0
    assert Parsed(page).title == "My song"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("vocals.wav", "is no name of a page: let it end in .html"),
        ("page", "is no name of a page: let it end in .html"),
        ("folder.html", "is a folder: name another place with -o"),
    ],
)
def test_a_page_cannot_take_the_place_of_audio_or_of_a_folder(folder: Path, place: str, message: str) -> None:
    (folder / "folder.html").mkdir()
    before = (folder / "vocals.wav").read_bytes()
    assert refusal(hfbs_view(folder, "--force", "-o", folder / place)) == f"{folder / place} {message}"
    assert (folder / "vocals.wav").read_bytes() == before


def test_a_picture_shows_the_tracks_of_the_page_one_above_the_other(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "song.png"
    result = hfbs_view(folder, "--picture", file)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [str(folder / "My song.html"), str(file)]
    tracks = Parsed(folder / "My song.html").song["tracks"]
    alone = [pixels(base64.b64decode(track["picture"].partition(",")[2])) for track in tracks]
    line = np.broadcast_to(palette()[255], (3, *alone[0].shape[1:]))
    expected = [part for each in alone for part in (line, each)][1:]
    np.testing.assert_array_equal(pixels(file.read_bytes()), np.concatenate(expected))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("song.html", "{} is no name of a picture: let it end in .png"),
        ("none/song.png", "there is no folder {.parent}: create it, or name another place with --picture"),
        ("song.png", "{} exists: add --force to overwrite it, or name another place with --picture"),
    ],
)
def test_a_picture_that_cannot_be_is_refused_before_the_page_is_written(
    folder: Path, tmp_path: Path, place: str, message: str
) -> None:
    (tmp_path / "song.png").write_text("precious")
    picture_file = tmp_path / place
    assert refusal(hfbs_view(folder, "--picture", picture_file)) == message.format(picture_file)
    assert not (folder / "My song.html").exists()
    assert (tmp_path / "song.png").read_text() == "precious"


def test_a_page_in_no_folder_is_refused(folder: Path) -> None:
    message = refusal(hfbs_view(folder, "-o", folder / "pages" / "a.html"))
    assert message == f"there is no folder {folder / 'pages'}: create it, or name another place with -o"


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_what_was_there_and_nothing_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, existing: bool
) -> None:
    page = folder / "page.html"
    if existing:
        page.write_text("an earlier page")

    def fail(_: int) -> None:
        raise failure

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError if isinstance(failure, OSError) else KeyboardInterrupt) as caught:
        write_page(folder, page, overwrite=True)
    if isinstance(failure, OSError):
        assert str(caught.value) == f"{page} cannot be written: no space left on device"
    assert sorted(path.name for path in folder.iterdir()) == [
        "other.wav", *(["page.html"] if existing else []), "vocals.wav",
    ]  # fmt: skip
    assert not existing or page.read_text() == "an earlier page"


def test_a_page_gets_the_users_usual_rights(folder: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE(write_page(folder).path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


@pytest.mark.parametrize("limit", ["_LARGE_PAGE", "_LARGE_DECODED"])
def test_a_page_that_may_be_too_much_for_a_browser_is_written_with_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(view, limit, 1000)
    result = hfbs_view(folder)
    page = folder / "My song.html"
    assert (result.exit_code, result.stdout) == (0, f"{page}\n")
    assert re.match(
        rf"hfbs: warning: {page}: 0 MB, of which a browser makes 0\.0 GB of samples: more than some browsers take, "
        r"phones' above all; view fewer stems or a part of the song\n",
        result.stderr,
    )


def test_what_is_odd_about_a_file_is_told_once(
    folder: Path, encode: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = noise(2, 2 * RATE)
    damaged = encode(folder / "vocals.mp3", samples, RATE, "libmp3lame")
    (folder / "vocals.wav").unlink()
    (folder / "other.wav").unlink()
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 600] = bytes(600)
    damaged.write_bytes(content)
    warnings = decode(damaged).warnings
    assert warnings
    assert write_page(folder).warnings == warnings


def test_a_track_that_waits_on_the_disk_is_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = write_page(folder).path.read_bytes()
    monkeypatch.setattr(view, "_IN_MEMORY", 100)
    assert write_page(folder, overwrite=True).path.read_bytes() == in_memory


def test_progress_counts_the_samples_of_all_tracks(folder: Path) -> None:
    calls: list[tuple[int, int]] = []
    page = write_page(folder, progress=lambda done, total: calls.append((done, total)))
    assert page == Page(page.path, ("vocals", "other"), 0.25, page.gain, page.path.stat().st_size, ())
    assert calls == [(11025, 22050), (22050, 22050)]


def test_a_format_that_is_none_is_refused(folder: Path) -> None:
    unknown: Any = "ogg"
    with pytest.raises(OptionError, match=r"^audio_format is mp3 or flac, got 'ogg'$"):
        write_page(folder, audio_format=unknown)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        AudioFileError, match=rf"^{tmp_path}/none: no such file or directory; name the folder of a song$"
    ):
        find_tracks(tmp_path / "none", None)
