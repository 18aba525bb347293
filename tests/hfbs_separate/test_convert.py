"""What is converted and converted back has the same tensors and settings, and nothing is lost on the way."""

import hashlib
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors import safe_open

from hfbs_model import Checkpoint, load_checkpoint
from hfbs_separate.cli import main

Convert = Callable[..., Result]


@pytest.fixture
def convert(tiny_checkpoint: tuple[Path, Path]) -> Convert:
    """Run ``hfbs convert``, of the tiny checkpoint with its YAML where no other file is named first."""

    def run(*words: object, old: Path | None = None) -> Result:
        source = [tiny_checkpoint[0], "--config", tiny_checkpoint[1]] if old is None else [old]
        return CliRunner().invoke(main, ["convert", *map(str, (*source, *words))], prog_name="hfbs")

    return run


def refusal(result: Result) -> str:
    """The one line of a refused call."""
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1), result.output
    return result.stderr.removeprefix("hfbs: error: ").removesuffix("\n")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assert_same(one: Checkpoint, other: Checkpoint) -> None:
    for attribute in ("stems", "residual", "sample_rate", "chunk_size", "num_overlap"):
        assert getattr(one, attribute) == getattr(other, attribute), attribute
    weights = other.model.state_dict()
    assert one.model.state_dict().keys() == weights.keys()
    for name, tensor in one.model.state_dict().items():
        assert torch.equal(tensor, weights[name]), name
    for name in one.model.keywords.keys() - {"norm_output", "final_norm", "dim_freqs_in", "stft_window_fn"}:
        assert one.model.keywords[name] == other.model.keywords[name], name


def test_there_and_back_again_gives_the_same_tensors_and_settings(
    convert: Convert, tiny_checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "new.safetensors", tmp_path / "back.ckpt"
    result = convert(ours)
    assert (result.exit_code, result.stdout) == (0, f"{ours}\n"), result.output
    result = convert(theirs, old=ours)
    assert (result.exit_code, result.stdout) == (0, f"{theirs}\n{theirs.with_suffix('.yaml')}\n"), result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back.ckpt", "back.yaml", "new.safetensors"]

    first = load_checkpoint(*tiny_checkpoint)
    assert_same(load_checkpoint(ours), first)
    assert_same(load_checkpoint(theirs, theirs.with_suffix(".yaml")), first)


def test_our_files_say_what_they_are_made_of(
    convert: Convert, tiny_checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    one, two, three = (tmp_path / f"{name}.safetensors" for name in ("one", "two", "three"))
    convert(one)
    made = {
        "file": "tiny.ckpt",
        "sha256": digest(tiny_checkpoint[0]),
        "config": "tiny.yaml",
        "hfbs-model": version("hfbs-model"),
    }
    assert load_checkpoint(one).provenance == made
    convert(two, old=one)
    convert(three, "--half", old=two)
    assert load_checkpoint(three).provenance == {
        "file": "two.safetensors",
        "sha256": digest(two),
        "hfbs-model": version("hfbs-model"),
    } | {f"origin.{key}": value for key, value in made.items()}


def test_half_precision_halves_the_file_and_keeps_positions_exact(convert: Convert, tmp_path: Path) -> None:
    single, half = tmp_path / "single.safetensors", tmp_path / "half.safetensors"
    convert(single)
    assert convert(half, "--half").exit_code == 0
    with safe_open(half, framework="pt") as file:
        types = {name: file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118
        metadata = json.loads(file.metadata()["hfbs"])
    exact = {name for name, dtype in types.items() if dtype == torch.float32}
    assert exact
    assert all(name.endswith("rotary_embed.freqs") for name in exact)
    assert {types[name] for name in types.keys() - exact} == {torch.float16}
    assert metadata["stems"] == ["vocals", "other"]
    weights, rounded = (load_checkpoint(path).model.state_dict() for path in (single, half))
    for name, tensor in weights.items():
        torch.testing.assert_close(rounded[name], tensor, rtol=1e-3, atol=1e-4)


def test_settings_and_adapters_go_into_the_new_file(
    convert: Convert, tiny_checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    layer = "layers.0.1.layers.0.0.to_qkv"
    down, up = torch.randn(2, 16), torch.randn(48, 2)
    torch.save({f"{layer}.lora_A": down, f"{layer}.lora_B": up}, tmp_path / "lora.pt")
    new = tmp_path / "new.safetensors"
    result = convert(new, "--set", "chunk_size=5555", "--lora", tmp_path / "lora.pt", "--set", "lora_alpha=4")
    assert result.exit_code == 0, result.output
    loaded, first = load_checkpoint(new), load_checkpoint(*tiny_checkpoint)
    assert loaded.chunk_size == 5555
    assert loaded.provenance["lora_sha256"] == digest(tmp_path / "lora.pt")
    expected = first.model.state_dict()[f"{layer}.weight"] + 2 * up @ down
    torch.testing.assert_close(loaded.model.state_dict()[f"{layer}.weight"], expected)


def test_the_residual_is_set_kept_and_unset(convert: Convert, tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{number}.safetensors" for number in range(3))
    assert convert(first, "--set", "residual=instrumental").exit_code == 0
    assert convert(second, old=first).exit_code == 0
    assert convert(third, "--set", "residual=null", old=second).exit_code == 0
    assert [load_checkpoint(path).residual for path in (second, third)] == ["instrumental", None]
    named_twice = refusal(convert(tmp_path / "no.safetensors", "--set", "residual=vocals"))
    assert "residual is a name beside those of the stems (vocals, other), got 'vocals'" in named_twice


@pytest.mark.parametrize("name", ["new.safetensors", "new.ckpt", "new.yaml"])
def test_nothing_is_overwritten_unless_forced(convert: Convert, tmp_path: Path, name: str) -> None:
    there = tmp_path / name
    new = tmp_path / ("new.safetensors" if there.suffix == ".safetensors" else "new.ckpt")
    there.write_text("precious")
    assert refusal(convert(new)) == f"{there} exists: add --force to overwrite it, or name another place"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]
    assert convert(new, "--force").exit_code == 0
    assert load_checkpoint(new, None if new.suffix == ".safetensors" else tmp_path / "new.yaml")


def test_a_file_that_is_read_is_never_overwritten(convert: Convert, tmp_path: Path) -> None:
    ours = tmp_path / "ours.safetensors"
    convert(ours)
    before = ours.read_bytes()
    message = refusal(convert(ours, "--half", "--force", old=ours))
    assert message == f"{ours} is read for this conversion, and would be overwritten: name another place"
    assert ours.read_bytes() == before


def test_an_own_configuration_beside_the_new_weights_is_not_overwritten(
    convert: Convert, tiny_checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_bytes(tiny_checkpoint[1].read_bytes())
    new = tmp_path / "tiny.ckpt"
    message = refusal(convert(new, "--config", tmp_path / "tiny.yaml", "--force", old=tiny_checkpoint[0]))
    assert (
        message == f"{tmp_path / 'tiny.yaml'} is read for this conversion, and would be overwritten: name another place"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["new.onnx"], "MSST's checkpoints end with .ckpt, .pt, .pth, .th, got 'new.onnx'; name it new.ckpt, or "),
        (["new.ckpt", "--half"], "--half is for .safetensors, got new.ckpt: leave it out, or name new.safetensors"),
        (["new.ckpt", "--set", "zero_dc=7"], "the setting zero_dc is true or false, got 7"),
        (["new.ckpt", "--set", "ff_mult=2"], "ff_mult: the weights say 4.0, the arguments say 2"),
        (["none/new.ckpt"], "there is no folder none: create it, or name another place"),
    ],
)
def test_what_cannot_be_converted_is_refused_in_one_line_with_nothing_left(
    convert: Convert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refusal(convert(*words))
    assert list(tmp_path.iterdir()) == []


def test_what_msst_cannot_express_names_the_keyword(convert: Convert, tmp_path: Path) -> None:
    message = refusal(convert(tmp_path / "new.ckpt", "--set", "scale=0.5"))
    assert message == "MSST's classes cannot express scale=0.5, only None; save it as .safetensors instead"
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(
    convert: Convert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for new in (tmp_path / "new.safetensors", tmp_path / "new.ckpt"):
        assert refusal(convert(new)) == f"{new} cannot be written: No space left on device"
    assert list(tmp_path.iterdir()) == []


def test_notes_of_the_loader_are_warnings(convert: Convert, tiny_checkpoint: tuple[Path, Path], tmp_path: Path) -> None:
    weights = torch.load(tiny_checkpoint[0], weights_only=True)
    torch.save({name: tensor.half() for name, tensor in weights.items()}, tmp_path / "half.ckpt")
    result = convert(tmp_path / "new.safetensors", "--config", tiny_checkpoint[1], old=tmp_path / "half.ckpt")
    assert result.exit_code == 0
    assert "hfbs: warning: the file holds half precision; the model computes in float32\n" in result.stderr
