"""What onnxruntime computes from an exported core is what PyTorch computes; other files are refused."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hfbs_filterbanks import BandLayout
from hfbs_model import BandSplitRotator, Checkpoint, CheckpointError
from hfbs_model.export import MaskCore, export_onnx, load_exported

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
quantization = pytest.importorskip("onnxruntime.quantization")
pytest.importorskip("onnxscript")

# What a run-time check of shapes says of sizes would become part of the graph.
pytestmark = pytest.mark.compiled

OVERLAPPING = np.array(
    [
        [bin in bins for bin in range(33)]
        for bins in (range(10), range(5, 20), range(15, 33), (0, 30, 31, 32))  # bands overlap, and one has a hole
    ]
)
MODELS: Mapping[str, Mapping[str, Any]] = {
    "bs": {"stereo": True, "depth": 2},
    "mel": {"mask_filter_bank": OVERLAPPING, "stereo": True, "num_stems": 2},
    "mono": {"zero_dc": False, "skip_connection": True, "depth": 2},
    "six stems": {"num_stems": 6, "stereo": True, "use_value_residual_learning": True, "depth": 2},
    "pope": {"use_pope": True, "flash_attn": False},
    "linear attention": {"linear_transformer_depth": 1},
    "range of bins": {"freq_range": (2, 30), "freqs_per_bands": (8, 20), "stft_normalized": True},
}


def checkpoint_of(model: BandSplitRotator) -> Checkpoint:
    names = tuple(f"stem{number}" for number in range(model.num_stems))
    return Checkpoint(model, names, 8000, 1000, num_overlap=3, provenance={"file": "model.ckpt"}, residual="rest")


@pytest.fixture(scope="module")
def exported(tiny: Callable[..., BandSplitRotator], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Model and file by the name of the model, exported once."""
    made: dict[str, tuple[BandSplitRotator, Path]] = {}

    def of(name: str) -> tuple[BandSplitRotator, Path]:
        if name not in made:
            torch.manual_seed(0)
            model = tiny(**MODELS[name])
            path = tmp_path_factory.mktemp("core") / "core.onnx"
            export_onnx(checkpoint_of(model), path)
            made[name] = model, path
        return made[name]

    return of


@pytest.mark.parametrize("name", MODELS)
def test_onnxruntime_gives_the_masks_and_stems_of_pytorch(exported: Callable[..., Any], name: str) -> None:
    model, path = exported(name)
    core, session = MaskCore(model), onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    loaded = load_exported(path)
    assert (loaded.sample_rate, loaded.chunk_size, loaded.num_overlap) == (8000, 1000, 3)
    assert loaded.stems == checkpoint_of(model).stems
    for batch in (1, 2):
        for frames in (1, 6, 41):
            spectrum = torch.randn(batch, model.audio_channels, frames, 33, 2)
            audio = torch.randn(batch, model.audio_channels, 16 * frames - 3)
            with torch.inference_mode():
                masks, stems = core(spectrum), model(audio)
                found = loaded.model(audio)
            (given,) = session.run(None, {"spectrum": spectrum.numpy()})
            assert given.shape == tuple(masks.shape)
            assert difference(torch.from_numpy(given), masks) <= 1e-4
            assert difference(found, stems) <= 1e-4


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_holds_nothing_but_work(exported: Callable[..., Any], name: str) -> None:
    """No library's own operators, no functions, nothing that depends on no input, and no type left to be found out."""
    _, path = exported(name)
    model = onnx.load(path)
    assert {node.domain for node in model.graph.node} == {""}
    assert not {"CastLike", "Constant", "Identity"} & {node.op_type for node in model.graph.node}
    assert not model.functions
    computed = {"spectrum"}
    for node in model.graph.node:
        assert computed & set(node.input), f"{node.op_type} depends on no input"
        computed.update(node.output)


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape
    return float((found - expected).norm() / expected.norm())


def test_masks_times_spectrum_are_the_models_stems(tiny: Callable[..., BandSplitRotator]) -> None:
    """So that a host needs nothing else of the model."""
    model = tiny(**MODELS["range of bins"])
    audio = torch.randn(2, 1, 300)
    settings = {"n_fft": 64, "hop_length": 16, "window": torch.hann_window(64), "normalized": True}
    spectrum = torch.stft(audio[:, 0], return_complex=True, **settings)
    with torch.inference_mode():
        masks = MaskCore(model)(torch.view_as_real(spectrum.mT[:, None].contiguous()))
        stems = model(audio)
    masked = torch.view_as_complex(masks)[:, 0, 0].mT * spectrum
    assert masks[..., :2, :].count_nonzero() == masks[..., 30:, :].count_nonzero() == 0
    torch.testing.assert_close(torch.istft(masked, length=300, **settings), stems[:, 0, 0], rtol=1e-5, atol=1e-6)


def test_stems_are_chosen_and_repeat(exported: Callable[..., Any]) -> None:
    _, path = exported("six stems")
    model = load_exported(path).model
    audio = torch.randn(1, 2, 100)
    torch.testing.assert_close(model(audio, active_stem_ids=[4, 1]), model(audio)[:, [4, 1]], rtol=0, atol=0)
    with pytest.raises(ValueError, match="2 channel"):
        model(torch.randn(1, 1, 100))


def test_no_gradient_flows_through_a_core(exported: Callable[..., Any]) -> None:
    model = load_exported(exported("mono")[1]).model
    audio = torch.randn(1, 1, 100)
    separated = model(audio.clone().requires_grad_())
    assert not separated.requires_grad
    assert torch.equal(separated, model(audio))


def test_the_document_beside_is_the_one_inside_and_says_what_a_host_needs(exported: Callable[..., Any]) -> None:
    model, path = exported("mel")
    document = json.loads(path.with_suffix(".json").read_text())
    (inside,) = (entry for entry in onnx.load(path).metadata_props if entry.key == "hfbs")
    assert json.loads(inside.value) == document
    assert (document["stems"], document["residual"]) == (["stem0", "stem1"], "rest")
    assert (document["sample_rate"], document["channels"], document["precision"]) == (8000, 2, "float32")
    assert document["stft"] == {
        "n_fft": 64,
        "hop_length": 16,
        "win_length": 64,
        "window": "hann_window",
        "normalized": False,
        "reach": model.stft_settings.reach,
        "zero_dc": True,
        "bins": [0, 33],
    }
    assert document["chunking"]["step"] == 320  # a third of 1000, in whole hops
    assert BandLayout.from_json(json.dumps(document["layout"])) == model.layout
    assert document["provenance"] == {"file": "model.ckpt"}


def test_a_file_says_nothing_of_the_machine_that_wrote_it(exported: Callable[..., Any]) -> None:
    _, path = exported("mono")
    assert not [
        folder for folder in ("site-packages", "hfbs_model", str(Path.cwd())) if folder.encode() in path.read_bytes()
    ]


def test_weights_in_8_bits_are_smaller_and_near(tiny: Callable[..., BandSplitRotator], tmp_path: Path) -> None:
    model = tiny(**MODELS["bs"], dim=64, dim_head=32)
    for name, int8 in (("full", False), ("small", True)):
        export_onnx(checkpoint_of(model), tmp_path / f"{name}.onnx", int8=int8)
    full, small = (tmp_path / f"{name}.onnx" for name in ("full", "small"))
    assert small.stat().st_size < 0.6 * full.stat().st_size
    stored = {weight.data_type for weight in onnx.load(small).graph.initializer if len(weight.dims) == 2}
    assert onnx.TensorProto.UINT8 in stored
    assert onnx.TensorProto.INT8 not in stored
    loaded = load_exported(small)
    assert loaded.precision == "int8"
    assert loaded.model.runs_under.endswith("with weights in int8")
    audio = torch.randn(1, 2, 400)
    assert 1e-6 < difference(loaded.model(audio), load_exported(full).model(audio)) < 0.1


def test_half_precision_training_mode_and_compiled_blocks_do_not_matter(
    tiny: Callable[..., BandSplitRotator], tmp_path: Path
) -> None:
    model = tiny(use_torch_checkpoint=True)
    model.compile_blocks()
    model.half().train()
    export_onnx(checkpoint_of(model), tmp_path / "core.onnx")
    assert model.training
    audio = torch.randn(1, 1, 200)
    with torch.inference_mode():
        expected = tiny_copy(model)(audio)
    assert difference(load_exported(tmp_path / "core.onnx").model(audio), expected) <= 1e-4


def tiny_copy(model: BandSplitRotator) -> BandSplitRotator:
    copy = BandSplitRotator(**model.keywords)
    copy.load_state_dict(model.state_dict())
    return copy.eval()


def test_a_failed_export_leaves_what_was_there(
    tiny: Callable[..., BandSplitRotator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "core.onnx").write_bytes(b"old")
    monkeypatch.setattr(MaskCore, "forward", lambda self, spectrum: spectrum[None] * torch.rand(1))  # never the same
    with pytest.raises(RuntimeError, match=r"differ from PyTorch's by .* try another version"):
        export_onnx(checkpoint_of(tiny()), tmp_path / "core.onnx")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"core.onnx": b"old"}


def test_a_graph_in_8_bits_is_compared_as_well(
    tiny: Callable[..., BandSplitRotator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantise = quantization.quantize_dynamic

    def with_wrong_scales(source: Path, target: Path, **settings: Any) -> None:
        quantise(source, target, **settings)
        model = onnx.load(target)
        for weight in model.graph.initializer:
            if weight.name.endswith("_scale"):
                weight.CopyFrom(onnx.numpy_helper.from_array(7 * onnx.numpy_helper.to_array(weight), weight.name))
        onnx.save(model, target)

    monkeypatch.setattr(quantization, "quantize_dynamic", with_wrong_scales)
    with pytest.raises(RuntimeError, match=r"differ from PyTorch's by .* more than 0.25; export it in float32, or try"):
        export_onnx(checkpoint_of(tiny()), tmp_path / "core.onnx", int8=True)
    assert not [*tmp_path.iterdir()]


def test_what_no_file_can_hold_is_refused(tiny: Callable[..., BandSplitRotator], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"exported as \.onnx, got 'core\.pb'; name it core\.onnx"):
        export_onnx(checkpoint_of(tiny()), tmp_path / "core.pb")
    window = tiny(stft_window_fn=lambda length, **kinds: torch.hann_window(length, **kinds) + 0.1)
    with pytest.raises(ValueError, match="a file holds stft_window_fn by name"):
        export_onnx(checkpoint_of(window), tmp_path / "core.onnx")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("library", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_library_is_told_with_the_remedy(
    tiny: Callable[..., BandSplitRotator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    remedy = rf'needs {library}, which is not installed\. Install it with: pip install "hfbs-model\[onnx\]"'
    with pytest.raises(ImportError, match=remedy):
        export_onnx(checkpoint_of(tiny()), tmp_path / "core.onnx")
    if library == "onnxruntime":
        with pytest.raises(ImportError, match=remedy):
            load_exported(tmp_path / "core.onnx")


def test_files_that_are_none_of_ours_are_refused(exported: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "core.onnx"
    with pytest.raises(CheckpointError, match=r"there is no file .*core\.onnx"):
        load_exported(path)
    path.write_bytes(b"no protobuf at all")
    with pytest.raises(CheckpointError, match="is no ONNX model, or a damaged one"):
        load_exported(path)
    _, ours = exported("mono")
    path.write_bytes(ours.read_bytes()[:-900])
    with pytest.raises(CheckpointError, match="damaged"):
        load_exported(path)
    model = onnx.load(ours)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match="none that hfbs export wrote: it has no metadata property 'hfbs'"):
        load_exported(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: "{", "it is no JSON"),
        (lambda document: [document], "its format is not 'hfbs mask core'"),
        (lambda document: document | {"version": 2}, "is of version 2 of the format.* upgrade hfbs-model"),
        (lambda document: document | {"stems": [1]}, r"stems are \[1\], not names"),
        (lambda document: document | {"residual": 3}, "residual is 3"),
        (lambda document: document | {"residual": "stem0"}, r"residual is a name beside those of the stems \(stem0\)"),
        (lambda document: document | {"sample_rate": 0}, "sample_rate is 0"),
        (lambda document: document | {"layout": {}}, "is damaged"),
        (lambda document: document | {"stft": document["stft"] | {"window": "sys"}}, "window is 'sys', not one of"),
        (lambda document: document | {"stft": document["stft"] | {"hop_length": 60}}, "stft_hop_length is at least 1"),
        (lambda document: document | {"stems": ["one", "two"]}, "is of another graph"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_document_that_is_wrong_is_refused(
    exported: Callable[..., Any], tmp_path: Path, change: Callable[[Any], Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_exported(changed(exported("mono")[1], tmp_path, change))


def changed(core: Path, folder: Path, change: Callable[[Any], Any]) -> Path:
    """A copy with another document."""
    model = onnx.load(core)
    (entry,) = model.metadata_props
    document = change(json.loads(entry.value))
    entry.value = document if isinstance(document, str) else json.dumps(document)
    onnx.save(model, folder / "core.onnx")
    return folder / "core.onnx"


def test_a_core_of_before_residuals_has_none(exported: Callable[..., Any], tmp_path: Path) -> None:
    older = changed(exported("mono")[1], tmp_path, lambda document: document.pop("residual") and document)
    assert load_exported(older).residual is None


def test_provenance_residual_and_chunks_of_a_checkpoint_go_along(exported: Callable[..., Any]) -> None:
    loaded = load_exported(exported("mono")[1])
    assert (loaded.provenance, loaded.residual) == ({"file": "model.ckpt"}, "rest")
    assert replace(loaded, num_overlap=4).num_overlap == 4
