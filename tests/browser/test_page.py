"""A page in a browser: it plays, solos, seeks, keeps its tracks together to the sample, and asks for nothing."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from playwright.sync_api import expect

from browser.conftest import RATE, SECONDS, Open, Watched, save
from hfbs_separate.view import write_page

VOCALS, DRUMS = 1, 2


@pytest.fixture
def player(open_page: Open, song: Path) -> Watched:
    return open_page(song)


def audible(player: Watched) -> list[bool]:
    return [peak > 0 for peak in player.peaks()]


def is_pressed(player: Watched, name: str) -> bool:
    return player.page.get_by_role("button", name=name).get_attribute("aria-pressed") == "true"


def test_play_plays_and_pause_stays_where_it_is(player: Watched) -> None:
    assert player.position == 0
    player.press("Play")
    player.until(lambda: player.position > 0.3)
    player.press("Pause")
    rest = player.position
    player.page.wait_for_timeout(200)
    assert player.position == rest < SECONDS
    player.until(lambda: audible(player) == [False, False, False])


def test_stems_are_heard_and_the_mixture_waits(player: Watched) -> None:
    player.press("Play")
    heard = [0, pytest.approx(0.4, rel=0.05), pytest.approx(0.4, rel=0.05)]
    player.until(lambda: player.peaks() == heard)
    assert player.js("Player.peak(player.outputMeters)") > 0.6


def test_solo_leaves_gain_to_one_track_alone(player: Watched) -> None:
    player.press("Play")
    player.press("Solo vocals")
    player.until(lambda: player.gains() == [0, 1, 0])
    player.until(lambda: audible(player) == [False, True, False])
    player.press("Solo mixture")
    player.until(lambda: player.gains() == [1, 0, 0])  # though it was muted
    player.until(lambda: audible(player) == [True, False, False])
    player.page.get_by_role("button", name="Solo drums").click(modifiers=["Shift"])
    player.until(lambda: player.gains() == [1, 0, 1])
    pressed = [name for name in ("mixture", "vocals", "drums") if is_pressed(player, f"Solo {name}")]
    assert pressed == ["mixture", "drums"]
    player.press("Solo drums")
    player.until(lambda: player.gains() == [0, 0, 1])
    player.press("Solo drums")
    player.until(lambda: player.gains() == [0, 1, 1])
    player.until(lambda: audible(player) == [False, True, True])


def test_solo_and_mute_count_before_anything_has_played(player: Watched) -> None:
    player.press("Mute vocals")
    assert player.gains() == [0, 0, 1]
    player.press("Mute mixture")
    assert player.gains() == [1, 0, 1]
    player.press("Play")
    player.until(lambda: audible(player) == [True, False, True])


def test_a_volume_is_in_decibels_and_its_lowest_is_silence(player: Watched) -> None:
    slider = player.page.get_by_role("slider", name="Volume of vocals")
    assert slider.get_attribute("aria-valuetext") == "0 dB"
    slider.fill("-6")
    assert player.gains() == [0, pytest.approx(10 ** (-6 / 20)), 1]
    assert slider.get_attribute("aria-valuetext") == "−6 dB"
    slider.fill("-36")
    assert player.gains() == [0, 0, 1]
    assert slider.get_attribute("aria-valuetext") == "silent"
    slider.dblclick()
    assert player.gains() == [0, 1, 1]


def test_beyond_full_scale_the_page_says_that_it_clips(player: Watched) -> None:
    clipped = player.page.get_by_role("button", name="Clipped")
    volume = player.page.get_by_role("slider", name="Volume of drums")
    player.press("Play")
    player.until(lambda: audible(player) == [False, True, True])
    expect(clipped).to_be_hidden()
    volume.fill("12")
    expect(clipped).to_be_visible()
    volume.fill("0")
    player.until(lambda: max(player.peaks()) < 0.5)
    clipped.click()
    expect(clipped).to_be_hidden()
    player.page.wait_for_timeout(200)
    expect(clipped).to_be_hidden()


@pytest.mark.parametrize("where", ["#timeline", ".track:nth-child(2) .seekable"])
def test_a_click_on_the_timeline_or_a_spectrogram_seeks(player: Watched, where: str) -> None:
    box = player.page.locator(where).bounding_box()
    assert box is not None
    player.page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 20)
    assert player.position == pytest.approx(SECONDS / 4, abs=0.1)
    player.press("Play")
    player.until(lambda: player.position > SECONDS / 4 + 0.2)
    player.page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 20)
    assert SECONDS / 2 - 0.1 < player.position < SECONDS
    player.press("Pause")
    playhead = player.page.locator(where).locator(".playhead").bounding_box()
    assert playhead is not None
    shown = (playhead["x"] + playhead["width"] / 2 - box["x"]) / box["width"]
    assert shown == pytest.approx(player.position / SECONDS, abs=0.01)
    timeline = player.page.get_by_role("slider", name="Position")
    assert timeline.get_attribute("aria-valuetext") == f"0:{int(player.position):02} of 0:20"


def test_a_drag_moves_the_playhead_and_seeks_where_it_ends(player: Watched) -> None:
    box = player.page.locator("#timeline").bounding_box()
    assert box is not None
    player.page.mouse.move(box["x"] + 10, box["y"] + 20)
    player.page.mouse.down()
    player.page.mouse.move(box["x"] + 0.775 * box["width"], box["y"] + 20, steps=3)
    assert player.position == 0
    assert player.page.inner_text("#now") == "0:15"
    player.page.mouse.up()
    assert player.position == pytest.approx(15.5, abs=0.1)


def test_keys_play_seek_and_solo(player: Watched) -> None:
    keyboard = player.page.keyboard
    for key, position in (("Shift+ArrowRight", 1), ("ArrowRight", 6), ("Shift+ArrowLeft", 5), ("Home", 0)):
        keyboard.press(key)
        assert player.position == position
    keyboard.press("ArrowLeft")
    assert player.position == 0
    for _ in range(5):
        keyboard.press("ArrowRight")
    assert player.position == SECONDS
    for key, gains in (("2", [0, 0, 1]), ("0", [1, 0, 0]), ("Shift+1", [1, 1, 0]), ("Shift+0", [0, 1, 0])):
        keyboard.press(key)
        assert player.gains() == gains
    for code, name in (("Numpad4", "ArrowLeft"), ("Numpad1", "End")):  # the keypad, while it gives no digits
        said = f"new KeyboardEvent('keydown', {{code: '{code}', key: '{name}', bubbles: true, cancelable: true}})"
        player.js(f"document.dispatchEvent({said})")
        assert player.gains() == [0, 1, 0]
    assert player.position == SECONDS - 5
    keyboard.press("9")  # no such track
    assert player.gains() == [0, 1, 0]
    keyboard.press("Space")
    player.until(lambda: 0 < player.position < SECONDS)
    keyboard.press("Space")
    assert not player.js("player.playing")


def test_keys_work_after_a_click_and_leave_a_focused_button_or_slider_its_own(player: Watched) -> None:
    keyboard = player.page.keyboard
    player.press("Mute vocals")
    keyboard.press("Space")
    assert player.js("player.playing")
    assert is_pressed(player, "Mute vocals")
    player.page.get_by_role("button", name="Mute vocals").focus()
    keyboard.press("Space")
    assert player.js("player.playing")
    assert not is_pressed(player, "Mute vocals")
    player.js("seek(10)")
    player.page.get_by_role("slider", name="Volume of drums").focus()
    keyboard.press("ArrowLeft")
    player.until(lambda: player.gains()[DRUMS] == pytest.approx(10 ** (-1 / 20)))
    assert player.position >= 10


def test_at_its_end_the_song_stops_and_play_begins_again(player: Watched) -> None:
    player.js("(seconds) => seek(seconds)", SECONDS - 0.2)
    player.press("Play")
    player.until(lambda: not player.js("player.playing"))
    assert player.position == SECONDS
    player.press("Play")
    player.until(lambda: 0 < player.position < SECONDS)


def test_all_tracks_start_at_one_time_and_at_one_place(open_page: Open, song: Path) -> None:
    spy = """window.starts = [];
    const { start } = AudioBufferSourceNode.prototype;
    AudioBufferSourceNode.prototype.start = function (...words) { starts.push(words); start.apply(this, words); };"""
    player = open_page(song, before=spy)
    player.press("Play")
    player.until(lambda: len(player.js("starts")) == 3)
    player.js("seek(2)")
    starts: list[list[float]] = player.js("starts")
    before = 4 * 1152 / RATE
    np.testing.assert_allclose([place for _, place, _ in starts], before + np.array([0, 0, 0, 2, 2, 2]), atol=1e-9)
    assert [length for *_, length in starts] == 3 * [SECONDS] + 3 * [SECONDS - 2]
    assert len({when for when, *_ in starts[:3]}) == len({when for when, *_ in starts[3:]}) == 1


# What a browser does that leaves MP3's delay, or a part of it, in what it decodes.
DELAY = """const { decodeAudioData } = BaseAudioContext.prototype;
BaseAudioContext.prototype.decodeAudioData = async function (bytes) {
  const buffer = await decodeAudioData.call(this, bytes);
  const late = this.createBuffer(buffer.numberOfChannels, buffer.length + DELAY, buffer.sampleRate);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++)
    late.copyToChannel(buffer.getChannelData(channel), channel, DELAY);
  return late;
};"""


@pytest.mark.parametrize(("audio_format", "delay"), [("mp3", 0), ("mp3", 576), ("mp3", 1105), ("flac", 0)])
def test_a_click_stays_at_its_sample_in_every_track(
    open_page: Open, tmp_path: Path, audio_format: Any, delay: int
) -> None:
    clicks = (RATE // 2, RATE + 17, 2 * RATE - 400)
    random = np.random.default_rng(0)
    stems = {f"stem {number}": random.normal(0, 10.0 ** (-5 + number), (2, 2 * RATE)) for number in range(4)}
    for stem in stems.values():
        stem[:, clicks] = 0.9
    page = write_page(save(tmp_path, stems), audio_format=audio_format)
    player = open_page(page.path, before=DELAY.replace("DELAY", str(delay)) if delay else "")
    find = """([number, from, to]) => {
        const { buffer, begin } = player.tracks[number];
        const samples = buffer.getChannelData(0).subarray(Math.round(begin * buffer.sampleRate));
        let place = from;
        for (let index = from; index < to; index++) if (samples[index] > samples[place]) place = index;
        return place;
    }"""
    assert player.js("player.context.sampleRate") == RATE
    for number in range(4):
        found = [player.js(find, [number, click - 300, click + 300]) for click in clicks]
        assert found == list(clicks)
    # And where the browser mixes them: rendered together they are highest at the same samples.
    mix = """async ([from, to]) => {
        const context = new OfflineAudioContext(1, to, player.context.sampleRate);
        for (const { buffer, begin } of player.tracks) {
          const source = new AudioBufferSourceNode(context, { buffer });
          source.connect(context.destination);
          source.start(0, begin);
        }
        const samples = (await context.startRendering()).getChannelData(0);
        return [...samples.slice(from, to)];
    }"""
    for click in clicks:
        assert int(np.argmax(player.js(mix, [click - 300, click + 300]))) == 300


def test_decoded_flac_is_the_stem(open_page: Open, stems: dict[str, np.ndarray], tmp_path: Path) -> None:
    page = write_page(save(tmp_path, stems), audio_format="flac")
    player = open_page(page.path)
    assert page.gain == 1
    for number, name in enumerate(page.tracks):
        samples = player.js("(number) => [...player.tracks[number].buffer.getChannelData(1).slice(0, 9000)]", number)
        np.testing.assert_allclose(samples, stems[name][1, :9000], atol=1e-6)


def test_a_browser_that_cannot_run_at_the_songs_rate_resamples(open_page: Open, song: Path) -> None:
    refuse = """const Original = AudioContext;
    window.AudioContext = class extends Original {
      constructor(options) {
        if (options?.sampleRate) throw new DOMException("no such rate", "NotSupportedError");
        super({ sampleRate: 48000 });
      }
    };"""
    player = open_page(song, before=refuse)
    assert player.js("player.context.sampleRate") == 48000
    assert player.js("player.tracks[1].begin") == pytest.approx(4 * 1152 / RATE, abs=1 / 48000)
    player.js("seek(3)")
    player.press("Play")
    player.until(lambda: player.peaks()[VOCALS] == pytest.approx(0.4, rel=0.05))
    player.until(lambda: 3 < player.position < SECONDS)


class Listener(BaseHTTPRequestHandler):
    heard: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.heard.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """A server on this machine that notes what it is asked for."""
    Listener.heard.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_page_asks_for_nothing(player: Watched) -> None:
    player.press("Play")
    player.until(lambda: player.position > 0.3)
    ours, *others = player.requests
    assert ours.startswith("file://")
    assert ours.endswith("/song.html")
    assert all(url.startswith("data:image/") for url in others)


def test_the_policy_stops_what_would_ask(browser: Any, song: Path, address: str) -> None:
    page = browser.new_page()
    page.goto(song.as_uri())
    page.wait_for_selector("#play:enabled")
    blocked = page.evaluate(
        """async (address) => {
          const blocked = [];
          document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
          const add = (tag, values) => document.body.append(Object.assign(document.createElement(tag), values));
          add("img", { src: `${address}/image` });
          add("script", { src: `${address}/script` });
          add("script", { textContent: "window.injected = true" });
          add("iframe", { src: `${address}/frame` });
          add("audio", { src: `${address}/audio` });
          add("link", { rel: "stylesheet", href: `${address}/style` });
          await fetch(`${address}/fetch`).catch(() => {});
          await new Promise((resolve) => setTimeout(resolve, 500));
          return blocked;
        }""",
        address,
    )
    directives = {"img-src", "script-src-elem", "frame-src", "media-src", "style-src-elem", "connect-src"}
    assert set(blocked) == directives
    assert page.evaluate("window.injected") is None
    assert Listener.heard == []
    page.evaluate("(address) => { location = `${address}/elsewhere`; }", address)
    page.wait_for_timeout(500)
    assert Listener.heard == ["/elsewhere"]  # it does hear who comes
    page.close()


def test_names_that_look_like_markup_are_shown_as_they_are(open_page: Open, tmp_path: Path) -> None:
    names = ["<script>window.injected = 1<∕script>", "<∕title><img src=x onerror='window.injected = 2'>", "ü \"'&lt;"]
    folder = tmp_path / "<img src=x onerror='window.injected = 3'>"
    folder.mkdir()
    stems = {name: np.full((1, 4000), 0.1) for name in names}
    player = open_page(write_page(save(folder, stems), tmp_path / "page.html").path)
    assert sorted(player.page.locator("h2").all_inner_texts()) == sorted(names)
    assert player.page.inner_text("h1") == player.page.title() == folder.name
    assert player.page.locator("img").count() == 3
    assert player.js("window.injected") is None
    assert player.page.get_by_role("button", name=f"Solo {names[2]}", exact=True).count() == 1


def test_audio_that_cannot_be_decoded_is_named(open_page: Open, song: Path, tmp_path: Path) -> None:
    spoilt = re.sub(r'(id="audio-1">)[^<]+', r"\1AAAA", song.read_text())
    (tmp_path / "page.html").write_text(spoilt)
    player = open_page(tmp_path / "page.html", wait_for="#status.failed")
    assert player.page.inner_text("#status").startswith("This browser cannot decode vocals: ")
    assert player.page.get_by_role("button", name="Play").is_disabled()
    player.page.keyboard.press("Space")
    assert not player.js("player.playing")


@pytest.mark.parametrize("width", [320, 390, 800, 1400])
def test_the_page_fits_the_window(open_page: Open, song: Path, width: int) -> None:
    player = open_page(song, viewport={"width": width, "height": 800})
    assert player.js("document.documentElement.scrollWidth") <= width
    for picture in player.page.locator(".spectrogram img").all():
        box = picture.bounding_box()
        assert box is not None
        assert box["width"] > 0.45 * width
        assert box["height"] >= 100
    lefts = player.js("[...document.querySelectorAll('.seekable')].map((each) => each.getBoundingClientRect().left)")
    assert max(lefts) - min(lefts) < 1.5  # the timeline stands above the spectrograms


def test_everything_that_can_be_pressed_has_a_name_and_can_be_reached_by_keys(player: Watched) -> None:
    reached: list[str] = []
    for _ in range(11):
        player.page.keyboard.press("Tab")
        name = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
        reached.append(player.js(name))
    tracks = [f"{what} {track}" for track in ("mixture", "vocals", "drums") for what in ("Solo", "Mute", "Volume of")]
    assert reached == ["Play", "Position", *tracks]
    assert player.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    pictures = player.page.get_by_role("img", name=re.compile("Spectrogram of (mixture|vocals|drums)"))
    assert pictures.count() == 3


CONTRAST = """(pairs) => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (colour) => {
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const linear = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
      .map((value) => (value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const probe = document.createElement("i");
  document.querySelector(".track:nth-child(2)").append(probe);
  return pairs.map((pair) => {
    const [low, high] = pair.map((name) => {
      probe.style.color = `var(--${name})`;
      return luminance(getComputedStyle(probe).color);
    }).sort((one, other) => one - other);
    return (high + 0.05) / (low + 0.05);
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(open_page: Open, song: Path, scheme: str) -> None:
    player = open_page(song, color_scheme=scheme)
    behind = ("ground", "surface")
    pairs = [[text, back] for text in ("ink", "soft") for back in behind] + [["on-accent", "accent"]]
    assert min(player.js(CONTRAST, pairs)) >= 4.5
    for hue in player.js("HUES"):
        player.js("(hue) => rows[1].row.style.setProperty('--hue', hue)", hue)
        assert player.js(CONTRAST, [["surface", "colour"]])[0] >= 4.5, hue
