"""MSST's YAML is read with its tuples, and nothing in it is constructed or blown up."""

import re
from pathlib import Path

import pytest

from hfbs_model import ConfigError
from hfbs_model._checkpoints._config import Config, read_config

GOOD = """\
audio:
  chunk_size: 352800
  sample_rate: 44100
model:
  dim: 384
  freqs_per_bands: !!python/tuple
    - 2
    - 4
  multi_stft_resolutions_window_sizes: !!python/tuple [4096, 2048]
  ff_dropout: 0
training:
  instruments: !!python/tuple [vocals, other]
  target_instrument: null
inference:
  num_overlap: 4
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.yaml"


def read(path: Path, text: str) -> Config:
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def refused(path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as refusal:
        read(path, text)
    message = str(refusal.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def test_reads_mssts_yaml(path: Path) -> None:
    model = {
        "dim": 384,
        "freqs_per_bands": (2, 4),
        "multi_stft_resolutions_window_sizes": (4096, 2048),
        "ff_dropout": 0,
    }
    settings = {"stems": ("vocals", "other"), "sample_rate": 44100, "chunk_size": 352800, "num_overlap": 4}
    assert read(path, GOOD) == Config(model, settings, unused=(), notes=())


def test_what_is_left_out_is_left_open(path: Path) -> None:
    bare = GOOD[GOOD.index("model") : GOOD.index("training")]
    assert read(path, bare).settings == {}


def test_other_keys_are_listed_and_normalisation_is_noted(path: Path) -> None:
    config = read(path, GOOD + "  normalize: true\naugmentations:\n  enable: true\nseed: 3\n")
    assert config.unused == ("inference.normalize", "augmentations.enable", "seed")
    assert "inference.normalize is not applied" in config.notes[0]


@pytest.mark.parametrize("target", ["null", "''"])
def test_without_a_target_the_instruments_are_the_stems(path: Path, target: str) -> None:
    text = GOOD.replace("target_instrument: null", f"target_instrument: {target}")
    assert read(path, text).settings["stems"] == ("vocals", "other")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("audio:", "audio: [1]\nrest:", r"section 'audio' of .*m.yaml is a mapping, got \[1\]"),
        ("model:", "network:", "m.yaml has no section 'model', which gives the architecture"),
        ("352800", "'352800'", "audio.chunk_size of .* is a whole number, at least 1, got '352800'"),
        ("352800", "0", "audio.chunk_size of .* is a whole number, at least 1, got 0"),
        ("352800", "true", "audio.chunk_size of .* is a whole number, at least 1, got True"),
        ("44100", "44100.5", "audio.sample_rate of .* is a whole number, at least 1, got 44100.5"),
        ("num_overlap: 4", "num_overlap: -1", "inference.num_overlap of .* at least 1, got -1"),
        ("instruments: !!python/tuple [vocals, other]", "instruments: []", "names no stems: set training.target_instr"),
        (
            "instruments: !!python/tuple [vocals, other]",
            "instruments: vocals",
            "names no stems: set training.target_in",
        ),
        ("[vocals, other]", "[vocals, no]", r"training.instruments of .* holds names, got False; quote it"),
        ("[vocals, other]", "[vocals, [a]]", r"training.instruments of .* holds names, got \['a'\]"),
        ("[vocals, other]", "[vocals, vocals]", r"training.instruments of .* are different names, got 'vocals' twice"),
        (
            "target_instrument: null",
            "target_instrument: [a]",
            r"training.target_instrument of .* holds names, got \['a'\]",
        ),
    ],
)
def test_refuses_what_is_meaningless(path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    assert re.search(message, refused(path, GOOD.replace(old, new)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty or no mapping; a configuration has sections, such as model and audio"),
        ("- 1\n- 2\n", "is empty or no mapping"),
        ("words", "is empty or no mapping"),
        ("a: [1", r"is no YAML: .* \(line \d\)"),
        ("a: b: c", r"is no YAML: mapping values are not allowed here \(line 1\)"),
        ("a: &x 1\nb: *y", r"is no YAML: found undefined alias .* \(line 2\)"),
        ("a: !!python/tuple 5", r"is refused: a tuple is a sequence \(line 1\)"),
        ("{[1]: 2}", r"is refused: found unhashable key"),
        ("a: \x07", "is no YAML"),
        ("[" * 1_000, "is no YAML: it nests too deeply"),
        ("a: " + "{b: " * 1_000, "is no YAML: it nests too deeply"),
    ],
)
def test_refuses_what_is_no_yaml(path: Path, text: str, message: str) -> None:
    assert re.search(message, refused(path, text))


def test_refuses_a_binary_file(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04\xff\xfe\x80\x00")
    with pytest.raises(ConfigError, match="is no text in UTF-8, so no YAML; is this the checkpoint"):
        read_config(path)


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:pathlib.Path.touch [{proof}]",
        "!!python/object/new:pathlib.Path [{proof}]",
        "!!python/object:pathlib.Path {{}}",
        "!!python/name:os.system ''",
        "!!python/module:os ''",
        "!!python/tuple [!!python/object/apply:os.mkdir [{proof}]]",
        "!custom 5",
    ],
)
def test_a_tag_that_constructs_is_refused_and_nothing_is_constructed(path: Path, tmp_path: Path, tag: str) -> None:
    proof = tmp_path / "it ran"
    message = refused(path, GOOD + f"more: {tag.format(proof=proof)}\n")
    assert re.search(r"is refused: .* \(line 16\); only plain values and !!python/tuple are read", message)
    assert not proof.exists()


BOMB = "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9) if level else 'boom'}]\n" for level in range(12)
)


@pytest.mark.parametrize("where", ["chunk_size: 352800", "dim: 384", "instruments: !!python/tuple [vocals, other]"])
def test_a_bomb_of_anchors_is_not_blown_up(path: Path, where: str) -> None:
    """Nine lists of nine lists of … twelve times over: 3 · 10¹¹ words, if anything writes them out."""
    name = where.split(":")[0]
    message = refused(path, BOMB + GOOD.replace(where, f"{name}: *a11"))
    assert "is refused: written out, its references stand for more than 200000 values" in message


def test_a_bomb_of_merged_mappings_is_not_blown_up(path: Path) -> None:
    merges = "".join(
        f"a{level}: &a{level} {{{f'<<: [{", ".join([f"*a{level - 1}"] * 9)}]' if level else 'k: v'}}}\n"
        for level in range(12)
    )
    assert "its references stand for more than 200000 values" in refused(path, merges + GOOD)


def test_references_that_stand_for_little_are_read(path: Path) -> None:
    text = GOOD.replace("[vocals, other]", "&stems [vocals, other]") + "more: *stems\n"
    assert read(path, text).settings["stems"] == ("vocals", "other")


def test_a_value_within_itself_is_refused(path: Path) -> None:
    assert "is refused: written out" in refused(path, GOOD.replace("352800", "&a [*a]"))


def test_a_file_too_long_for_a_configuration_is_refused(path: Path) -> None:
    assert "is refused: it is longer than 262144 bytes" in refused(path, GOOD + "#" * 300_000)
