"""Checkpoints go to the Hugging Face Hub and come back, over a Hub of our own on loopback."""

import json
import re
import threading
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import huggingface_hub
import pytest
import torch
from huggingface_hub import ModelCard, constants

from hfbs_model import Checkpoint, CheckpointError, save_checkpoint
from hfbs_model.hub import HubCheckpoint

from .conftest import Tiny

NAME = "someone/vocals"
FILES = {"model.safetensors", "config.json", "README.md"}

pytestmark = pytest.mark.usefixtures("as_users_run")


@dataclass
class Answer:
    """What a download is answered with instead of a file."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    sent: int | None = None
    """Bytes of the file after which the connection ends."""


class FakeHub(ThreadingHTTPServer):
    """As much of the Hub as files up to a few megabytes need: commits come and go as a whole, each file in base64."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Routes)
        self.files: dict[tuple[str, str, str], bytes] = {}  # by model, revision and path
        self.models: dict[str, dict[str, Any]] = {}  # by name, what they were made with
        self.requests: list[tuple[str, str, str | None]] = []  # method, path, authorization
        self.commits: list[dict[str, Any]] = []
        self.instead: Answer | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def commit_of(self, model: str, revision: str) -> str:
        content = {path: data for (*at, path), data in sorted(self.files.items()) if at == [model, revision]}
        return sha1(repr(content).encode()).hexdigest()

    def paths(self, method: str) -> list[str]:
        return [path for asked, path, _ in self.requests if asked == method]

    def authorizations(self) -> set[str | None]:
        return {authorization for _, _, authorization in self.requests}


class Routes(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer_file()

    def do_GET(self) -> None:
        self.answer_file()

    def answer_file(self) -> None:
        self.note()
        found = re.fullmatch(r"/([\w-]+/[\w-]+)/resolve/([^/]+)/(.+)", unquote(self.path))
        assert found, self.path
        model, revision, path = found.groups()
        commits = {at[1]: self.server.commit_of(*at[:2]) for at in self.server.files if at[0] == model}
        revision = next((name for name, commit in commits.items() if commit == revision), revision)
        content = self.server.files.get((model, revision, path))
        answer = self.server.instead or Answer()
        if answer.status != 200:
            return self.answer(answer.status, **answer.headers)
        if not commits:
            return self.answer(401, **{"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        if revision not in commits:
            return self.answer(404, **{"X-Error-Code": "RevisionNotFound"})
        if content is None:
            return self.answer(404, **{"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commits[revision]})
        sent = content if answer.sent is None else content[: answer.sent]
        self.close_connection = answer.sent is not None
        etag = f'"{sha1(content).hexdigest()}"'
        return self.answer(200, sent, len(content), ETag=etag, **{"X-Repo-Commit": commits[revision]}, **answer.headers)

    def do_POST(self) -> None:
        self.note()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        lines = [json.loads(line) for line in body.splitlines()]
        match self.path.removeprefix("/api/").split("/"):
            case ["repos", "create"]:
                model = f"{lines[0].get('organization') or 'me'}/{lines[0]['name']}"
                known = model in self.server.models
                self.server.models.setdefault(model, lines[0])
                self.answer_json({"url": f"{self.server.address}/{model}"}, 409 if known else 200)
            case ["validate-yaml"]:
                self.answer_json({"errors": [], "warnings": []})
            case ["models", _, _, "preupload", _]:
                files = [{"path": each["path"], "uploadMode": "regular"} for each in lines[0]["files"]]
                self.answer_json({"files": [each | {"shouldIgnore": False, "oid": None} for each in files]})
            case ["models", owner, name, "commit", revision]:
                files = {line["value"]["path"]: line["value"]["content"] for line in lines if line["key"] == "file"}
                for path, content in files.items():
                    self.server.files[f"{owner}/{name}", revision, path] = b64decode(content)
                self.server.commits.append(lines[0]["value"] | {"revision": revision, "files": {*files}})
                commit = self.server.commit_of(f"{owner}/{name}", revision)
                url = f"{self.server.address}/{owner}/{name}/commit/{commit}"
                self.answer_json({"commitUrl": url, "commitOid": commit})
            case route:
                raise AssertionError(route)

    def answer_json(self, document: object, status: int = 200) -> None:
        self.answer(status, json.dumps(document).encode(), **{"Content-Type": "application/json"})

    def answer(self, status: int, body: bytes = b"", length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body) if length is None else length)} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def note(self) -> None:
        self.server.requests.append((self.command, self.path, self.headers["Authorization"]))

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """An empty Hub, which huggingface_hub takes for the only one, and a cache in the test's own folder."""
    with FakeHub() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        set_up(server.address, tmp_path, monkeypatch)
        yield server
        huggingface_hub.close_session()
        server.shutdown()
        thread.join()


def set_up(address: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huggingface_hub.close_session()
    home = folder / "home"
    for name, value in {
        "ENDPOINT": address,
        "HUGGINGFACE_CO_URL_TEMPLATE": address + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_XET_CACHE": str(home / "xet"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_STORED_TOKENS_PATH": str(home / "tokens"),
        "HF_HUB_OFFLINE": False,
    }.items():
        monkeypatch.setattr(constants, name, value)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between attempts


@pytest.fixture
def checkpoint(tiny: Tiny) -> Checkpoint:
    return Checkpoint(tiny(stereo=True, num_stems=2), ("vocals", "other"), 32000, 4000, 3, provenance={"by": "a test"})


@pytest.fixture
def pushed(hub: FakeHub, checkpoint: Checkpoint) -> FakeHub:
    """A Hub that holds the checkpoint and has noted nothing yet."""
    HubCheckpoint.of(checkpoint).push_to_hub(NAME)
    hub.requests.clear()
    return hub


def assert_same(loaded: Checkpoint, saved: Checkpoint) -> None:
    for name in ("stems", "sample_rate", "chunk_size", "num_overlap", "provenance"):
        assert getattr(loaded, name) == getattr(saved, name)
    ours = saved.model.state_dict()
    assert ours.keys() == loaded.model.state_dict().keys()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in loaded.model.state_dict().items())


# There and back.


def test_what_is_pushed_comes_back(hub: FakeHub, checkpoint: Checkpoint) -> None:
    address = HubCheckpoint.of(checkpoint).push_to_hub(NAME)
    assert address == f"{hub.address}/{NAME}/commit/{hub.commit_of(NAME, 'main')}"
    assert {path for *_, path in hub.files} == FILES
    loaded = HubCheckpoint.from_pretrained(NAME)
    assert type(loaded) is HubCheckpoint
    assert_same(loaded, checkpoint)
    assert not loaded.report.notes


def test_a_checkpoint_of_the_plain_class_comes_by_name_as_well(pushed: FakeHub, checkpoint: Checkpoint) -> None:
    loaded = Checkpoint.from_pretrained(NAME, chunk_size=777)
    assert type(loaded) is Checkpoint
    assert loaded.chunk_size == 777
    assert_same(Checkpoint.from_pretrained(NAME, revision="main"), checkpoint)


def test_a_folder_goes_before_the_hub(
    pushed: FakeHub, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ours = HubCheckpoint.of(checkpoint)
    assert ours.save_pretrained(NAME) is None
    assert {path.name for path in Path(NAME).iterdir()} == FILES
    assert_same(HubCheckpoint.from_pretrained(NAME), checkpoint)
    assert_same(HubCheckpoint.from_pretrained(tmp_path / NAME), checkpoint)
    assert not pushed.requests


def test_a_path_is_no_name(pushed: FakeHub) -> None:
    with pytest.raises(CheckpointError, match=f"there is no folder {NAME}"):
        Checkpoint.from_pretrained(Path(NAME))
    assert not pushed.requests


def test_saving_may_push_as_well(hub: FakeHub, checkpoint: Checkpoint, tmp_path: Path) -> None:
    HubCheckpoint.of(checkpoint).save_pretrained(tmp_path / "vocals", push_to_hub=True, private=True)
    assert {model for model, *_ in hub.files} == {"me/vocals"}
    assert hub.models["me/vocals"].get("private", hub.models["me/vocals"].get("visibility")) in (True, "private")
    assert {path.name for path in (tmp_path / "vocals").iterdir()} == FILES


def test_a_push_is_sent_as_asked(hub: FakeHub, checkpoint: Checkpoint) -> None:
    HubCheckpoint.of(checkpoint).push_to_hub(
        NAME, token="hf_ours", branch="v2", commit_message="Better", ignore_patterns="config*"
    )
    assert hub.authorizations() == {"Bearer hf_ours"}
    (commit,) = hub.commits
    assert (commit["revision"], commit["summary"], commit["files"]) == ("v2", "Better", FILES - {"config.json"})


def test_a_model_card_that_is_there_is_kept(pushed: FakeHub, checkpoint: Checkpoint) -> None:
    at = (NAME, "main", "README.md")
    pushed.files[at] = b"MIT, says its author"
    HubCheckpoint.of(checkpoint).push_to_hub(NAME, ignore_patterns=["config.json"])
    assert pushed.files[at] == b"MIT, says its author"
    assert pushed.commits[-1]["files"] == {"model.safetensors"}
    HubCheckpoint.of(checkpoint).push_to_hub(NAME, model_card_kwargs={"text": "A word."})
    assert pushed.files[at].endswith(b"---\n\nA word.")


# Downloads, as asked.


def test_what_is_in_the_cache_is_not_fetched_again_unless_asked(pushed: FakeHub) -> None:
    HubCheckpoint.from_pretrained(NAME)
    first = pushed.paths("GET")
    assert [path.rpartition("/")[2] for path in first] == ["model.safetensors", "config.json"]
    HubCheckpoint.from_pretrained(NAME)
    assert pushed.paths("GET") == first
    HubCheckpoint.from_pretrained(NAME, force_download=True)
    assert pushed.paths("GET") == 2 * first


def test_only_the_cache_is_asked_where_that_is_said(pushed: FakeHub, checkpoint: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="the Hub may not be asked; load it once without local_files_only"):
        HubCheckpoint.from_pretrained(NAME, local_files_only=True)
    assert not pushed.requests
    HubCheckpoint.from_pretrained(NAME)
    pushed.requests.clear()
    assert_same(HubCheckpoint.from_pretrained(NAME, local_files_only=True), checkpoint)
    assert not pushed.requests


def test_downloads_lie_where_asked(pushed: FakeHub, tmp_path: Path) -> None:
    HubCheckpoint.from_pretrained(NAME, cache_dir=tmp_path / "elsewhere")
    assert {path.name for path in tmp_path.glob("elsewhere/*/snapshots/*/*")} == FILES - {"README.md"}
    assert not list(tmp_path.glob("home/hub/*"))
    assert HubCheckpoint.from_pretrained(NAME, cache_dir=tmp_path / "elsewhere", local_files_only=True)


@pytest.mark.parametrize(("token", "sent"), [("hf_mine", "Bearer hf_mine"), (None, "Bearer hf_kept"), (False, None)])
def test_the_token_is_sent(
    pushed: FakeHub, monkeypatch: pytest.MonkeyPatch, token: str | bool | None, sent: str | None
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_kept")
    HubCheckpoint.from_pretrained(NAME, token=token)
    assert pushed.authorizations() == {sent}


def test_the_revision_is_loaded_and_its_two_files_are_of_one_commit(
    pushed: FakeHub, checkpoint: Checkpoint, tiny: Tiny
) -> None:
    older = Checkpoint(tiny(dim=16), ("drums",), 8000, 800)
    HubCheckpoint.of(older).push_to_hub(NAME, branch="v1")
    commit = pushed.commit_of(NAME, "v1")
    pushed.requests.clear()
    assert_same(HubCheckpoint.from_pretrained(NAME, revision="v1"), older)
    assert pushed.paths("GET") == [f"/{NAME}/resolve/v1/model.safetensors", f"/{NAME}/resolve/{commit}/config.json"]
    assert_same(HubCheckpoint.from_pretrained(NAME, revision=commit), older)
    assert_same(HubCheckpoint.from_pretrained(NAME), checkpoint)


def test_the_metadata_count_and_not_the_copy(pushed: FakeHub) -> None:
    pushed.files[NAME, "main", "config.json"] = b'{"stems": ["a", "b"], "model": 7, "version": 1}'
    with pytest.warns(UserWarning, match=r"stems is \['a', 'b'\] there and \['vocals', 'other'\] in the metadata"):
        loaded = HubCheckpoint.from_pretrained(NAME)
    assert loaded.stems == ("vocals", "other")


def test_a_model_without_the_copy_loads(pushed: FakeHub, checkpoint: Checkpoint) -> None:
    del pushed.files[NAME, "main", "config.json"]
    assert_same(HubCheckpoint.from_pretrained(NAME), checkpoint)


# What does not arrive.


def refusal(name: str = NAME, **settings: Any) -> str:
    with pytest.raises(CheckpointError) as refused:
        HubCheckpoint.from_pretrained(name, **settings)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_model_that_is_not_there_is_named(pushed: FakeHub) -> None:
    assert refusal("someone/vocal") == (
        f"there is neither a folder someone/vocal here nor a model of that name at {pushed.address} that you may see; "
        "correct the name, or log in with `hf auth login`, or pass a token"
    )


def test_a_revision_that_is_not_there_is_named(pushed: FakeHub) -> None:
    assert refusal(revision="v9") == (
        "someone/vocals has no revision 'v9'; correct it, or leave it out for the main branch"
    )


def test_no_pickle_is_asked_for_where_there_are_no_safetensors(pushed: FakeHub) -> None:
    del pushed.files[NAME, "main", "model.safetensors"]
    pushed.files[NAME, "main", "pytorch_model.bin"] = b"\x80\x04."
    assert "someone/vocals has no model.safetensors, so that it was not saved by save_pretrained; down" in refusal()
    assert {path.rpartition("/")[2] for path in pushed.paths("HEAD")} == {"model.safetensors"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            Answer(403, {"X-Error-Code": "GatedRepo"}),
            r"the authors of someone/vocals give it to those who ask: do so at",
        ),
        (Answer(500), r"the cache has no model of that name, and http://127.* does not answer as it should \(.*500"),
        (Answer(headers={"X-Repo-Commit": ""}), r"does not answer as it should|did not arrive whole"),
        (Answer(sent=100), r"model\.safetensors of someone/vocals did not arrive whole \(.+\); check the connection"),
        (Answer(sent=0), r"model\.safetensors of someone/vocals did not arrive whole \(.+\); check the connection"),
    ],
)
def test_what_the_hub_does_not_give_is_said_with_a_remedy(
    pushed: FakeHub, tmp_path: Path, checkpoint: Checkpoint, answer: Answer, message: str
) -> None:
    pushed.instead = answer
    assert re.search(message, refusal())
    assert not [path for path in tmp_path.rglob("model.safetensors") if path.exists()]
    pushed.instead = None
    assert_same(HubCheckpoint.from_pretrained(NAME), checkpoint)


def test_what_is_in_the_cache_serves_while_the_hub_does_not(pushed: FakeHub, checkpoint: Checkpoint) -> None:
    HubCheckpoint.from_pretrained(NAME)
    pushed.instead = Answer(503)
    assert_same(HubCheckpoint.from_pretrained(NAME), checkpoint)
    assert re.search(r"did not arrive whole \(.*503.*\); check the connection", refusal(force_download=True))


def test_no_connection_is_said_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeHub() as closed:
        address = closed.address
    set_up(address, tmp_path, monkeypatch)
    assert re.fullmatch(
        rf"there is no folder {NAME}, the cache has no model of that name, and {address} does not answer as it should "
        r"\(.*refused.*\); check the connection and HF_ENDPOINT, and call again",
        refusal(),
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    huggingface_hub.close_session()
    assert refusal() == (
        f"there is no folder {NAME}, the cache has no model of that name in its revision main, and the Hub may not be "
        "asked; load it once without local_files_only and HF_HUB_OFFLINE, or give the cache_dir that has it"
    )


@pytest.mark.parametrize("name", ["a/b/c", "no name", "a--b/c"])
def test_a_name_that_none_can_have_is_refused(name: str, hub: FakeHub) -> None:
    assert re.search(
        r"there is no folder .*, and the Hub has no such names: .*; correct it to OWNER/NAME", refusal(name)
    )
    assert not hub.requests


def test_a_damaged_file_on_the_hub_is_refused(pushed: FakeHub) -> None:
    at = (NAME, "main", "model.safetensors")
    pushed.files[at] = pushed.files[at][:-8]
    assert "is no safetensors file, or is truncated" in refusal()


# The class.


def test_what_contradicts_itself_or_does_nothing_is_refused(
    hub: FakeHub, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    ours = HubCheckpoint.of(checkpoint)
    ours.save_pretrained(tmp_path / "here")
    with pytest.raises(
        ValueError, match=r"a revision is of a model on the Hub, and .*here is here; leave revision='v1' out"
    ):
        HubCheckpoint.from_pretrained(tmp_path / "here", revision="v1")
    with pytest.raises(ValueError, match="force_download=True and local_files_only=True exclude each other; leave one"):
        HubCheckpoint.from_pretrained(NAME, force_download=True, local_files_only=True)
    for save in (ours.save_pretrained, ours.push_to_hub):
        with pytest.raises(
            TypeError, match=r"config\.json is a copy of the metadata of model\.safetensors and cannot be"
        ):
            save(str(tmp_path / "there"), config={"dim": 7})
    assert not (tmp_path / "there").exists()
    assert not hub.requests


def test_model_cards_are_found_under_what_the_models_are(checkpoint: Checkpoint) -> None:
    card = HubCheckpoint.of(checkpoint).generate_model_card()
    data = card.data.to_dict()
    assert (data["library_name"], data["pipeline_tag"]) == ("hfbs", "audio-to-audio")
    assert {"hfbs", "music-source-separation", "model_hub_mixin"} <= {*data["tags"]}
    assert "license" not in data
    assert "# Music source separation: vocals, other\n" in card.text
    assert "## Licence\n\nNot stated yet." in card.text


def test_a_subclass_says_more_in_its_model_cards(hub: FakeHub, checkpoint: Checkpoint) -> None:
    class Ours(HubCheckpoint, license="cc-by-4.0", tags=["karaoke"]):
        pass

    Ours.of(checkpoint).push_to_hub(NAME)
    card = ModelCard(hub.files[NAME, "main", "README.md"].decode())
    assert card.data.to_dict()["license"] == "cc-by-4.0"
    assert {"hfbs", "karaoke"} <= {*card.data.to_dict()["tags"]}
    assert card.text.endswith("## Licence\n\ncc-by-4.0.\n")
    assert type(Ours.from_pretrained(NAME)) is Ours


def test_it_is_a_frozen_checkpoint(checkpoint: Checkpoint, tmp_path: Path) -> None:
    ours = HubCheckpoint.of(checkpoint)
    assert_same(ours, checkpoint)
    with pytest.raises(FrozenInstanceError):
        ours.stems = ("a", "b")  # pyright: ignore[reportAttributeAccessIssue]
    save_checkpoint(ours, tmp_path / "m.safetensors")
