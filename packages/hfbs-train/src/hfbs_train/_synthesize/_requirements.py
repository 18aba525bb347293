"""The programs, soundfonts and libraries that songs are rendered with, and what to install where one is missing."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any, Final

from .._errors import SynthesisError

_EXTRA = 'pip install "hfbs-train[synthesize]", which needs Python below 3.14 and a C++ compiler'
_PACKAGES: Final[Mapping[str, str]] = {"mma": "mma", "fluidsynth": "fluidsynth", "flite": "flite"}
_SOUNDFONTS: Final[Mapping[str, tuple[str, ...]]] = {
    "fluidr3mono-gm-soundfont": ("FluidR3Mono_GM.sf3",),
    "musescore-general-soundfont-small": ("MuseScore_General_Lite.sf3", "MuseScore_General.sf3"),
}
_FOLDERS = (Path("/usr/share/sounds/sf3"), Path("/usr/local/share/sounds/sf3"))


@dataclass(frozen=True, slots=True)
class Tools:
    """What songs are rendered with.

    Attributes:
        mma: the program.
        fluidsynth: the program.
        flite: the program.
        soundfonts: the file of each Debian package of one that is here, by name.
    """

    mma: str
    fluidsynth: str
    flite: str
    soundfonts: Mapping[str, Path]


def find_tools(folders: tuple[Path, ...] = _FOLDERS) -> Tools:
    """Everything that songs are rendered with.

    Args:
        folders: where soundfonts may lie.

    Raises:
        SynthesisError: something is missing; the message says what, and how to install it.
    """
    programs = {name: shutil.which(name) for name in _PACKAGES}
    missing = [_PACKAGES[name] for name, path in programs.items() if path is None]
    fonts = {
        package: path
        for package, names in _SOUNDFONTS.items()
        if (path := next((each / name for name in names for each in folders if (each / name).is_file()), None))
    }
    if not fonts:
        missing.append(next(iter(_SOUNDFONTS)))
    wanted = [name for name in ("mido", "pyworld", "pysinsy") if find_spec(name) is None]
    hints = [f"apt-get install {' '.join(missing)} (or the like of your system)"] if missing else []
    hints += [_EXTRA] if wanted else []
    if hints:
        raise SynthesisError(f"synthesize needs {', '.join([*missing, *wanted])}: {'; '.join(hints)}")
    return Tools(str(programs["mma"]), str(programs["fluidsynth"]), str(programs["flite"]), fonts)


def imported(module: str) -> Any:
    """A library of the extra, which has no types.

    Raises:
        SynthesisError: it is missing.
    """
    if find_spec(module) is None:
        raise SynthesisError(f"synthesize needs {module}: {_EXTRA}")
    return import_module(module)


def compiled(package: str, module: str) -> tuple[Any, Path]:
    """The compiled module of a package, and the package's folder, without what its ``__init__`` does.

    That of pyworld and of pysinsy imports ``pkg_resources``, which setuptools has no more.

    Raises:
        SynthesisError: it is missing.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SynthesisError(f"synthesize needs {package}: {_EXTRA}")
    folder = Path(spec.origin).parent
    file = next((each for suffix in EXTENSION_SUFFIXES if (each := folder / f"{module}{suffix}").is_file()), None)
    if file is None:
        raise SynthesisError(f"{folder} holds no {module} for this Python: {_EXTRA}")
    name = f"{package}.{module}"
    inner = spec_from_loader(name, ExtensionFileLoader(name, str(file)), origin=str(file))
    assert inner is not None
    assert inner.loader is not None
    loaded = module_from_spec(inner)
    inner.loader.exec_module(loaded)
    return loaded, folder
