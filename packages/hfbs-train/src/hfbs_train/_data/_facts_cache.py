"""Facts about files, kept on disk for the next run."""

import hashlib
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from hfbs_model.files import written_whole
from hfbs_separate.audio import SeekTable

from .._errors import ConfigurationError
from ._facts import FileFacts, Version, version_of

_FORMAT = 1  # counts up where facts change their meaning
_OF_TABLE = ("places", "checks", "starts")


def default_cache() -> Path:
    """The folder for facts about files where no other is named: below ``XDG_CACHE_HOME``, or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hfbs-train" / "audio"


class FactsCache:
    """A folder with a file of facts per audio file and state of it: a changed file is measured anew."""

    def __init__(self, folder: Path) -> None:
        """Make the folder, if need be.

        Raises:
            ConfigurationError: it cannot be made or written to.
        """
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._refusal(error) from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise self._refusal(PermissionError(0, "permission denied"))

    def load(self, path: Path) -> FileFacts | None:
        """The facts about a file as it is now; None where they are not here."""
        version = version_of(path)
        if version is None:
            return None
        try:
            with self._place(path, version).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                about = json.loads(str(arrays["about"]))
                table = SeekTable(**about.pop("table"), **{name: arrays[name] for name in _OF_TABLE})
                warnings = tuple(about.pop("warnings"))
                return FileFacts(path, version, table, arrays["energies"], **about, warnings=warnings)
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return None  # not there, or damaged: then it is made anew

    def save(self, facts: FileFacts) -> None:
        """Keep facts, whole or not at all; those about a file that cannot be read are not kept.

        Raises:
            ConfigurationError: the folder cannot be written to.
        """
        if facts.table is None or facts.version is None:
            return
        names = ("peak", "clipped", "first_clipped", "is_doubled_mono", "digest", "warnings")
        about = {name: getattr(facts, name) for name in names}
        table = facts.table
        about["table"] = {"codec": table.codec, "channels": table.channels, "sample_rate": table.sample_rate}
        arrays = {name: getattr(table, name) for name in _OF_TABLE}

        def write(part: Path) -> None:
            with part.open("wb") as file:  # to a path, NumPy would add a suffix
                np.savez(file, about=np.array(json.dumps(about)), energies=facts.energies, **arrays)

        try:
            written_whole(self._place(facts.path, facts.version), write)
        except OSError as error:
            raise self._refusal(error) from error

    def _place(self, path: Path, version: Version) -> Path:
        key = f"{_FORMAT}|{version.size}|{version.written}|{path.absolute()}"
        return self._folder / f"{hashlib.sha256(os.fsencode(key)).hexdigest()[:32]}.npz"

    def _refusal(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"{self._folder}: facts about songs cannot be kept here: {error.strerror or error}; name another folder"
        )
