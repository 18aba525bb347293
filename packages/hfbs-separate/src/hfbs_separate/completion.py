"""What the Tab key completes: the command ``completion``, for our programs, and words that options do not tell."""

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
@click.pass_context
def completion(context: click.Context, shell: str | None) -> None:
    """Print what makes a shell complete commands, options and their values at the Tab key.

    Where none is said, the shell is the one that the environment variable SHELL names. A line sets it up for good:

    \b
    bash   echo 'eval "$(PROGRAM completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(PROGRAM completion zsh)"' >> ~/.zshrc
    fish   PROGRAM completion fish > ~/.config/fish/completions/PROGRAM.fish
    """
    root = context.find_root()
    name = shell or Path(os.environ.get("SHELL", "")).name
    if name not in _SHELLS:
        told = f"SHELL is {os.environ['SHELL']}" if os.environ.get("SHELL") else "SHELL is not set"
        raise click.UsageError(f"name the shell, {', '.join(_SHELLS[:-1])} or {_SHELLS[-1]}: {told}")
    program = str(root.info_name)
    variable = f"_{program}_COMPLETE".replace("-", "_").replace(".", "_").upper()  # as click has it
    kind = get_completion_class(name)
    if kind is None:
        raise RuntimeError(f"click completes nothing for {name}")
    click.echo(kind(root.command, {}, program, variable).source())


def files(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Have the shell complete files and folders, for an argument that is more than a path, such as a pattern."""
    return [CompletionItem(incomplete, type="file")]


def folders(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Have the shell complete folders."""
    return [CompletionItem(incomplete, type="dir")]


def known_models(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the checkpoints that hfbs knows, with what they separate."""
    from hfbs_model import known_checkpoints

    return [
        CompletionItem(checkpoint.name, help=checkpoint.title)
        for checkpoint in known_checkpoints()
        if checkpoint.name.startswith(incomplete)
    ]
