"""Checkpoints on the Hugging Face Hub. Needs the extra ``hub``: ``pip install "hfbs-model[hub]"``."""

from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, cast

from ._checkpoints import Checkpoint
from ._checkpoints._pretrained import (
    CARD,
    CONFIG,
    LIBRARY,
    PIPELINE,
    TAGS,
    WEIGHTS,
    card_text,
    load_files,
    of_class,
    write_files,
)
from ._errors import CheckpointError

try:
    from huggingface_hub import (
        HfApi,
        ModelCard,
        ModelHubMixin,
        constants,
        hf_hub_download,  # pyright: ignore[reportUnknownVariableType]
    )
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HFValidationError,
        HTTPError,  # of httpx2, or of httpx before version 2  # pyright: ignore[reportPrivateImportUsage]
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
except ModuleNotFoundError as error:
    if error.name != "huggingface_hub":
        raise
    raise ImportError(
        'hfbs_model.hub needs huggingface_hub, which is not installed. Install it with: pip install "hfbs-model[hub]"',
        name=error.name,
    ) from error

_CARD = """---
{{ card_data }}
---

{{ text }}"""


@dataclass(frozen=True)
class HubCheckpoint(
    ModelHubMixin,
    Checkpoint,
    library_name=LIBRARY,
    pipeline_tag=PIPELINE,
    tags=list(TAGS),
    model_card_template=_CARD,
):
    """A checkpoint that goes to the Hugging Face Hub and comes from there, through ``huggingface_hub.ModelHubMixin``.

    A subclass may say more in its model cards, by the mixin's keywords of classes::

        class Ours(HubCheckpoint, license="cc-by-4.0", tags=["vocals"]): ...

    Only safetensors are read, no pickle. Where the Hub is and where downloads lie, huggingface_hub reads from the
    environment variables ``HF_ENDPOINT`` and ``HF_HOME``.
    """

    _hub_mixin_config = dict[str, object]()  # none, or else the mixin makes one of the fields  # noqa: RUF012

    @classmethod
    def of[H: ModelHubMixin](cls: type[H], checkpoint: Checkpoint) -> H:
        """The same checkpoint with the methods of this class."""
        return of_class(cls, checkpoint)

    @classmethod
    def from_pretrained[H: ModelHubMixin](
        cls: type[H],
        pretrained_model_name_or_path: str | PathLike[str],
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | PathLike[str] | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        **model_kwargs: Any,
    ) -> H:
        """Load a folder, or else download ``model.safetensors`` of a model on the Hub and load that.

        The file's metadata count; ``config.json`` is fetched to be compared with them, as in
        :meth:`hfbs_model.Checkpoint.from_pretrained`.

        Args:
            pretrained_model_name_or_path: A folder, or where there is none of this name, ``owner/name`` on the Hub.
            force_download: Download what the cache has, too.
            token: For private models; None or True means that of ``hf auth login``, False none.
            cache_dir: Where downloads are kept; None means huggingface_hub's cache.
            local_files_only: Take what the cache has, and ask nobody.
            revision: A branch, a tag or a commit of the model on the Hub; None means its main branch.
            model_kwargs: Settings, as of :func:`hfbs_model.load_checkpoint`.

        Raises:
            CheckpointError: The model, the revision or the file is not there, may not be seen, or did not arrive; or as
                :func:`hfbs_model.load_checkpoint`, as with the two below.
            ConfigError: A setting has a value of the wrong type, or is missing.
            TypeError: A setting that nothing knows.
            ValueError: A revision of a local folder, or ``force_download`` with ``local_files_only``.
        """
        # The mixin's own takes settings from config.json, where the metadata should count.
        return cls._from_pretrained(  # pyright: ignore[reportUnknownMemberType]
            model_id=str(pretrained_model_name_or_path),
            revision=revision,
            cache_dir=None if cache_dir is None else Path(cache_dir),
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            **model_kwargs,
        )

    @classmethod
    def _from_pretrained[H: ModelHubMixin](
        cls: type[H],
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        **model_kwargs: Any,
    ) -> H:
        if force_download and local_files_only:
            raise ValueError("force_download=True and local_files_only=True exclude each other; leave one of them out")
        folder = Path(model_id)
        if not folder.exists():
            folder = _downloaded(
                model_id,
                revision,
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
                token=token,
            )
        elif revision is not None:
            raise ValueError(
                f"a revision is of a model on the Hub, and {model_id} is here; leave revision={revision!r} out"
            )
        return of_class(cls, load_files(folder, model_kwargs))

    def save_pretrained(  # the mixin's  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        save_directory: str | PathLike[str],
        *,
        config: object = None,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        model_card_kwargs: dict[str, Any] | None = None,
        **push_to_hub_kwargs: Any,
    ) -> str | None:
        """Write a folder, as :meth:`hfbs_model.Checkpoint.save_pretrained` does.

        Args:
            save_directory: The folder.
            config: Nothing: ``config.json`` is a copy of the file's metadata.
            repo_id: Where to push to; None means the name of the folder.
            push_to_hub: Push it to the Hub as well.
            model_card_kwargs: For the template of the model card of a subclass.
            push_to_hub_kwargs: As of :meth:`push_to_hub`.

        Returns:
            What :meth:`push_to_hub` returns, or None.

        Raises:
            TypeError: A configuration was given.
            ValueError: No file can hold a keyword of the model.
            OSError: The folder cannot be written.
        """
        _refuse(config)
        return super().save_pretrained(  # pyright: ignore[reportUnknownMemberType]
            Path(save_directory),
            repo_id=repo_id,
            push_to_hub=push_to_hub,
            model_card_kwargs=model_card_kwargs,
            **push_to_hub_kwargs,
        )

    def _save_pretrained(self, save_directory: Path) -> None:
        write_files(self, save_directory)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        ignore_patterns: list[str] | str | None = None,
        model_card_kwargs: dict[str, Any] | None = None,
        **options: Any,
    ) -> str:
        """Save to the Hub: ``model.safetensors``, ``config.json`` and, unless the model there has one, a model card.

        What huggingface_hub raises where the Hub refuses it, such as ``HfHubHTTPError``, comes as it is.

        Args:
            repo_id: ``owner/name``, or a name of one's own. The model is made where there is none.
            private: Whether a model that is made is private; None leaves it to the owner's settings.
            token: None means that of ``hf auth login``.
            branch: Where to; None means the main branch.
            ignore_patterns: Names of files not to push.
            model_card_kwargs: For the template of the model card of a subclass; replaces a model card that is there.
            options: The mixin's: ``commit_message``, ``create_pr``, ``allow_patterns``, ``delete_patterns``.

        Returns:
            The commit's address.

        Raises:
            TypeError: A configuration was given, or an option that the mixin does not know.
            ValueError: No file can hold a keyword of the model.
        """
        _refuse(options.get("config"))
        api = HfApi(token=token)
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        if model_card_kwargs is None and api.file_exists(repo_id, CARD, revision=branch):
            given = [ignore_patterns] if isinstance(ignore_patterns, str) else ignore_patterns or []
            ignore_patterns = [*given, CARD]
        return super().push_to_hub(  # pyright: ignore[reportUnknownMemberType]
            repo_id,
            private=private,
            token=token,
            branch=branch,
            ignore_patterns=ignore_patterns,
            model_card_kwargs=model_card_kwargs,
            **options,
        )

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """The mixin's card, with what the checkpoint is and how to load it as its text."""
        text = card_text(self, self._hub_mixin_info.model_card_data.license)
        kwargs = {"text": text} | kwargs
        return super().generate_model_card(*args, **kwargs)  # pyright: ignore[reportUnknownMemberType]


def _refuse(config: object) -> None:
    """Of the mixin's, an empty one comes too."""
    if config:
        raise TypeError(
            f"{CONFIG} is a copy of the metadata of {WEIGHTS} and cannot be given; leave config out, "
            "and change the checkpoint with dataclasses.replace"
        )


def _downloaded(name: str, revision: str | None, **options: Any) -> Path:
    """The folder of the cache that holds the file of a model on the Hub.

    Raises:
        CheckpointError: It did not arrive; the message says what to do.
    """
    options |= {"library_name": LIBRARY, "library_version": version("hfbs-model")}
    try:
        weights = Path(cast("str", hf_hub_download(name, WEIGHTS, revision=revision, **options)))
        with suppress(EntryNotFoundError):  # a copy, without which there is nothing to compare
            # Of the same commit, which is the name of the folder.
            hf_hub_download(name, CONFIG, revision=weights.parent.name, **options)
    # ValueError: of a name, or of force_download without a connection. RuntimeError: hf_xet's.
    except (HTTPError, EntryNotFoundError, OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(_in_words(error, name, revision)) from error
    return weights.parent


def _in_words(error: Exception, name: str, revision: str | None) -> str:
    match error:
        case GatedRepoError():
            return (
                f"the authors of {name} give it to those who ask: do so at {constants.ENDPOINT}/{name}, and log in "
                "with `hf auth login`, or pass a token"
            )
        case RepositoryNotFoundError():
            return (
                f"there is neither a folder {name} here nor a model of that name at {constants.ENDPOINT} that you may "
                "see; correct the name, or log in with `hf auth login`, or pass a token"
            )
        case RevisionNotFoundError():
            return f"{name} has no revision {revision!r}; correct it, or leave it out for the main branch"
        case LocalEntryNotFoundError() if error.__cause__ is None or isinstance(error.__cause__, OfflineModeIsEnabled):
            return (
                f"there is no folder {name}, the cache has no model of that name in its revision {revision or 'main'}, "
                "and the Hub may not be asked; load it once without local_files_only and HF_HUB_OFFLINE, or give the "
                "cache_dir that has it"
            )
        case LocalEntryNotFoundError():
            return (
                f"there is no folder {name}, the cache has no model of that name, and {constants.ENDPOINT} does not "
                f"answer as it should ({_first_line(error)}); check the connection and HF_ENDPOINT, and call again"
            )
        case EntryNotFoundError():
            return (
                f"{name} has no {WEIGHTS}, so that it was not saved by save_pretrained; download what it has and load "
                "that with load_checkpoint"
            )
        case HFValidationError():
            return (
                f"there is no folder {name}, and the Hub has no such names: {_first_line(error)}; "
                "correct it to OWNER/NAME"
            )
        case _:
            return (
                f"{WEIGHTS} of {name} did not arrive whole ({_first_line(error)}); check the connection and the room "
                "in the cache, and call again"
            )


def _first_line(error: BaseException) -> str:
    """Of what a failed download says, where it began."""
    error = error.__cause__ if isinstance(error, LocalEntryNotFoundError | ValueError) and error.__cause__ else error
    return str(error).partition("\n")[0] or type(error).__name__
