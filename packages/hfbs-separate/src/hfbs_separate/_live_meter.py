"""Whether a live separation keeps up."""

from dataclasses import dataclass


@dataclass(slots=True)
class LiveMeter:
    """Drop-outs and load, from how long each hop's chunk took to compute.

    Samples are taken to come at the rate of the stream, however fast a pipe gives them. A hop's stems are due when the
    next hop has come; where computing ends later, what listens has nothing to play for a while: that is a
    drop-out. Work that is late delays what follows, until it is made good.

    Attributes:
        hop_seconds: how long a hop lasts, and how long computing may take.
        hops: hops so far.
        drop_outs: those of them whose stems were late.
        busy: seconds of computing in all.
        longest: seconds of computing for the hop that took longest.
        behind: seconds by which the work on the last hop ended after the next hop had come; 0 where it was in time.
    """

    hop_seconds: float
    hops: int = 0
    drop_outs: int = 0
    busy: float = 0.0
    longest: float = 0.0
    behind: float = 0.0

    def add(self, seconds: float) -> None:
        """The chunk of one more hop has taken so many seconds to compute."""
        self.hops += 1
        self.busy += seconds
        self.longest = max(self.longest, seconds)
        self.behind = max(self.behind + seconds - self.hop_seconds, 0.0)
        self.drop_outs += self.behind > 0

    @property
    def seconds(self) -> float:
        """Seconds of the stream that all hops last."""
        return self.hops * self.hop_seconds

    @property
    def load(self) -> float:
        """Share of the time that computing took, 0 before the first hop. 0.5 is a headroom of 2."""
        return self.busy / self.seconds if self.hops else 0.0

    @property
    def highest_load(self) -> float:
        """The same of the hop that took longest."""
        return self.longest / self.hop_seconds
