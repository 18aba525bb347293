"""MSST's keywords in the words of the separator."""

from os import PathLike

from .._errors import ConfigError
from .._msst import Family, hidden_layers
from ._config import Config
from ._keywords import check_model_section, in_a_row

_IN_CONFORMERS = {f"{axis}_conformer_depth": f"{axis}_transformer_depth" for axis in ("time", "freq", "linear")}
_ONLY_IN_EXPERIMENTAL_CLASSES = {"num_residual_streams", "use_value_residual_learning"}


def translated(config: Config, family: Family, where: str | PathLike[str]) -> tuple[dict[str, object], list[str]]:
    """Settings by the separator's keywords, and notes on what they leave out.

    Args:
        config: The YAML.
        family: What the weights are, where the YAML does not tell what it is for.
        where: The YAML's path, for messages.

    Raises:
        ConfigError: A value of the wrong type, or two that contradict each other.
    """
    model = {name: in_a_row(name, value) for name, value in config.model.items() if value is not None}
    check_model_section(config.model, where)
    notes = list(config.notes)

    if _IN_CONFORMERS.keys() & model.keys():
        family = "bs"  # MSST's two files of Conformers both count the mask estimators' layers as bs_roformer.py does,
        model.pop("conv_dropout", None)  # and ignore this
        model = {_IN_CONFORMERS.get(name, name): value for name, value in model.items()}
    else:
        family = "mel" if "num_bands" in model else "bs" if "freqs_per_bands" in model else family
    depth = model.pop("mask_estimator_depth", None)
    if isinstance(depth, int):
        try:
            model["mask_estimator_depth"] = hidden_layers(family, depth)
        except ValueError as error:
            raise ConfigError(f"section 'model' of {where}: {error}") from error
    if _is_of_experimental_class(config):
        model["msst_residuals"] = True

    model.pop("match_input_audio_length", None)
    if model.pop("sage_attention", False):
        notes.append("model.sage_attention would change the numbers and is not used; delete it from the configuration")
    bins, n_fft = model.pop("dim_freqs_in", None), model.get("stft_n_fft", 2048)
    if isinstance(bins, int) and isinstance(n_fft, int) and bins != n_fft // 2 + 1:
        notes.append(f"model.dim_freqs_in is {bins}, but stft_n_fft={n_fft} means {n_fft // 2 + 1}, which is used")

    of_audio = config.settings.get("sample_rate")
    if of_audio is not None and model.setdefault("sample_rate", of_audio) != of_audio:
        raise ConfigError(
            f"{where} says two rates: audio.sample_rate {of_audio}, model.sample_rate {model['sample_rate']}; "
            "make them one"
        )
    return {**config.settings, **model}, notes


def msst_defaults(config: Config) -> dict[str, object]:
    """What MSST takes where its YAML leaves out what weights do not tell, as far as YAML files do leave it out.

    Its experimental classes have nothing that sets the lowest bin to zero.
    """
    return {"stft_win_length": 2048, "zero_dc": not _is_of_experimental_class(config), "skip_connection": False}


def _is_of_experimental_class(config: Config) -> bool:
    return any(config.model.get(name) is not None for name in _ONLY_IN_EXPERIMENTAL_CLASSES)
