"""Pages of stems in Chromium, driven by playwright, each watched for errors and requests."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, sync_playwright

from hfbs_separate.view import write_page

RATE, SECONDS = 44100, 20
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Watched:
    """A page of stems that is open and decoded, and what it asked for."""

    page: Page
    requests: list[str] = field(default_factory=list[str])

    def js(self, expression: str, argument: Any = None) -> Any:
        return self.page.evaluate(expression, argument)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def gains(self) -> list[float]:
        """The tracks' gains now; on their way from one to another for 20 ms of the audio's clock."""
        return self.js("player.tracks.map((track) => track.gain.gain.value)")

    def peaks(self) -> list[float]:
        """The largest magnitude that each track gave within the last tenth of a second of the audio's clock."""
        return self.js("player.tracks.map(({ meters }) => Player.peak(meters))")

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds, as it must within ten seconds."""
        deadline = time.monotonic() + 10
        while not holds():
            assert time.monotonic() < deadline, (self.gains(), self.peaks(), self.position)
            self.page.wait_for_timeout(20)

    @property
    def position(self) -> float:
        return self.js("player.position")


type Open = Callable[..., Watched]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.fail("no Chromium on PATH, which these tests look at pages with: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def stems() -> dict[str, np.ndarray]:
    """Twenty seconds of two stems and the mixture: a tone in each stem, of different heights, stereo."""
    seconds = np.arange(SECONDS * RATE) / RATE
    tones = {"vocals": 660.0, "drums": 220.0}
    stems = {name: 0.4 * np.sin(2 * np.pi * hertz * np.stack([seconds, seconds])) for name, hertz in tones.items()}
    return {"mixture": stems["vocals"] + stems["drums"], **stems}


@pytest.fixture(scope="session")
def song(stems: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of these stems."""
    folder = tmp_path_factory.mktemp("stems")
    return write_page(save(folder, stems), folder / "song.html").path


def save(folder: Path, stems: dict[str, np.ndarray]) -> Path:
    for name, stem in stems.items():
        soundfile.write(folder / f"{name}.wav", stem.T, RATE, "FLOAT")
    return folder


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open a page from the disk; whatever is thrown or logged as an error in it fails the test."""
    errors: list[str] = []
    contexts: list[Any] = []

    def open_it(path: Path, *, wait_for: str = "#play:enabled", before: str = "", **options: Any) -> Watched:
        context = browser.new_context(**options)
        contexts.append(context)
        if before:
            context.add_init_script(before)
        page = context.new_page()
        watched = Watched(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: watched.requests.append(request.url))
        page.goto(path.absolute().as_uri())
        page.wait_for_selector(wait_for)
        return watched

    yield open_it
    for context in contexts:
        context.close()
    assert not errors
