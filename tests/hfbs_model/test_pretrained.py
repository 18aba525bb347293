"""A folder holds all that a checkpoint is, says so to people, and is told from one that does not."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from hfbs_filterbanks import BandLayout
from hfbs_model import BandSplitRotator, Checkpoint, CheckpointError, ConfigError
from hfbs_model.bs_roformer import BSRoformer
from hfbs_model.mel_band_roformer import MelBandRoformer

from .conftest import TINY, Tiny, overlapping_layouts

FILES = {"model.safetensors", "config.json", "README.md"}

pytestmark = pytest.mark.usefixtures("as_users_run")


def around(model: BandSplitRotator, *stems: str) -> Checkpoint:
    names = stems or tuple(f"stem {number}" for number in range(model.num_stems))
    return Checkpoint(model.eval(), names, 32000, 4000, 3, provenance={"made by": "a test"}, residual="rest")


@pytest.fixture
def saved(tiny: Tiny, tmp_path: Path) -> Path:
    around(tiny(num_stems=2), "vocals", "other").save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def assert_same(loaded: Checkpoint, saved: Checkpoint) -> None:
    for name in ("stems", "residual", "sample_rate", "chunk_size", "num_overlap", "provenance"):
        assert getattr(loaded, name) == getattr(saved, name)
    assert loaded.model.layout == saved.model.layout
    mixture = torch.randn(1, saved.model.audio_channels, 4 * saved.model.stft_settings.n_fft)
    with torch.no_grad():
        assert torch.equal(loaded.model(mixture), saved.model(mixture))


SMALL: dict[str, Any] = {name: TINY[name] for name in ("dim", "depth", "heads", "dim_head", "mlp_expansion_factor")}
SMALL |= {"freq_transformer_depth": 1, "time_transformer_depth": 1, "mask_estimator_depth": 2}


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(lambda tiny: tiny(stereo=True, num_stems=4), id="side by side"),
        pytest.param(lambda tiny: tiny(mask_filter_bank=np.tri(33, dtype=bool)[[9, 20, 32]]), id="overlapping"),
        pytest.param(lambda tiny: BSRoformer(**SMALL, stereo=True, num_stems=2), id="MSST's BS"),
        pytest.param(lambda tiny: MelBandRoformer(**SMALL, stereo=True, num_stems=2), id="MSST's mel"),
        pytest.param(
            lambda tiny: tiny(linear_transformer_depth=1, skip_connection=True, depth=2), id="linear attention"
        ),
        pytest.param(lambda tiny: tiny(use_pope=True, zero_dc=False), id="PoPE"),
        pytest.param(lambda tiny: tiny(use_value_residual_learning=True, depth=2), id="value residual"),
        pytest.param(lambda tiny: tiny(norm_output=True, final_norm=True, ff_mult=2.5), id="both norms"),
    ],
)
def test_each_family_comes_back_from_its_folder(model: Any, tiny: Tiny, tmp_path: Path) -> None:
    checkpoint = around(model(tiny))
    checkpoint.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert_same(Checkpoint.from_pretrained(tmp_path), checkpoint)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    layout=overlapping_layouts(),
    stereo=st.booleans(),
    stems=st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9), min_size=1, max_size=3, unique=True
    ),
    depth=st.integers(1, 2),
    provenance=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
)
def test_any_architecture_and_any_names_come_back(
    tiny: Tiny,
    tmp_path: Path,
    layout: BandLayout,
    stereo: bool,
    stems: list[str],
    depth: int,
    provenance: dict[str, str],
) -> None:
    model = tiny(mask_filter_bank=layout, stereo=stereo, num_stems=len(stems), depth=depth)
    checkpoint = Checkpoint(model, tuple(stems), 8000, 999, 1, provenance=provenance)
    checkpoint.save_pretrained(str(tmp_path))
    assert_same(Checkpoint.from_pretrained(str(tmp_path)), checkpoint)


def test_the_configuration_to_read_is_that_of_the_file(saved: Path) -> None:
    with safe_open(saved / "model.safetensors", framework="pt") as file:
        metadata = file.metadata()
    text = (saved / "config.json").read_text(encoding="utf-8")
    assert json.loads(text) == json.loads(metadata["hfbs"])
    assert '\n  "sample_rate": 32000,\n' in text


def test_folders_above_are_made_and_files_of_these_names_replaced(tiny: Tiny, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    around(tiny(), "first").save_pretrained(folder)
    around(tiny(dim=16), "second").save_pretrained(folder)
    assert Checkpoint.from_pretrained(folder).stems == ("second",)
    assert {path.name for path in folder.iterdir()} == FILES


def test_a_checkpoint_is_saved_to_where_it_was_loaded_from(saved: Path) -> None:
    loaded = Checkpoint.from_pretrained(saved)
    expected = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    loaded.save_pretrained(saved)
    for checkpoint in (loaded, Checkpoint.from_pretrained(saved)):
        assert all(torch.equal(tensor, expected[name]) for name, tensor in checkpoint.model.state_dict().items())


@pytest.mark.parametrize("name", ["_format.save_file", "_pretrained.json.dumps"])
def test_what_fails_midway_leaves_whole_files(
    saved: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*arguments: Any, **keywords: Any) -> None:
        for path in (argument for argument in arguments if isinstance(argument, Path)):
            path.write_bytes(b"half of i")
        raise OSError(28, "No space left on device")

    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    loaded = Checkpoint.from_pretrained(saved)
    monkeypatch.setattr(f"hfbs_model._checkpoints.{name}", fail)
    with pytest.raises(OSError, match="No space left"):
        loaded.save_pretrained(saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_the_loaded_one_is_of_the_class_that_loads(saved: Path) -> None:
    @dataclass(frozen=True)
    class Ours(Checkpoint):
        nickname: str = "none"

    loaded = Ours.from_pretrained(saved)
    assert isinstance(loaded, Ours)
    assert loaded.nickname == "none"


def test_settings_go_before_the_file(saved: Path) -> None:
    loaded = Checkpoint.from_pretrained(saved, zero_dc=False, chunk_size=777)
    assert (loaded.model.zero_dc, loaded.chunk_size) == (False, 777)
    with pytest.raises(TypeError, match="zero_bc"):
        Checkpoint.from_pretrained(saved, zero_bc=True)


def test_weights_of_others_load_with_what_they_do_not_tell(tiny: Tiny, tmp_path: Path) -> None:
    model = tiny()
    save_file({name: tensor.clone() for name, tensor in model.state_dict().items()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"architectures": ["SomebodysModel"]}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"do not tell: .*stft_hop_length"):
        Checkpoint.from_pretrained(tmp_path)
    said = {"stft_hop_length": 16, "stft_win_length": 64, "zero_dc": True, "skip_connection": False}
    loaded = Checkpoint.from_pretrained(tmp_path, **said, stems="drums", sample_rate=8000, chunk_size=800)
    assert_same(loaded, Checkpoint(model, ("drums",), 8000, 800))


# The copy of the configuration.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda copy: copy | {"chunk_size": 5}, "chunk_size is 5 there and 4000 in the metadata"),
        (lambda copy: copy | {"stems": ["a", "b"]}, r"stems is \['a', 'b'\] there and \['vocals', 'other'\] in the"),
        (lambda copy: copy | {"model": copy["model"] | {"zero_dc": False}}, "model.zero_dc is False there and True in"),
        (lambda copy: copy | {"zero_dc": False}, "zero_dc is False there and missing in the metadata"),
        (lambda copy: {"version": 1}, "model is missing there and {.* in the metadata.*; and 3 more"),
        (lambda copy: {}, "version is missing there and 1 in the metadata.*; and 4 more"),
        (lambda copy: [copy], "the whole is .* there"),
        (lambda copy: '{"version": 1', "is no readable JSON"),
        (lambda copy: "[" * 200_000, "is no readable JSON"),
        (lambda copy: b"\xff\xfe\x00", "is no readable JSON"),
    ],
)
def test_a_copy_that_says_otherwise_is_warned_of_and_does_not_count(saved: Path, change: Any, message: str) -> None:
    path = saved / "config.json"
    changed = change(json.loads(path.read_text(encoding="utf-8")))
    text = changed if isinstance(changed, str | bytes) else json.dumps(changed)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.warns(UserWarning, match=message) as warned:
        loaded = Checkpoint.from_pretrained(saved)
    (note,) = loaded.report.notes
    assert str(warned[0].message) == note
    assert note.startswith(str(path))
    assert note.endswith("to change a setting, pass its keyword")
    assert "\n" not in note
    assert len(note) < 1500
    assert (loaded.chunk_size, loaded.stems, loaded.model.zero_dc) == (4000, ("vocals", "other"), True)


def test_the_warning_points_to_the_line_that_loads(saved: Path) -> None:
    (saved / "config.json").write_text("{}", encoding="utf-8")
    code = "from hfbs_model import Checkpoint\n\nCheckpoint.from_pretrained('saved')"
    run = subprocess.run([sys.executable, "-c", code], cwd=saved.parent, check=True, capture_output=True, text=True)
    assert run.stderr.startswith("<string>:3: UserWarning: ")


def test_a_copy_that_cannot_be_opened_is_warned_of(saved: Path) -> None:
    (saved / "config.json").unlink()
    assert not Checkpoint.from_pretrained(saved).report.notes
    (saved / "config.json").mkdir()
    with pytest.warns(UserWarning, match=r"config\.json is no readable JSON .*[Dd]irectory"):
        Checkpoint.from_pretrained(saved)


# The model card.


def test_the_card_says_what_the_model_is_and_leaves_the_licence_to_its_author(saved: Path) -> None:
    card = (saved / "README.md").read_text(encoding="utf-8")
    for expected in (
        "---\nlibrary_name: hfbs\npipeline_tag: audio-to-audio\ntags:\n- hfbs\n",
        "# license: to be filled in by the author\n---\n",
        "# Music source separation: vocals, other\n",
        "| residual | rest: the mixture less the stems |",
        "| audio | mono, 32000 Hz |",
        "dim 8, depth 1, 2 heads of 4, RoPE |",
        "| bands | 4 (side by side) over 33 bins |",
        "| STFT | 64 samples, hop 16, window 64 |",
        "| chunk | 4000 samples (0.12 s), each sample in 3 of them |",
        "| made by | a test |",
        'Checkpoint.from_pretrained("OWNER/NAME")',
        "## Licence\n\nNot stated yet. Author of these weights: please fill it in here, and as `license:`",
    ):
        assert expected in card


def test_a_card_that_is_there_stays(saved: Path) -> None:
    (saved / "README.md").write_text("mine, MIT", encoding="utf-8")
    Checkpoint.from_pretrained(saved).save_pretrained(saved)
    assert (saved / "README.md").read_text(encoding="utf-8") == "mine, MIT"


def test_names_do_not_lay_out_the_card(tiny: Tiny, tmp_path: Path) -> None:
    around(tiny(), "a | b\n---\n# <img>[x](y) `c`").save_pretrained(tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert r"| stems | a \| b --- # \<img\>\[x\](y) \`c\` |" in card
    assert card.count("---\n") == 2  # around the Hub's metadata


# Folders that are none.


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none", r"there is no folder .*none; correct the path, or, for .* Hub, give its name as OWNER/NAME"),
        (
            "file.ckpt",
            r"file\.ckpt is a file, and a folder with model\.safetensors was expected; load a file with load_ch",
        ),
        ("empty", r"the folder .*empty holds no model\.safetensors, which save_pretrained writes; is this the right"),
        ("other", r"the folder .*other holds no model\.safetensors, .*; load 'ep_10\.ckpt' with load_checkpoint"),
        ("within", r"the folder .*within holds no model\.safetensors"),
    ],
)
def test_a_folder_that_holds_no_checkpoint_is_refused(tmp_path: Path, path: str, message: str) -> None:
    for folder in ("empty", "other", "within/model.safetensors"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("file.ckpt", "other/ep_10.ckpt", "other/notes.txt"):
        (tmp_path / file).write_bytes(b"not read")
    with pytest.raises(CheckpointError, match=message) as refusal:
        Checkpoint.from_pretrained(tmp_path / path)
    assert "\n" not in str(refusal.value)


def test_a_damaged_file_in_a_folder_is_refused(saved: Path) -> None:
    whole = (saved / "model.safetensors").read_bytes()
    (saved / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is no safetensors file, or is truncated .*again"):
        Checkpoint.from_pretrained(saved)


@pytest.mark.parametrize("where", ["taken", "taken/below"])
def test_a_file_in_the_folders_place_is_named(tiny: Tiny, tmp_path: Path, where: str) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"saved into a folder, and .*taken.* is a file; name another folder, or write"
    ):
        around(tiny()).save_pretrained(tmp_path / where)
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "a file"


# Without the extra.

WITHOUT = """
import sys
sys.modules["huggingface_hub"] = None
from hfbs_model import Checkpoint
print(Checkpoint.from_pretrained("saved").stems)
for attempt in (lambda: Checkpoint.from_pretrained("some/model"), lambda: __import__("hfbs_model.hub")):
    try:
        attempt()
    except ImportError as error:
        print(error)
"""


def test_neither_the_package_nor_folders_need_the_extra_and_names_on_the_hub_say_which(saved: Path) -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT], cwd=saved.parent, check=True, capture_output=True, text=True)
    stems, by_name, by_import = run.stdout.splitlines()
    assert stems == "('vocals', 'other')"
    assert by_name.startswith(
        "there is no folder some/model, and to look for it on the Hugging Face Hub, hfbs_model.hub"
    )
    for refusal in (by_name, by_import):
        assert refusal.endswith(
            'needs huggingface_hub, which is not installed. Install it with: pip install "hfbs-model[hub]"'
        )
