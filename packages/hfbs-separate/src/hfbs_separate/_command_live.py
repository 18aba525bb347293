"""The command ``hfbs live``."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import click
import numpy as np
from click.core import ParameterSource

from ._checkpoint_option import ABOUT_DEMO, CHECKPOINT, DEMO
from ._errors import AudioFileError, OptionError, OutputError, SeparationError
from ._loading import loaded_checkpoint
from ._model import with_instrumental
from ._pcm import PCM_FORMATS, PcmFormat, PcmReader, PcmWriter
from ._separator_options import COMPILE, PRECISION, checked_devices, known_devices, needed_settings
from ._settings_option import settings_options
from ._source import reason
from ._types import Audio
from .demo import MODEL
from .terminal import Speech, Terminal, clock

if TYPE_CHECKING:
    from hfbs_model import Checkpoint

    from ._live_meter import LiveMeter
    from ._live_separator import LiveSeparator

_FFMPEG = {"f32le": "-f f32le", "s16le": "-f s16le"}


def _sound_device(_context: click.Context, _option: click.Parameter, text: str | None) -> int | str | None:
    """Its number or a part of its name, as sounddevice takes them."""
    return int(text) if text is not None and text.isdecimal() else text


@click.command()
@click.option(
    "--checkpoint",
    type=CHECKPOINT,
    default=DEMO,
    show_default=True,
    help="The model's weights, as for hfbs separate. demo: the small model that comes with hfbs.",
)
@settings_options
@click.option(
    "--latency",
    type=click.FloatRange(min=0, min_open=True),
    default=0.5,
    show_default=True,
    metavar="SECONDS",
    help="How much later the stems may be than the mixture. More separates better, and computes less.",
)
@click.option(
    "--chunk-seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="What the model sees at once, the past included: longer separates better, and computes more. Default: by the "
    "latency, and no longer than the checkpoint has it.",
)
@click.option(
    "--stem",
    "stems",
    multiple=True,
    metavar="STEM",
    help="The stem to give. Of several, each with an option of its own, the channels follow each other in every frame. "
    "Default: the model's first.",
)
@click.option("--instrumental", is_flag=True, help="Give the mixture less the vocals, after the stems named.")
@click.option(
    "--format",
    "sample_format",
    type=click.Choice(PCM_FORMATS),
    default="f32le",
    show_default=True,
    help="Samples on both pipes, interleaved and without a header: 32-bit floats or 16-bit integers, little-endian.",
)
@click.option(
    "--rate",
    type=click.IntRange(min=1),
    metavar="HZ",
    help="Of the input. It must be the model's, which is the default.",
)
@click.option(
    "--channels",
    type=click.IntRange(1, 2),
    metavar="COUNT",
    help="Of the input, and of each stem. Default: as the model has them. 1 goes through a stereo model on both "
    "channels.",
)
@click.option(
    "--device",
    callback=checked_devices,
    shell_complete=known_devices,
    default="auto",
    show_default=True,
    help="Where the model runs: cpu, cuda, cuda:1, mps, or auto: CUDA, else MPS, else the CPU.",
)
@PRECISION
@COMPILE
@click.option(
    "--sound",
    is_flag=True,
    help='Listen to a sound device and play through one, instead of pipes; needs pip install "hfbs-separate[live]". '
    "python -m sounddevice lists devices.",
)
@click.option(
    "--sound-input",
    callback=_sound_device,
    metavar="DEVICE",
    help="With --sound, what to listen to: a number or a part of a name. Default: the system's.",
)
@click.option(
    "--sound-output",
    callback=_sound_device,
    metavar="DEVICE",
    help="With --sound, what to play through. Default: the system's.",
)
@click.option("--quiet", "speech", flag_value="quiet", help="Say nothing but warnings and errors.")
@click.option(
    "--json", "speech", flag_value="json", help="Say everything as JSON lines, on stderr, because stdout is audio."
)
@click.pass_context
def live(
    context: click.Context,
    checkpoint: Path,
    config: Path | None,
    settings: Mapping[str, object],
    lora: Path | None,
    latency: float,
    chunk_seconds: float | None,
    stems: tuple[str, ...],
    instrumental: bool,
    sample_format: PcmFormat,
    rate: int | None,
    channels: int | None,
    device: str,
    precision: str,
    compiled: bool,
    sound: bool,
    sound_input: int | str | None,
    sound_output: int | str | None,
    speech: Speech | None,
) -> None:
    """Separate sound while it comes: raw PCM from standard input to standard output, or between sound devices.

    \b
    ffmpeg -i song.mp3 -f f32le -ar 44100 -ac 2 - |
      hfbs live | ffplay -f f32le -ar 44100 -ch_layout stereo -

    As many samples come out as went in. At the end, or at Ctrl-C, a line says how many drop-outs there were: hops of
    the stream whose stems were not ready when the next hop had come.
    """
    with redirect_stdout(sys.stderr):  # standard output is audio
        context.find_root().obj = terminal = Terminal(speech or "lines")
    if not sound and (sound_input is not None or sound_output is not None):
        raise click.UsageError("--sound-input and --sound-output are of sound devices: add --sound")
    of_pipes = [context.get_parameter_source(name) for name in ("sample_format", "rate", "channels")]
    if sound and (ParameterSource.COMMANDLINE in of_pipes or len(stems) + instrumental > 1):
        raise click.UsageError(
            "--sound opens devices as the model needs them, and plays one stem: leave out --format, --rate, --channels "
            "and further stems"
        )
    if not sound and not (_carries_audio(sys.stdin) and _carries_audio(sys.stdout)):
        raise click.UsageError(
            "standard input and output are raw PCM, so both must be pipes or files, neither closed nor a terminal: see "
            "hfbs live --help, or add --sound"
        )
    with terminal.busy(f"loading {checkpoint.name}"):
        known = loaded_checkpoint(checkpoint, config, lora, needed_settings(settings, {"chunk_seconds": chunk_seconds}))
        _check_stream(known, rate, channels, sample_format)
        separator = _ready(known, latency, chunk_seconds, stems, instrumental, device, precision, compiled)
    channels = channels or separator.audio_channels
    for told in known.report.notes:
        terminal.warn(told)
    terminal.say(separator.computes_on)
    terminal.say(_about(checkpoint, separator, "sound devices" if sound else sample_format))
    if checkpoint == MODEL:
        terminal.say(ABOUT_DEMO)
    terminal.event("stream", sample_rate=separator.sample_rate, channels=channels, **separator.settings)

    listener = _Listener(terminal, separator.meter, separator.sample_rate)
    interrupted = False
    try:
        if sound:
            _between_devices(separator, sound_input, sound_output, listener)
        else:
            _between_pipes(separator, sample_format, channels, listener)
    except KeyboardInterrupt:
        interrupted = not sound  # there it is how to end
    except (AudioFileError, OptionError, OutputError, SeparationError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        if listener.heard:
            listener.report()
    context.exit(130 if interrupted else 0)


def _carries_audio(stream: TextIO | None) -> bool:
    """Whether a standard stream may be raw PCM; one that was closed before this process began is None."""
    return stream is not None and not stream.isatty()


def _check_stream(checkpoint: "Checkpoint", rate: int | None, channels: int | None, sample_format: PcmFormat) -> None:
    needed, most = checkpoint.sample_rate, checkpoint.model.audio_channels
    if rate is not None and rate != needed:
        raise click.UsageError(
            f"the model separates at {needed} Hz, and --rate says that the input has {rate} Hz: resample it before, by "
            f"ffmpeg … {_FFMPEG[sample_format]} -ar {needed} - | hfbs live …"
        )
    if channels is not None and channels > most:
        raise click.UsageError(
            f"the model is mono, and --channels says {channels}: mix down before, by "
            f"ffmpeg … {_FFMPEG[sample_format]} -ac 1 - | hfbs live …"
        )


def _ready(
    checkpoint: "Checkpoint",
    latency: float,
    chunk_seconds: float | None,
    stems: tuple[str, ...],
    instrumental: bool,
    device: str,
    precision: str,
    compiled: bool,
) -> "LiveSeparator":
    from ._live_separator import LiveSeparator

    chosen, residuals = with_instrumental(checkpoint, stems) if instrumental else (stems, {})
    try:
        return LiveSeparator(
            checkpoint,
            latency,
            chunk_seconds=chunk_seconds,
            device=device,
            precision=precision,
            stems=chosen if chosen or residuals else checkpoint.stems[:1],
            residuals=residuals,
            compiled=compiled,
        )
    except (OptionError, SeparationError) as error:
        raise click.ClickException(str(error)) from error


def _about(checkpoint: Path, separator: "LiveSeparator", carrier: str) -> str:
    plan, rate = separator.plan, separator.sample_rate
    channels = "stereo" if separator.audio_channels == 2 else "mono"
    return (
        f"{checkpoint.name}: {', '.join(separator.stems)}; {rate} Hz {channels}, {carrier}; latency "
        f"{plan.latency / rate:.3f} s (hop {plan.hop / rate:.3f}, crossfade {plan.crossfade / rate:.3f}, look-ahead "
        f"{plan.look_ahead / rate:.3f}), and up to {plan.hop / rate:.3f} s to compute; chunks of "
        f"{plan.chunk_size / rate:.3g} s"
    )


class _Listener:
    """Tells of drop-outs while a stream goes on, and of all of it at the end."""

    def __init__(self, terminal: Terminal, meter: "LiveMeter", sample_rate: int) -> None:
        self.heard = 0  # samples
        self.facts: dict[str, int] = {}
        self._terminal = terminal
        self._meter = meter
        self._rate = sample_rate
        self._told = 0

    def warn(self, message: str) -> None:
        self._terminal.warn(message)

    def look(self) -> None:
        """Tell of drop-outs since the last look; of people, only the first is told."""
        meter = self._meter
        if meter.drop_outs > self._told:
            self._terminal.event("drop-out", seconds=round(meter.seconds, 3), behind=round(meter.behind, 3))
            if not self._told:
                self._terminal.warn(
                    f"the first drop-out, after {clock(meter.seconds)}: a hop of {meter.hop_seconds:.3g} s was ready "
                    f"{meter.behind:.2g} s late"
                )
        self._told = meter.drop_outs

    def report(self) -> None:
        meter = self._meter
        count = self.facts.get("device_drop_outs", meter.drop_outs)
        dropped = f"{count or 'no'} drop-out{'s' if count != 1 else ''}"
        remedy = ": give a higher --latency or a lower --chunk-seconds" if count else ""
        self._terminal.say(
            f"{clock(self.heard / self._rate)} in {meter.hops} hops of {meter.hop_seconds:.3f} s: load "
            f"{meter.load:.2f}, at most {meter.highest_load:.2f}; {dropped}{remedy}"
        )
        self._terminal.event(
            "report",
            seconds=self.heard / self._rate,
            hops=meter.hops,
            drop_outs=meter.drop_outs,
            load=round(meter.load, 4),
            highest_load=round(meter.highest_load, 4),
            **self.facts,
        )


def _between_pipes(separator: "LiveSeparator", sample_format: PcmFormat, channels: int, listener: _Listener) -> None:
    reader = PcmReader(cast(BufferedReader, sys.stdin.buffer), sample_format, channels)
    writer = PcmWriter(sys.stdout.buffer, sample_format)
    to_skip = separator.latency  # of the silence before the stream

    def give(stems: Mapping[str, Audio]) -> None:
        nonlocal to_skip
        given = np.concatenate([_in_channels(stem, channels) for stem in stems.values()])[:, to_skip:]
        to_skip -= min(to_skip, next(iter(stems.values())).shape[1])
        if given.shape[1]:
            writer.write(given)

    try:
        for block in _heard(reader, separator.plan.hop):
            give(_processed(separator, np.broadcast_to(block, (separator.audio_channels, block.shape[1])), listener))
            listener.heard += block.shape[1]
            listener.look()
        if not listener.heard:
            raise OptionError("standard input ended without a sample: what feeds it may have failed")
        give(separator.flush())
        listener.look()
    except BrokenPipeError:
        _close_output()
        listener.warn("what reads standard output has closed it")
    except OSError as error:
        _close_output()
        raise OutputError(f"standard output cannot be written: {reason(error)}") from error
    if reader.left_over:
        count = len(reader.left_over)
        listener.warn(
            f"the input ended within a frame: {count} byte{'s' if count > 1 else ''} left out; check --format and "
            "--channels"
        )
    if writer.clipped:
        listener.warn(f"{writer.clipped} samples were beyond what {sample_format} holds, and clipped")
        listener.facts["clipped"] = writer.clipped


def _heard(reader: PcmReader, most: int) -> Iterator[Audio]:
    try:
        yield from reader.blocks(most)
    except OSError as error:
        raise AudioFileError(f"standard input cannot be read: {reason(error)}") from error


def _processed(separator: "LiveSeparator", block: Audio, listener: _Listener) -> Mapping[str, Audio]:
    try:
        return separator.process(block)
    except ValueError as error:
        raise OptionError(f"after sample {listener.heard} of the input: {error}; check --format") from error


def _in_channels(stem: Audio, channels: int) -> Audio:
    return stem if channels == stem.shape[0] else stem.mean(axis=0, keepdims=True)


def _close_output() -> None:
    """Let the interpreter's last flush of standard output go nowhere."""
    if sys.stdout.buffer is getattr(sys.__stdout__, "buffer", None):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _between_devices(
    separator: "LiveSeparator", sound_input: int | str | None, sound_output: int | str | None, listener: _Listener
) -> None:
    from ._live_sound import SoundLoop, opened

    loop = SoundLoop(separator, separator.stems[0])
    with opened(loop, separator, sound_input, sound_output) as stream:
        try:
            while stream.active:
                listener.heard += loop.work()
                listener.look()
        finally:
            listener.facts |= {
                "device_drop_outs": loop.drop_outs,
                "missing": loop.missing,
                "lost": loop.lost,
            }
