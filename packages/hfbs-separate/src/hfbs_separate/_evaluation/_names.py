"""The names of metrics and anchors; here, so that the command can offer them before PyTorch is loaded."""

from typing import Final

MIXTURE: Final = "mixture"
MUSEVAL: Final = "museval_sdr"
# By their names in options and files: how a table heads them.
METRICS: Final[dict[str, str]] = {
    "sdr": "SDR",
    "si_sdr": "SI-SDR",
    MUSEVAL: "museval",
    "l1_freq": "L1 freq",
    "bleedless": "bleedless",
    "fullness": "fullness",
    "log_wmse": "log-WMSE",
}
# From the best to the worst. The names stand in tables and files.
ANCHORS: Final[tuple[str, ...]] = ("ideal ratio mask", "static Wiener", MIXTURE, "silence")
