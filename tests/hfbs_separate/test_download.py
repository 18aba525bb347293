"""Downloads against a server on loopback: whole, resumed, refused, and never half-written under the final name."""

import hashlib
import http.server
import io
import os
import re
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner, Result

from hfbs_model import KnownCheckpoint
from hfbs_separate import _download
from hfbs_separate._download import DownloadError, download
from hfbs_separate.cli import main

CONTENT = os.urandom(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
LIMIT = 4_000_000


class Handler(http.server.BaseHTTPRequestHandler):
    """A small web server; what it does with a request is in its path."""

    protocol_version = "HTTP/1.1"
    content: ClassVar[bytes] = CONTENT
    tag: ClassVar[str] = '"one"'
    requests: ClassVar[list[tuple[str, str | None, str | None]]] = []

    def do_GET(self) -> None:
        span, version = self.headers.get("Range"), self.headers.get("If-Range")
        self.requests.append((self.path, span, version))
        self.close_connection = True
        getattr(self, self.path.strip("/").split("/")[0].replace("-", "_"))(span, version)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body)

    def file(self, span: str | None, version: str | None, *, ends: bool = True) -> None:
        start = int(span.removeprefix("bytes=").removesuffix("-")) if span and version == self.tag else 0
        if start >= len(self.content):
            self._answer(416, b"", Content_Range=f"bytes */{len(self.content)}")
            return
        body = self.content[start:]
        headers = {"ETag": self.tag, "Content_Length": str(len(body))}
        if start:
            headers["Content_Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        sent = body if ends else body[:1_500_000]
        self._answer(206 if start else 200, sent, **headers)

    def breaks_off(self, span: str | None, version: str | None) -> None:
        """Half of the file at the first request, what is asked for after that."""
        self.file(span, version, ends=len([path for path, *_ in self.requests if path == self.path]) > 1)

    def without_range(self, span: str | None, version: str | None) -> None:
        first = len([path for path, *_ in self.requests if path == self.path]) == 1
        self._answer(200, CONTENT[:1_000_000] if first else CONTENT, Content_Length=str(len(CONTENT)), ETag='"x"')

    def without_version(self, span: str | None, version: str | None) -> None:
        first = len([path for path, *_ in self.requests if path == self.path]) == 1
        self._answer(200, CONTENT[:1_000_000] if first else CONTENT, Content_Length=str(len(CONTENT)))

    def part_nobody_asked_for(self, span: str | None, version: str | None) -> None:
        self._answer(206, CONTENT[7:], Content_Range=f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}")

    def announces_too_much(self, span: str | None, version: str | None) -> None:
        self._answer(200, b"x", Content_Length=str(LIMIT + 1))

    def endless(self, span: str | None, version: str | None) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(ConnectionError):
            while True:
                self.wfile.write(bytes(1 << 16))

    def announces_too_little(self, span: str | None, version: str | None) -> None:
        self._answer(200, CONTENT, Content_Length="1000")

    def packed(self, span: str | None, version: str | None) -> None:
        self._answer(200, CONTENT, Content_Encoding="gzip")

    def silent(self, span: str | None, version: str | None) -> None:
        self.server.released.wait(20)  # pyright: ignore[reportAttributeAccessIssue]

    def moved(self, span: str | None, version: str | None) -> None:
        self._answer(302, b"", Location="/file")

    def loop(self, span: str | None, version: str | None) -> None:
        self._answer(302, b"", Location="/loop")

    def elsewhere(self, span: str | None, version: str | None) -> None:
        self._answer(302, b"", Location={"file": "file:///etc/passwd", "ftp": "ftp://127.0.0.1:1/x"}[self.path[11:]])

    def status(self, span: str | None, version: str | None) -> None:
        self._answer(int(self.path.rsplit("/", 1)[1]), b"")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    Handler.requests.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    server.released = threading.Event()  # pyright: ignore[reportAttributeAccessIssue]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.released.set()  # pyright: ignore[reportAttributeAccessIssue]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "model.ckpt"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refusal(url: str, target: Path, **options: str) -> str:
    """The message of a download that fails and leaves nothing under the final name."""
    with pytest.raises(DownloadError) as caught:
        download(url, target, max_bytes=LIMIT, **options)
    assert not target.exists()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("sha256", [DIGEST, None])
def test_a_file_arrives_whole_and_alone(server: str, target: Path, sha256: str | None):
    steps: list[tuple[int, int]] = []
    digest = download(
        f"{server}/file", target, sha256=sha256, max_bytes=LIMIT, progress=lambda *step: steps.append(step)
    )
    assert (digest, target.read_bytes(), names(target.parent)) == (DIGEST, CONTENT, ["model.ckpt"])
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert [present for present, _ in steps] == sorted({present for present, _ in steps})
    assert Handler.requests == [("/file", None, None)]


def test_an_interrupted_download_goes_on_from_its_end(server: str, target: Path):
    url = f"{server}/breaks-off"
    assert refusal(url, target, sha256=DIGEST) == (
        f"{url}: the connection broke after 1500000 of 3000000 bytes; run the same command again to go on from there"
    )
    assert names(target.parent) == ["model.ckpt.part", "model.ckpt.part.json"]
    assert download(url, target, sha256=DIGEST, max_bytes=LIMIT) == DIGEST
    assert Handler.requests[1:] == [("/breaks-off", "bytes=1500000-", '"one"')]
    assert (target.read_bytes(), names(target.parent)) == (CONTENT, ["model.ckpt"])


def test_an_interrupted_download_of_another_version_starts_again(
    server: str, target: Path, monkeypatch: pytest.MonkeyPatch
):
    refusal(f"{server}/breaks-off", target)
    monkeypatch.setattr(Handler, "content", CONTENT[::-1])
    monkeypatch.setattr(Handler, "tag", '"two"')
    download(f"{server}/breaks-off", target, max_bytes=LIMIT)
    assert (target.read_bytes(), names(target.parent)) == (CONTENT[::-1], ["model.ckpt"])


def test_an_interrupted_download_from_another_address_starts_again(server: str, target: Path):
    refusal(f"{server}/breaks-off", target)
    assert download(f"{server}/file", target, max_bytes=LIMIT) == DIGEST
    assert Handler.requests[-1] == ("/file", None, None)


@pytest.mark.parametrize("path", ["without-range", "without-version"])
def test_a_server_that_cannot_resume_sends_all_again(server: str, target: Path, path: str):
    refusal(f"{server}/{path}", target)
    assert download(f"{server}/{path}", target, sha256=DIGEST, max_bytes=LIMIT) == DIGEST
    asked = [span for _, span, _ in Handler.requests]
    assert asked == [None, "bytes=1000000-" if path == "without-range" else None]
    assert names(target.parent) == ["model.ckpt"]


def test_a_part_that_was_spoilt_on_disk_is_fetched_again(server: str, target: Path):
    refusal(f"{server}/breaks-off", target)
    part = target.with_name("model.ckpt.part")
    part.write_bytes(bytes(part.stat().st_size))
    assert download(f"{server}/breaks-off", target, sha256=DIGEST, max_bytes=LIMIT) == DIGEST
    assert [span for _, span, _ in Handler.requests] == [None, "bytes=1500000-", None]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("spare", [0, 10])
def test_a_part_as_long_as_the_file_or_longer_is_fetched_again(server: str, target: Path, spare: int):
    refusal(f"{server}/breaks-off", target)
    target.with_name("model.ckpt.part").write_bytes(CONTENT + bytes(spare))
    assert download(f"{server}/breaks-off", target, sha256=DIGEST, max_bytes=LIMIT) == DIGEST
    assert names(target.parent) == ["model.ckpt"]


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"url": 1}', '{"url": "x", "validator": "a\\r\\nHost: b"}', "\xff"])
def test_a_note_that_cannot_be_read_means_a_fresh_start(server: str, target: Path, note: str):
    target.with_name("model.ckpt.part").write_bytes(b"old")
    target.with_name("model.ckpt.part.json").write_text(note, encoding="latin-1")
    assert download(f"{server}/file", target, max_bytes=LIMIT) == DIGEST
    assert Handler.requests == [("/file", None, None)]


def test_a_corrupted_file_is_refused_and_removed(server: str, target: Path):
    wrong = "0" * 64
    assert refusal(f"{server}/file", target, sha256=wrong) == (
        f"what {server}/file sent has the SHA-256 {DIGEST}, not {wrong}: it was damaged on the way or changed by its "
        "owner, and was removed; try again, or look at the page that it comes from"
    )
    assert names(target.parent) == []


def test_a_finished_file_is_kept(server: str, target: Path):
    target.write_bytes(CONTENT)
    assert download(f"{server}/file", target, sha256=DIGEST, max_bytes=LIMIT) == DIGEST
    target.write_bytes(b"mine")
    assert download(f"{server}/file", target, max_bytes=LIMIT) == hashlib.sha256(b"mine").hexdigest()
    assert (Handler.requests, target.read_bytes()) == ([], b"mine")


def test_a_wrong_file_is_replaced_only_by_the_right_one(server: str, target: Path):
    target.write_bytes(b"wrong")
    with pytest.raises(DownloadError):
        download(f"{server}/file", target, sha256="0" * 64, max_bytes=LIMIT)
    assert target.read_bytes() == b"wrong"
    download(f"{server}/file", target, sha256=DIGEST, max_bytes=LIMIT)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("announces-too-much", "the server announces 4000001 bytes; at most 4000000 are accepted, so this is another"),
        ("endless", "the server sends more than it announced; at most 4000000 are accepted, so this is another file"),
        ("packed", "the server sends the file packed as gzip, which was not asked for"),
        ("part-nobody-asked-for", "the server sends a part of the file that was not asked for; try again"),
        ("status/404", "the server answers 404 (Not Found): the file is no longer there; look for it on the author's"),
        ("status/410", "the server answers 410 (Gone): the file is no longer there; look for it on the author's page"),
        ("status/403", "the server answers 403 (Forbidden): the server gives it to nobody, or only after a login; "),
        ("status/503", "the server answers 503 (Service Unavailable): try again later"),
        ("status/416", f"the server answers 416 ({http.HTTPStatus(416).phrase}): try again later"),
        ("loop", "the server answers 302 (Found): its redirects lead nowhere; look for the file on the author's page"),
    ],
)
def test_what_a_server_must_not_do_is_refused_with_nothing_left(server: str, target: Path, path: str, message: str):
    assert refusal(f"{server}/{path}", target).startswith(f"{server}/{path}: {message}")
    assert names(target.parent) == []


def test_more_than_was_announced_is_not_read(server: str, target: Path):
    download(f"{server}/announces-too-little", target, max_bytes=LIMIT)
    assert target.read_bytes() == CONTENT[:1000]
    target.unlink()
    assert "has the SHA-256" in refusal(f"{server}/announces-too-little", target, sha256=DIGEST)


def test_a_redirect_is_followed(server: str, target: Path):
    assert download(f"{server}/moved", target, max_bytes=LIMIT) == DIGEST
    assert [path for path, *_ in Handler.requests] == ["/moved", "/file"]


@pytest.mark.parametrize("kind", ["file", "ftp"])
def test_a_redirect_leads_to_the_web_only(server: str, target: Path, kind: str):
    message = refusal(f"{server}/elsewhere/{kind}", target)
    assert message.startswith(f"{server}/elsewhere/{kind}: the server answers 302 (Found): its redirects lead nowhere")
    assert names(target.parent) == []


def test_a_redirect_does_not_give_up_encryption():
    def redirected(url: str) -> str:
        request = urllib.request.Request("https://example.org/a")
        followed = _download._Redirects().redirect_request(request, io.BytesIO(), 302, "", {}, url)
        assert followed is not None
        return followed.full_url

    assert redirected("https://example.org/b") == "https://example.org/b"
    with pytest.raises(
        DownloadError, match=r"^https://example\.org/a redirects to http://example\.org/b, which is not"
    ):
        redirected("http://example.org/b")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x", "data:,x", "model.ckpt"])
def test_files_come_from_the_web_only(target: Path, url: str):
    assert refusal(url, target) == f"files come from http and https addresses only, got {url}"


def test_a_silent_server_is_left(server: str, target: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_download, "TIMEOUT", 0.1)
    assert refusal(f"{server}/silent", target) == (
        f"{server}/silent: nothing came for 0.1 s; run the same command again to go on from there"
    )


def test_a_server_that_is_not_there_is_reported(target: Path, server: str):
    message = refusal("http://127.0.0.1:1/x", target)
    assert re.fullmatch(r"http://127\.0\.0\.1:1/x: .+; check the connection and try again", message)


def test_a_full_disk_is_reported(server: str, target: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert refusal(f"{server}/file", target) == f"{target}.part cannot be written: No space left on device"


def test_a_folder_in_the_way_is_reported(server: str, target: Path):
    target.mkdir()
    with pytest.raises(DownloadError, match=f"^{re.escape(str(target))} cannot be written: "):
        download(f"{server}/file", target, max_bytes=LIMIT)


@pytest.fixture
def fetch(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run ``hfbs download`` of an entry that points to the server; files go to the folder "out"."""

    def run(*words: str, **fields: object) -> Result:
        entry = {"url": f"{server}/file", "sha256": DIGEST, "size": len(CONTENT), "config_url": f"{server}/file"}
        known = KnownCheckpoint("bs-some", "Vocals", "some", "bs", settings={}, sources=(), **(entry | fields))
        monkeypatch.setattr("hfbs_model.known_checkpoints", lambda: (known,))
        monkeypatch.setattr("hfbs_separate._command_download._LARGEST_YAML", LIMIT)
        words = words or ("bs-some",)
        return CliRunner().invoke(main, ["download", *words, "-o", str(tmp_path / "out" / "new")], prog_name="hfbs")

    return run


def test_the_command_fetches_weights_and_yaml(fetch: Callable[..., Result], tmp_path: Path, server: str):
    result = fetch(url=f"{server}/file/model.safetensors?download=true", licence="GPL-3.0")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "out" / "new"
    assert result.stdout == f"{folder / 'bs-some.safetensors'}\n{folder / 'bs-some.yaml'}\n"
    assert names(folder) == ["bs-some.safetensors", "bs-some.yaml"]
    assert result.stderr.splitlines() == [
        "licence of the weights: GPL-3.0",
        f"no digest of bs-some.yaml is published, so it is unchecked; its SHA-256 is {DIGEST}",
    ]


def test_the_command_says_what_is_not_published(fetch: Callable[..., Result]):
    result = fetch(sha256=None, size=None, config_url=None)
    assert result.stderr.splitlines() == [
        "licence of the weights: not stated; look at the page that they come from",
        f"no digest of bs-some.ckpt is published, so it is unchecked; its SHA-256 is {DIGEST}",
        "no YAML is published for these weights",
    ]


def test_the_command_refuses_in_one_line(fetch: Callable[..., Result], tmp_path: Path, server: str):
    for result, message in (
        (fetch("../../x"), "no checkpoint is named '../../x': hfbs models lists them"),
        (fetch(sha256="0" * 64), f"what {server}/file sent has the SHA-256 {DIGEST}, not {'0' * 64}: "),
        (fetch(size=1000), f"{server}/file: the server announces 3000000 bytes; at most 1000 are accepted"),
    ):
        assert (result.exit_code, result.stdout) == (2, "")
        last = result.stderr.splitlines()[-1]
        assert last.startswith(f"hfbs: error: {message}")
    assert names(tmp_path / "out" / "new") == []


def test_ctrl_c_keeps_what_has_arrived_and_says_so(fetch: Callable[..., Result], monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("hfbs_separate._command_download.download", interrupt)
    result = fetch()
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "hfbs: error: interrupted; the same command goes on from there"
