"""Scores and summary as CSV and JSON."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from ._scores import Score, Summary


def as_csv(scores: Sequence[Score], metrics: Sequence[str]) -> bytes:
    """A line per song, stem and estimator; nothing where a metric has no value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("song", "stem", "estimator", "silent", *metrics))
    for score in scores:
        numbers = [_known(score.values.get(name)) for name in metrics]
        writer.writerow((score.song, score.stem, score.estimator, str(score.silent).lower(), *numbers))
    return _encoded(text.getvalue())


def as_json(
    scores: Sequence[Score],
    summaries: Sequence[Summary],
    metrics: Sequence[str],
    failed: Mapping[str, str],
    about: Mapping[str, object],
) -> bytes:
    """One object: what was asked, all scores, the summary, and which songs failed; null where there is no value."""
    document = {
        "hfbs-separate": version("hfbs-separate"),
        **about,
        "metrics": list(metrics),
        "summary": [
            {
                "stem": summary.stem,
                "estimator": summary.estimator,
                "songs": summary.songs,
                "silent": summary.silent,
                "mean": {name: _known(value) for name, value in summary.mean.items()},
                "median": {name: _known(value) for name, value in summary.median.items()},
            }
            for summary in summaries
        ],
        "scores": [
            {"song": score.song, "stem": score.stem, "estimator": score.estimator, "silent": score.silent}
            | {name: _known(score.values.get(name)) for name in metrics}
            for score in scores
        ],
        "failed": [{"song": song, "error": error} for song, error in failed.items()],
    }
    return _encoded(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _encoded(text: str) -> bytes:
    r"""In UTF-8; a byte of a file's name that is none as ``\udcff``, which is what JSON has for it, too."""
    return text.encode(errors="backslashreplace")


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
