"""Files made to harm: each is refused in one line, with little memory and nothing run."""

import json
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hfbs_model import (
    BandSplitRotator,
    Checkpoint,
    CheckpointError,
    ConfigError,
    inspect_checkpoint,
    load_checkpoint,
    save_checkpoint,
)

from .conftest import TINY

pytestmark = pytest.mark.usefixtures("as_users_run")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small checkpoint in both formats."""
    folder = tmp_path_factory.mktemp("good")
    model = BandSplitRotator(**TINY).eval()
    save_checkpoint(Checkpoint(model, ("a",), 44100, 4000), folder / "m.safetensors")
    torch.save({"state_dict": model.state_dict()}, folder / "m.ckpt")
    return {suffix: (folder / f"m.{suffix}").read_bytes() for suffix in ("ckpt", "safetensors")}


class Deed:
    """Creates a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def pickle_that_runs_code(folder: Path) -> Path:
    torch.save({"state_dict": {"band_split.to_features.0.0.gamma": Deed(folder / "it ran")}}, folder / "m.ckpt")
    return folder / "m.ckpt"


def safetensors_of(header: bytes, folder: Path, *, length: int | None = None, data: bytes = b"\0" * 64) -> Path:
    path = folder / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + data)
    return path


def header_of_ten_gigabytes(folder: Path) -> Path:
    return safetensors_of(b"{}", folder, length=10 * 2**30)


def sparse_header_of_ten_gigabytes(folder: Path) -> Path:
    path = safetensors_of(b"{}", folder, length=10 * 2**30)
    with path.open("r+b") as file:
        file.truncate(11 * 2**30)
    return path


def overlapping_offsets(folder: Path) -> Path:
    tensor = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    return safetensors_of(json.dumps({"a": tensor, "b": tensor | {"data_offsets": [8, 24]}}).encode(), folder)


def offsets_beyond_the_file(folder: Path) -> Path:
    tensor = {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}
    return safetensors_of(json.dumps({"a": tensor}).encode(), folder)


def shape_that_overflows(folder: Path) -> Path:
    tensor = {"dtype": "F32", "shape": [2**33, 2**33], "data_offsets": [0, 64]}
    return safetensors_of(json.dumps({"a": tensor}).encode(), folder)


def nested_header(folder: Path) -> Path:
    return safetensors_of(b'{"a":' * 100_000, folder)


def compressed_zip_bomb(folder: Path) -> Path:
    path = folder / "m.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        with archive.open("archive/data.pkl", "w", force_zip64=True) as file:
            for _ in range(64):
                file.write(b"\0" * 2**20)
        archive.writestr("archive/version", "3\n")
    return path


def pickle_of_a_huge_tensor(folder: Path) -> Path:
    """A real archive, in which a tensor claims to be larger than its storage."""
    path = folder / "m.ckpt"
    torch.save({"state_dict": {"band_split.to_features.0.0.gamma": torch.zeros(3)}}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            # The shape's K\x03 becomes a four-byte integer: two thousand million elements.
            huge = content.replace(b"K\x00K\x03\x85", b"K\x00J\xff\xff\xff\x7f\x85")
            archive.writestr(name, huge if name.endswith("data.pkl") else content)
    return path


def huge_tensor_in_torchs_old_format(folder: Path) -> Path:
    """Its storage claims two thousand million elements."""
    path = folder / "m.ckpt"
    state = {"state_dict": {"band_split.to_features.0.0.gamma": torch.zeros(3)}}
    torch.save(state, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"K\x03", b"J\xff\xff\xff\x7f"))
    return path


def with_more(folder: Path, **more: Any) -> Path:
    torch.save(BandSplitRotator(**TINY).state_dict() | more, folder / "m.ckpt")
    return folder / "m.ckpt"


def number_far_beyond_the_layers(folder: Path) -> Path:
    return with_more(folder, **{"layers.300000.0.norm.gamma": torch.zeros(1)})


def number_far_beyond_the_stems(folder: Path) -> Path:
    return with_more(folder, **{"mask_estimators.2000000000.x": torch.zeros(1)})


def number_far_beyond_the_blocks(folder: Path) -> Path:
    return with_more(folder, **{"layers.0.1.layers.300000.0.norm.gamma": torch.zeros(1)})


def one_number_that_claims_to_be_many(folder: Path) -> Path:
    return with_more(folder, **{"band_split.to_features.0.0.gamma": torch.ones(1).expand(2 * (2**34 + 1))})


def sizes_that_no_memory_holds(folder: Path) -> Path:
    """Biases alone are short, and the products between them would not be."""
    biases = ("band_split.to_features.0.1.bias", "mask_estimators.0.to_freqs.0.0.0.bias")
    return with_more(folder, **dict.fromkeys(biases, torch.zeros(8_000_000, dtype=torch.int8)))


def pickle_bomb_of_strings(folder: Path) -> Path:
    path = folder / "m.ckpt"
    path.write_bytes(pickle.dumps([["x" * 1000] * 1000] * 1000, protocol=2))
    return path


HOSTILE: list[tuple[Callable[[Path], Path], str]] = [
    (pickle_that_runs_code, "is refused: its pickle holds more than tensors .* reading that would run code; ask"),
    (header_of_ten_gigabytes, "is truncated: its header would be 10737418240 bytes long in a file of 74 bytes"),
    (sparse_header_of_ten_gigabytes, "its header would be 10737418240 bytes long in a file of 11811160064 bytes"),
    (overlapping_offsets, "is no safetensors file, or is truncated .*; download it again"),
    (offsets_beyond_the_file, "is no safetensors file, or is truncated .*; download it again"),
    (shape_that_overflows, "is no safetensors file, or is truncated .*; download it again"),
    (nested_header, "is no safetensors file, or is truncated .*; download it again"),
    (compressed_zip_bomb, "is refused: it holds compressed data .67108864 bytes in .*, which PyTorch never writes"),
    (pickle_of_a_huge_tensor, "is damaged or truncated; download it again"),
    (huge_tensor_in_torchs_old_format, "is damaged or truncated; download it again"),
    (number_far_beyond_the_layers, r"layers\.300000\.0\.norm\.gamma is numbered beyond a gap: there is no layers\.1;"),
    (number_far_beyond_the_stems, r"mask_estimators\.2000000000\.x is .* no mask_estimators\.1; the file is damaged"),
    (number_far_beyond_the_blocks, r"layers\.0\.1\.layers\.300000\..* is .* there is no layers\.0\.1\.layers\.1;"),
    (one_number_that_claims_to_be_many, "is refused: .*gamma would be 137438953480 bytes long, of which it holds 4;"),
    (sizes_that_no_memory_holds, "says of itself sizes that no memory holds"),
    (pickle_bomb_of_strings, "holds no state dict|is damaged"),
]
UNTOLD: dict[str, Any] = {
    "stft_hop_length": 16,
    "stft_win_length": 64,
    "zero_dc": False,
    "skip_connection": False,
    "stems": "a",
    "sample_rate": 44100,
    "chunk_size": 4000,
}
LOAD = """
import json, resource, sys, time
from hfbs_model import CheckpointError, ConfigError, load_checkpoint
peak = lambda: 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for paths in [["nothing.ckpt"], *json.loads(sys.argv[1])]:
    before, began = peak(), time.perf_counter()
    try:
        load_checkpoint(*paths, **json.loads(sys.argv[2]))
    except (CheckpointError, ConfigError) as error:
        print(json.dumps([peak() - before, time.perf_counter() - began, str(error)]))
"""


@pytest.mark.parametrize(("make", "message"), HOSTILE, ids=lambda value: getattr(value, "__name__", ""))
def test_a_hostile_file_is_refused_in_one_line(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as refusal:
        load_checkpoint(make(tmp_path), **UNTOLD)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 600
    assert not (tmp_path / "it ran").exists()


def yaml_bomb(folder: Path) -> tuple[Path, Path]:
    levels = (f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'boom'}]" for n in range(12))
    (folder / "m.yaml").write_text("\n".join([*levels, "model: {dim: *a11}"]), encoding="utf-8")
    return folder / "m.ckpt", folder / "m.yaml"


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_a_hostile_file_takes_little_memory(tmp_path: Path, good: dict[str, bytes]) -> None:
    """All of them in turn, each in 100 MB at the most; the times are printed, and not judged."""
    files: dict[str, tuple[Path, ...]] = {}
    for make, _ in HOSTILE:
        (folder := tmp_path / make.__name__).mkdir()
        files[make.__name__] = (make(folder),)
    (tmp_path / "m.ckpt").write_bytes(good["ckpt"])
    files["yaml_bomb"] = yaml_bomb(tmp_path)
    paths = json.dumps([[*map(str, of_file)] for of_file in files.values()])
    command = [sys.executable, "-c", LOAD, paths, json.dumps(UNTOLD)]
    _, *lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    for name, (peak, seconds, message) in zip(files, map(json.loads, lines), strict=True):
        print(f"{name:32}{peak / 1e6:6.1f} MB {seconds:6.3f} s  {message.rpartition('/')[2][:70]}")
        assert peak < 100e6, name


@pytest.mark.parametrize("suffix", ["ckpt", "safetensors"])
def test_a_file_cut_at_any_of_a_hundred_places_is_refused(tmp_path: Path, good: dict[str, bytes], suffix: str) -> None:
    whole, path = good[suffix], tmp_path / f"m.{suffix}"
    for length in np.random.default_rng(0).integers(0, len(whole) - 1, 100):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"empty|truncated|damaged|is no") as refusal:
            load_checkpoint(path)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("make", [number_far_beyond_the_stems, one_number_that_claims_to_be_many])
def test_a_hostile_file_is_inspected_no_more_than_it_is_loaded(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    with pytest.raises(CheckpointError):
        inspect_checkpoint(make(tmp_path))


@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants:UserWarning")
@pytest.mark.parametrize("change", [Tensor.to_sparse, lambda tensor: tensor.to("meta")], ids=["sparse", "meta"])
def test_a_tensor_that_is_no_plain_one_is_refused(tmp_path: Path, change: Callable[[Tensor], Tensor]) -> None:
    name = "layers.0.0.layers.0.0.to_qkv.weight"
    weights = BandSplitRotator(**TINY).state_dict()
    path = with_more(tmp_path, **{name: change(weights[name])})
    for read in (load_checkpoint, inspect_checkpoint):
        with pytest.raises(CheckpointError, match=rf"{name} is no plain tensor .*; save it as one"):
            read(path, **UNTOLD)


def test_an_fft_of_more_bins_than_the_weights_have_is_not_tried(tmp_path: Path) -> None:
    """Bands over so many bins would fill the memory before they were found to be others."""
    torch.save(BandSplitRotator(**TINY, norm_output=True).state_dict(), tmp_path / "m.ckpt")
    with pytest.raises(CheckpointError, match="stft_n_fft: the weights say 64, the arguments say 1099511627776"):
        load_checkpoint(tmp_path / "m.ckpt", **UNTOLD, stft_n_fft=2**40, num_bands=4)


def test_keys_without_attention_are_those_of_another_model(tmp_path: Path) -> None:
    weights = {name: value for name, value in BandSplitRotator(**TINY).state_dict().items() if "gates" not in name}
    torch.save(weights, tmp_path / "m.ckpt")
    with pytest.raises(CheckpointError, match="not those of a BS-RoFormer or Mel-Band RoFormer"):
        load_checkpoint(tmp_path / "m.ckpt", **UNTOLD)


def test_two_thousand_mutations_of_a_file_never_end_in_a_traceback(tmp_path: Path, good: dict[str, bytes]) -> None:
    """Bytes replaced, inserted, deleted or moved, half of them at the file's ends, where the structure is."""
    random = np.random.default_rng(0)
    refusals: list[str] = []
    for number in range(2000):
        suffix = ("ckpt", "safetensors")[number % 2]
        path = tmp_path / f"m.{suffix}"
        path.write_bytes(mutated(bytearray(good[suffix]), random))
        try:
            load_checkpoint(path)
        except (CheckpointError, ConfigError) as error:
            refusals.append(str(error))
    assert len(refusals) > 1000
    assert not [refusal for refusal in refusals if "\n" in refusal]


def mutated(content: bytearray, random: np.random.Generator) -> bytes:
    for _ in range(random.integers(1, 4)):
        at = int(random.integers(0, len(content)))
        if random.random() < 0.5:
            at = int(random.choice([random.integers(0, 4000), len(content) - 1 - random.integers(0, 4000)]))
        match random.integers(0, 4):
            case 0:
                content[at] = random.integers(0, 256)
            case 1:
                content[at:at] = random.bytes(random.integers(1, 9))
            case 2:
                del content[at : at + int(random.integers(1, 9))]
            case _:
                source = int(random.integers(0, len(content) - 64))
                content[at : at + 32] = content[source : source + 32]
    return bytes(content)
