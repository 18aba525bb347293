"""The registry of community checkpoints: what an entry may hold, and that each entry holds it."""

import inspect
import re

import pytest

from hfbs_model import (
    BandSplitRotator,
    KnownCheckpoint,
    checkpoint_by_sha256,
    find_checkpoint,
    known_checkpoints,
)
from hfbs_model._registry import parse_registry

ENTRY = """
[sources]
somewhere = "https://example.org/list.json"

[[checkpoint]]
name = "bs-some-vocals"
title = "Vocals"
author = "some"
family = "bs"
stems = ["vocals"]
url = "https://example.org/vocals.ckpt"
sha256 = "{digest}"
size = 1000
settings = {{ stft_hop_length = 441, sample_rate = 44100, skip_connection = true }}
sources = ["somewhere", "https://example.org/vocals.yaml"]
""".format(digest="0f" * 32)

BY_NAME = {checkpoint.name: checkpoint for checkpoint in known_checkpoints()}


def test_an_entry_is_read_as_it_stands():
    (read,) = parse_registry(ENTRY)
    assert read == KnownCheckpoint(
        name="bs-some-vocals",
        title="Vocals",
        author="some",
        family="bs",
        stems=("vocals",),
        url="https://example.org/vocals.ckpt",
        sha256="0f" * 32,
        size=1000,
        settings={"stems": ("vocals",), "stft_hop_length": 441, "sample_rate": 44100, "skip_connection": True},
        sources=("https://example.org/list.json", "https://example.org/vocals.yaml"),
    )


def test_what_is_absent_is_absent():
    bare = re.sub(r"(?m)^(stems|sha256|size) = .*\n", "", ENTRY)
    (read,) = parse_registry(bare)
    assert (read.stems, read.sha256, read.size, read.licence, read.config_url) == ((), None, None, None, None)
    assert "stems" not in read.settings


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        *(
            (
                'name = "bs-some-vocals"',
                f"name = '{name}'",
                "is not named in lower-case letters, digits, and single dots and dashes between them",
            )
            for name in ("../x", "a/b", "..", ".hidden", "a..b", r"a\b", "A", "con:", "x ", "-x", "ü")
        ),
        ('title = "Vocals"', 'titel = "Vocals"', "lacks title"),
        ("size = 1000", "bytes = 1000", "has unknown fields: 'bytes'"),
        ("size = 1000", "size = 0", "has a size that is no positive number of bytes: 0"),
        ("size = 1000", "size = true", "has a size that is no positive number of bytes: True"),
        ('family = "bs"', 'family = "htdemucs"', 'is of family "bs" or "mel", got \'htdemucs\''),
        ("0f0f", "0F0F", "has a sha256 that is not 64 lower-case hexadecimal digits"),
        ("0f0f", "0f", "has a sha256 that is not 64 lower-case hexadecimal digits"),
        ("https://example.org/vocals.ckpt", "http://example.org/vocals.ckpt", "has a url that is no https address"),
        ("https://example.org/vocals.ckpt", "file:///etc/passwd", "has a url that is no https address of a file"),
        ('["somewhere"', '["elsewhere"', "has a sources that is no https address of a file: 'elsewhere'"),
        ('["vocals"]', '["vocals", "vocals"]', "has stems that are no list of different names"),
        ('["vocals"]', '"vocals"', "has stems that are no list of different names"),
        ("stft_hop_length = 441", "hop_length = 441", "has a setting hop_length = 441; settings are chunk_size, "),
        ("stft_hop_length = 441", "stft_hop_length = -1", "has a setting stft_hop_length = -1; settings are"),
        ("skip_connection = true", "skip_connection = 1", "has a setting skip_connection = 1; settings are"),
        ('title = "Vocals"', 'title = "a\\u001b[2J"', "has a title that is no line of text"),
    ],
)
def test_a_wrong_entry_is_refused_by_its_name(old: str, new: str, message: str):
    assert old in ENTRY
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        parse_registry(ENTRY.replace(old, new, 1))
    assert str(caught.value).startswith("checkpoint ")
    assert "of the registry" in str(caught.value)


@pytest.mark.parametrize("attribute", ["name", "sha256"])
def test_two_entries_share_neither_name_nor_digest(attribute: str):
    second = ENTRY[ENTRY.index("[[") :]
    other = {"name": ('"bs-some-vocals"', '"bs-other"'), "sha256": ("0f0f", "1f1f")}
    del other[attribute]
    for old, new in other.values():
        second = second.replace(old, new)
    with pytest.raises(ValueError, match=rf"^two checkpoints of the registry have the {attribute} "):
        parse_registry(ENTRY + second)


def test_nothing_but_sources_and_checkpoints_is_read():
    with pytest.raises(ValueError, match=r"^a registry holds sources and checkpoint, got \['models'\]$"):
        parse_registry("models = []\n" + ENTRY)


def test_a_checkpoint_is_found_by_name_and_by_digest():
    for checkpoint in known_checkpoints():
        assert find_checkpoint(checkpoint.name) is checkpoint
        if checkpoint.sha256 is not None:
            assert checkpoint_by_sha256(checkpoint.sha256.upper()) is checkpoint
    assert checkpoint_by_sha256("0" * 64) is None
    with pytest.raises(KeyError, match=r"no checkpoint of the registry is named '\.\./x'; known_checkpoints"):
        find_checkpoint("../x")


def test_settings_are_what_the_loader_takes():
    keywords = inspect.signature(BandSplitRotator).parameters.keys() | {"stems", "chunk_size", "num_overlap"}
    for checkpoint in known_checkpoints():
        assert checkpoint.settings.keys() <= keywords
        assert checkpoint.settings.get("stems", ()) == checkpoint.stems
        assert checkpoint.settings["sample_rate"] == 44100
        assert "zero_dc" not in checkpoint.settings


def test_a_checkpoint_can_be_asked_for_but_not_changed():
    checkpoint = known_checkpoints()[0]
    with pytest.raises(TypeError):
        checkpoint.settings["stft_hop_length"] = 1  # pyright: ignore[reportIndexIssue]
    with pytest.raises(AttributeError):
        checkpoint.name = "x"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_digest_of_the_weights_comes_with_their_size():
    assert all((checkpoint.sha256 is None) == (checkpoint.size is None) for checkpoint in known_checkpoints())


@pytest.mark.parametrize(
    ("names", "hop", "chunk"),
    [
        ("bs-viperx-vocals-317 bs-viperx-vocals-368 mel-viperx-vocals-3005 mel-kim-vocals", 441, 352800),
        ("bs-viperx-other-937", 512, 131584),
        ("mel-unwa-kim-ft mel-unwa-kim-ft2 mel-unwa-kim-ft3 mel-unwa-inst-v1 mel-unwa-inst-v1e", 441, 485100),
        ("mel-unwa-bleed-suppressor mel-unwa-duality-v1 mel-unwa-duality-v2 mel-unwa-big-beta5e", 441, 485100),
        ("mel-unwa-big-beta4 mel-unwa-inst-v2 bs-unwa-revive bs-unwa-value-residual-inst mel-gabox-inst", 441, 485100),
        ("mel-unwa-big-beta6x", 441, 529200),
        ("mel-unwa-big-beta7", 441, 676935),
        ("bs-unwa-resurrection-vocals", 512, 785920),
        ("bs-unwa-resurrection-inst", 441, 749259),
        ("bs-unwa-hyperace-v1-inst bs-unwa-hyperace-v2-inst bs-unwa-hyperace-v2-vocals", 512, 960000),
        ("bs-unwa-large-inst-v2", 512, 960000),
        ("mel-becruily-vocals mel-becruily-inst mel-aufr33-karaoke mel-aufr33-denoise mel-aufr33-crowd", 441, 352800),
        ("mel-becruily-karaoke", 441, 485100),
        ("mel-becruily-deux", 441, 573300),
        ("mel-anvuew-dereverb", 441, 352800),
        ("bs-anvuew-dereverb-room", 512, 384000),
        ("bs-sw-6-stems", 512, 588800),
        ("bs-zfturbo-4-stems", 441, 485100),
        ("mel-aname-4-stems-large", 882, 661500),
        ("mel-mesk-rifforge", 441, 733824),
        ("bs-mvsep-mega-53", 512, 882000),
        ("bs-anvuew-dereverb-384", 512, 352768),
    ],
)
def test_hop_and_chunk_are_those_of_the_published_configurations(names: str, hop: int, chunk: int):
    for name in names.split():
        settings = BY_NAME[name].settings
        assert (settings["stft_hop_length"], settings["chunk_size"]) == (hop, chunk), name


def test_the_window_is_2048_but_for_the_models_with_a_longer_transform():
    for checkpoint in known_checkpoints():
        longer = checkpoint.name.startswith("mel-aname-4-stems")
        assert checkpoint.settings.get("stft_win_length", 2048) == (4096 if longer else 2048), checkpoint.name
        assert checkpoint.settings.get("skip_connection", False) is longer, checkpoint.name


def test_stems_stand_in_the_order_of_the_models_outputs():
    assert find_checkpoint("bs-sw-6-stems").stems == ("bass", "drums", "other", "vocals", "guitar", "piano")
    assert find_checkpoint("bs-zfturbo-4-stems").stems == ("drums", "bass", "other", "vocals")
    mega = find_checkpoint("bs-mvsep-mega-53").stems
    assert (len(mega), mega[0], mega[-1], list(mega) == sorted(mega)) == (53, "accordion", "woodwind", True)


def test_variants_are_named_as_their_entry_points():
    known = {"hyper-connections", "value-residual", "biased-attention", "msst-residuals", "conformer"}
    known |= {"hyperace", "axial-refiner", "fno"}
    used = {variant for checkpoint in known_checkpoints() for variant in checkpoint.variants}
    assert used <= known
    assert used == {"value-residual", "hyperace", "axial-refiner", "fno"}
