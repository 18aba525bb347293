"""A song's scores, and the mean and median over songs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .._errors import DatasetError
from .._types import Progress
from ._anchors import ESTIMATORS
from ._folders import SongFiles
from ._metrics import choose_metrics, judge_by
from ._names import ANCHORS, MUSEVAL
from ._ratios import Frames, framed, median_sdr
from ._signals import is_silent
from ._songs import Song, load_song

NAN: Final = float("nan")


@dataclass(frozen=True, slots=True)
class Score:
    """How one estimate of one stem of one song scores.

    Attributes:
        song: The song's name.
        stem: The stem's name.
        estimator: Whose estimate: the name given to a model, ``"ideal ratio mask"``, ``"static Wiener"``,
            ``"mixture"`` or ``"silence"``.
        silent: Whether the true stem is below -60 dB of full scale, by its mean square over the song. Nothing is
            scored then.
        values: By the metrics' names; NaN where a metric has no value. Empty for a silent stem.
    """

    song: str
    stem: str
    estimator: str
    silent: bool
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """What all songs' scores of one stem and estimator come to.

    Attributes:
        stem: The stem's name.
        estimator: Whose estimates.
        songs: How many songs count.
        silent: In how many songs the stem is silent, and so left out.
        mean: Of each metric, over the songs in which it has a value; NaN where there is none.
        median: Likewise.
    """

    stem: str
    estimator: str
    songs: int
    silent: int
    mean: Mapping[str, float]
    median: Mapping[str, float]


def score_song(
    song: Song,
    estimates: Mapping[str, Mapping[str, NDArray[np.float32]]],
    metrics: Sequence[str],
    *,
    progress: Progress | None = None,
) -> list[Score]:
    """Score estimates of a song's stems, and the four anchors beside them.

    Args:
        song: With its true stems.
        estimates: By the estimator's name, each with an estimate per stem of the song, of the mixture's shape.
        metrics: As :func:`choose_metrics` gives them.
        progress: Called with (estimates scored, estimates in all), first with (0, estimates in all).

    Returns:
        For each stem, for each estimator, then for each anchor, one score.

    Raises:
        DatasetError: An estimate is missing or has another shape, or an estimator has an anchor's name.
    """
    _check(song, estimates)
    estimators = [*estimates, *ANCHORS]
    heard = {stem: truth for stem, truth in song.stems.items() if not is_silent(truth)}
    values: dict[tuple[str, str], dict[str, float]] = {}
    frames: dict[str, list[Frames]] = {estimator: [] for estimator in estimators}
    total = len(heard) * len(estimators)
    if progress is not None:
        progress(0, total)
    for stem, truth in heard.items():
        judge = judge_by(metrics, truth, song.mixture, song.sample_rate)
        for estimator in estimators:
            anchor = ESTIMATORS.get(estimator)
            estimate = estimates[estimator][stem] if anchor is None else anchor(truth, song.mixture)
            values[stem, estimator] = judge(estimate)
            if MUSEVAL in metrics:
                frames[estimator].append(framed(truth, estimate, song.sample_rate))
            if progress is not None:
                progress(len(values), total)
    if MUSEVAL in metrics and heard:
        for estimator, of_stems in frames.items():
            for stem, value in zip(heard, median_sdr(of_stems), strict=True):
                values[stem, estimator][MUSEVAL] = value
    return [
        Score(song.name, stem, estimator, stem not in heard, _in_order(values.get((stem, estimator), {}), metrics))
        for stem in song.stems
        for estimator in estimators
    ]


def evaluate(
    songs: Iterable[SongFiles],
    estimators: Mapping[str, Callable[[Song], Mapping[str, NDArray[np.float32]]]] | None = None,
    *,
    metrics: Sequence[str] | None = None,
) -> Iterator[Score]:
    """Score estimators on songs, one song in memory at a time, and the four anchors beside them.

    Args:
        songs: As :func:`find_songs` gives them.
        estimators: By name, functions from a :class:`Song` to its estimates by stem, float32 arrays of the mixture's
            shape, as ``lambda song: separator.separate(song.mixture, song.sample_rate)`` gives them. None: the anchors
            alone.
        metrics: Any of ``sdr``, ``si_sdr``, ``museval_sdr``, ``l1_freq``, ``bleedless``, ``fullness`` and
            ``log_wmse``. None: all, the last where its library is installed.

    Yields:
        For each song, for each stem, for each estimator, then for each anchor, one score.

    Raises:
        OptionError: There is no such metric.
        ImportError: The library of ``log_wmse`` is missing; the message says how to install it.
        AudioFileError: A file of a song cannot be read as audio.
        DatasetError: The files of a song or an estimate do not fit each other, or an estimate is missing.
    """
    chosen = choose_metrics(metrics)
    for files in songs:
        song = load_song(files)
        yield from score_song(song, {name: of(song) for name, of in (estimators or {}).items()}, chosen)


def summarize(scores: Iterable[Score]) -> list[Summary]:
    """Mean and median over songs of each stem, estimator and metric, in the order in which they come."""
    groups: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        groups.setdefault((score.stem, score.estimator), []).append(score)
    # Songs may have their stems in different orders, and the first may lack some: bring the stems together.
    order = list(dict.fromkeys(stem for stem, _ in groups))
    summaries: list[Summary] = []
    for (stem, estimator), group in sorted(groups.items(), key=lambda item: order.index(item[0][0])):
        counted = [score.values for score in group if not score.silent]
        names = dict.fromkeys(name for values in counted for name in values)
        known = {name: [values[name] for values in counted if not np.isnan(values[name])] for name in names}
        summaries.append(
            Summary(
                stem,
                estimator,
                len(counted),
                len(group) - len(counted),
                {name: mean(values) if values else NAN for name, values in known.items()},
                {name: median(values) if values else NAN for name, values in known.items()},
            )
        )
    return summaries


def _check(song: Song, estimates: Mapping[str, Mapping[str, NDArray[np.float32]]]) -> None:
    for estimator, of_stems in estimates.items():
        if estimator in ANCHORS:
            raise DatasetError(f"{estimator!r} is the name of an anchor: give the estimator another")
        for stem in song.stems:
            if stem not in of_stems:
                raise DatasetError(f"{estimator} gives no {stem} of {song.name}, but {', '.join(of_stems)}")
            shape = of_stems[stem].shape
            if shape != song.mixture.shape:
                raise DatasetError(
                    f"{estimator} gives {stem} of {song.name} in shape {shape}; the mixture's is {song.mixture.shape}"
                )


def _in_order(values: Mapping[str, float], metrics: Sequence[str]) -> dict[str, float]:
    return {name: values[name] for name in metrics if name in values}
