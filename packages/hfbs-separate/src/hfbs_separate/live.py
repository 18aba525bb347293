"""Separation of a stream while it comes, with a stated latency, constant work per block and constant memory."""

from ._live_meter import LiveMeter as LiveMeter
from ._live_plan import LivePlan as LivePlan
from ._live_separator import LiveSeparator as LiveSeparator
