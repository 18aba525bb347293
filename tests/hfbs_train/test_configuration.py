"""What a YAML file says is checked before anything is done."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfbs_train import ConfigurationError, RunConfiguration

type Build = Callable[..., dict[str, Any]]


def test_a_configuration_written_out_says_the_same(tiny_run: Build):
    configuration = RunConfiguration.of(
        tiny_run(optimizer={"kind": "muon"}, losses=[{"kind": "model"}, "mse"], clip_norm=None)
    )
    assert RunConfiguration.of(configuration.as_plain()) == configuration
    json.dumps(configuration.as_plain())


def test_stems_may_be_names_or_sums_of_files(tiny_run: Build):
    named = RunConfiguration.of(tiny_run(stems=["vocals", "drums"]))
    assert named.stems == {"vocals": ("vocals",), "drums": ("drums",)}
    summed = RunConfiguration.of(tiny_run(stems={"vocals": "vocals", "rest": ["drums", "bass"]}))
    assert summed.stems == {"vocals": ("vocals",), "rest": ("drums", "bass")}


def test_numbers_without_a_point_are_numbers(tiny_run: Build, tmp_path: Path):
    path = tmp_path / "run.yaml"
    path.write_text(
        json.dumps(tiny_run(optimizer={})).replace('"optimizer": {}', '"optimizer": {"learning_rate": 5e-4}')
    )
    read = RunConfiguration.read(path)
    assert read.optimizer.learning_rate == 5e-4


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"stepz": 3}, "unknown key 'stepz'; there are stems, data, steps"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"steps": "many"}, "steps must be a whole number, got 'many'"),
        ({"batch_size": True}, "batch_size must be a whole number, got True"),
        ({"optimizer": {"learning_rate": -1}}, "optimizer: learning_rate must be above 0, got -1.0"),
        ({"optimizer": {"kind": "sgd"}}, "optimizer.kind must be adamw or muon, got sgd"),
        ({"schedule": {"kind": "step"}}, "schedule.kind must be one of constant, cosine, linear, exponential"),
        ({"stems": []}, "stems must name at least one stem"),
        ({"stems": ["vocals", "vocals"]}, "stems must be different names"),
        ({"stems": [{"vocals": ["vocals"]}, "drums"]}, "stems must be a list of names, or a mapping of names to files"),
        ({"stems": [1, 2]}, "stems must be a list of names, or a mapping of names to files"),
        ({"residual": "drums"}, "residual must be a name that no stem has, got drums"),
        ({"residual": ""}, "residual must be a name that no stem has, got "),
        ({"data": {"songs": []}}, "data: songs must name at least one folder"),
        ({"data": {"songs": ["a"], "choice": {"remix": 2.0}}}, "data.choice: remix is from 0 to 1, got 2.0"),
        ({"model": {}}, "model must give the model's keywords, or start a checkpoint"),
        ({"lora": {}}, "lora adapts a trained model: name its checkpoint in start"),
        ({"losses": [{"kind": "l7"}]}, "l7"),
        ({"machines": {"precision": "int8"}}, "machines.precision must be one of auto, float32, bfloat16, float16"),
    ],
)
def test_what_is_wrong_is_named(tiny_run: Build, changed: dict[str, Any], told: str):
    with pytest.raises(ConfigurationError) as caught:
        RunConfiguration.of(tiny_run(**changed))
    assert told in str(caught.value)


def test_a_message_names_the_file(tiny_run: Build, tmp_path: Path):
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(tiny_run(steps=-1)))
    with pytest.raises(ConfigurationError, match=r"run\.yaml: steps must be at least 1, got -1"):
        RunConfiguration.read(path)
    path.write_text("steps: !!python/object/apply:os.system [ls]")
    with pytest.raises(ConfigurationError, match=r"run\.yaml is refused"):
        RunConfiguration.read(path)
    with pytest.raises(ConfigurationError, match="cannot read the configuration"):
        RunConfiguration.read(tmp_path / "none.yaml")
