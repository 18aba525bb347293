"""Files from the web: whole and checked, or not at all under their name."""

import hashlib
import http.client
import json
import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from ._types import Progress

TIMEOUT = 30.0  # seconds without a byte
_PIECE = 1 << 20
_AGAIN = "run the same command again to go on from there"


class DownloadError(RuntimeError):
    """A file did not arrive, or is not the one that was asked for."""


def download(
    url: str, target: Path, *, sha256: str | None = None, max_bytes: int, progress: Progress | None = None
) -> str:
    """Bring a file from the web to a path, where it appears whole or not at all.

    What arrives goes to ``target`` with ``.part`` appended. An interrupted transfer leaves it there, beside what the
    server said of the file's version, and the next call goes on from its end where the server still has that version.

    Args:
        url: An http or https address. Redirects are followed, to these schemes only and never from https to http.
        target: Where the file goes, in a folder that is there. A file that is there already is kept if it has
            the digest or if no digest is given, and replaced otherwise, once the new one is whole.
        sha256: Digest that the file has, in lower-case hexadecimal. None accepts what comes.
        max_bytes: The most that is accepted, declared or sent.
        progress: Called with bytes present and bytes in all, where the server states these.

    Returns:
        The file's SHA-256 digest in hexadecimal.

    Raises:
        DownloadError: The server refuses, is not there, falls silent, sends too much or too little or a file with
            another digest, or the disk does not take it.
    """
    if target.is_file():
        digest = _digest_of(target)
        if sha256 is None or digest == sha256:
            return digest
    transfer = _Transfer(url, target, max_bytes, progress)
    digest, resumed = transfer.run()
    if resumed and sha256 is not None and digest != sha256:
        transfer.forget()
        digest, _ = transfer.run()
    if sha256 is not None and digest != sha256:
        transfer.forget()
        raise DownloadError(
            f"what {url} sent has the SHA-256 {digest}, not {sha256}: it was damaged on the way or changed by its "
            "owner, and was removed; try again, or look at the page that it comes from"
        )
    transfer.finish()
    return digest


@dataclass(frozen=True)
class _Version:
    """What tells one version of a file on a server from another; without a validator, nothing can be resumed."""

    url: str
    validator: str

    @classmethod
    def of(cls, url: str, headers: Message) -> "_Version | None":
        tag = headers.get("ETag", "")
        validator = tag if tag.startswith('"') else headers.get("Last-Modified", "")
        return cls(url, validator) if validator else None

    @classmethod
    def read(cls, path: Path) -> "_Version | None":
        try:
            held: object = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        match held:
            case {"url": str(url), "validator": str(validator)} if validator.isprintable():
                return cls(url, validator)
            case _:
                return None

    def write(self, path: Path) -> None:
        path.write_text(json.dumps({"url": self.url, "validator": self.validator}), encoding="utf-8")


class _Transfer:
    def __init__(self, url: str, target: Path, max_bytes: int, progress: Progress | None) -> None:
        _check_scheme(url)
        self._url = url
        self._target = target
        self._part = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")
        self._max_bytes = max_bytes
        self._progress = progress

    def run(self) -> tuple[str, bool]:
        """Fetch what is missing; the digest of all that is there now, and whether some was there before."""
        known = _Version.read(self._note)
        start = (
            self._part.stat().st_size if self._part.is_file() and known is not None and known.url == self._url else 0
        )
        headers = {"Accept-Encoding": "identity", "User-Agent": f"hfbs-separate/{version('hfbs-separate')}"}
        if start and known is not None:
            headers |= {"Range": f"bytes={start}-", "If-Range": known.validator}
        try:
            with _open(self._url, headers) as response:
                if response.status == http.HTTPStatus.OK:
                    return self._receive(response, 0), False
                if start and _continues(response, start):
                    return self._receive(response, start), True
        except HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
                self.forget()
                return self.run()
            raise DownloadError(f"{self._url}: {_refusal(error)}") from error
        except TimeoutError as error:
            raise DownloadError(f"{self._url}: nothing came for {TIMEOUT:g} s; {_AGAIN}") from error
        except URLError as error:
            raise DownloadError(f"{self._url}: {error.reason}; check the connection and try again") from error
        except (http.client.HTTPException, ConnectionError) as error:
            raise DownloadError(
                f"{self._url}: the connection broke ({error or type(error).__name__}); {_AGAIN}"
            ) from error
        except OSError as error:
            raise DownloadError(f"{self._part} cannot be written: {error.strerror or error}") from error
        self.forget()
        raise DownloadError(f"{self._url}: the server sends a part of the file that was not asked for; try again")

    def _receive(self, response: http.client.HTTPResponse, start: int) -> str:
        if (coding := response.headers.get("Content-Encoding", "identity").lower()) != "identity":
            raise DownloadError(f"{self._url}: the server sends the file packed as {coding}, which was not asked for")
        total = start + response.length if response.length is not None else None
        if total is not None and total > self._max_bytes:
            self.forget()
            raise DownloadError(f"{self._url}: the server announces {total} bytes; {self._at_most()}")
        digest = hashlib.sha256()
        if start:
            with self._part.open("rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
        elif (there := _Version.of(self._url, response.headers)) is not None:
            there.write(self._note)
        else:
            self._note.unlink(missing_ok=True)
        present = start
        with self._part.open("ab" if start else "wb") as file:
            while piece := response.read(_PIECE):
                present += len(piece)
                if present > self._max_bytes:
                    break
                file.write(piece)
                digest.update(piece)
                if self._progress is not None and total is not None:
                    self._progress(present, total)
            file.flush()
            os.fsync(file.fileno())
        if present > self._max_bytes:
            self.forget()
            raise DownloadError(f"{self._url}: the server sends more than it announced; {self._at_most()}")
        if total is not None and present < total:
            raise DownloadError(f"{self._url}: the connection broke after {present} of {total} bytes; {_AGAIN}")
        return digest.hexdigest()

    def _at_most(self) -> str:
        return f"at most {self._max_bytes} are accepted, so this is another file than the one expected"

    def forget(self) -> None:
        """Remove what has arrived."""
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give what has arrived its name."""
        try:
            self._part.replace(self._target)
        except OSError as error:
            raise DownloadError(f"{self._target} cannot be written: {error.strerror or error}") from error
        self._note.unlink(missing_ok=True)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to the schemes that are accepted, and from https to https only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            fp.close()
            raise DownloadError(
                f"{req.full_url} redirects to {newurl}, which is not encrypted; give the address of the file itself"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return cast(
        "http.client.HTTPResponse", opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=TIMEOUT)
    )


def _check_scheme(url: str) -> None:
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https"):
        raise DownloadError(f"files come from http and https addresses only, got {url}")


def _continues(response: http.client.HTTPResponse, start: int) -> bool:
    return response.status == http.HTTPStatus.PARTIAL_CONTENT and response.headers.get("Content-Range", "").startswith(
        f"bytes {start}-"
    )


def _refusal(error: HTTPError) -> str:
    """What an HTTP error means for the person who waits, in one line."""
    if error.code in (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE):
        remedy = "the file is no longer there; look for it on the author's page"
    elif error.code in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
        remedy = "the server gives it to nobody, or only after a login; download it in a browser"
    elif error.code // 100 == 3:
        remedy = "its redirects lead nowhere; look for the file on the author's page"
    else:
        remedy = "try again later"
    return f"the server answers {error.code} ({http.client.responses.get(error.code, 'unknown')}): {remedy}"


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
