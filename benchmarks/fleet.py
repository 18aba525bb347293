"""Workers, songs and what befalls them, simulated event by event: one lot of ``hfbs separate --engine ray``.

A worker takes the next song when it is free. Where it dies, it starts anew and its song is begun again at once, unless
that was the song's last attempt. The lot ends with its last song. Times are in seconds.
"""

import heapq
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

MUSIC = (200.0, 0.35)  # median in seconds, and the standard deviation of its logarithm
LONG = (3600.0, 0.5)  # mixes, concerts, audio books
LONG_SHARE = 0.002
SHORTEST, LONGEST = 20.0, 4 * 3600.0
LATE = 1.5  # an attempt that has taken so many times what it should take gets a copy


def song_lengths(count: int, chance: random.Random) -> list[float]:
    """Lengths of songs in seconds: two log-normal distributions, one of music and one of long recordings."""
    lengths: list[float] = []
    for _ in range(count):
        median, spread = LONG if chance.random() < LONG_SHARE else MUSIC
        lengths.append(min(max(median * chance.lognormvariate(0.0, spread), SHORTEST), LONGEST))
    return lengths


@dataclass(frozen=True)
class Fleet:
    """Workers, and what befalls them.

    Attributes:
        workers: how many work at a time.
        start_up: from a worker's start to its first song.
        between_preemptions: mean time between two losses of one worker; None: none is lost.
        replaced_after: until a lost worker's machine is replaced.
        crashing: share of attempts in which the worker dies of something that does not come again.
        poisonous: share of songs whose workers always die.
        slow: share of workers that are slow.
        slowness: how many times as long a slow worker takes.
        stuck: share of attempts that take ``stuck_for`` times as long: a disk, a network or a store that crawls.
        stuck_for: how many times as long.
        attempts: after so many deaths a song is given up.
        copies: whether an idle worker, when no song is left, begins a late one again; the first that ends counts.
    """

    workers: int
    start_up: float = 60.0
    between_preemptions: float | None = None
    replaced_after: float = 120.0
    crashing: float = 0.0
    poisonous: float = 0.0
    slow: float = 0.0
    slowness: float = 4.0
    stuck: float = 0.0
    stuck_for: float = 20.0
    attempts: int = 3
    copies: bool = False


@dataclass
class Lot:
    """What became of a lot: the time of all workers, by what it was spent on, and the songs.

    Attributes:
        makespan: from the start to the end of the last song.
        useful: what the songs that are done take on workers that are not slow.
        slowed: what they took beyond that.
        lost: attempts that ended with a death.
        copied: attempts that a copy, or the original, came before.
        starting: starts of workers, and replacements.
        idle: the rest.
        deaths: how many workers died.
        given_up: songs that were given up.
    """

    makespan: float = 0.0
    useful: float = 0.0
    slowed: float = 0.0
    lost: float = 0.0
    copied: float = 0.0
    starting: float = 0.0
    idle: float = 0.0
    deaths: int = 0
    given_up: int = 0

    @property
    def total(self) -> float:
        """All workers' time."""
        return self.useful + self.slowed + self.lost + self.copied + self.starting + self.idle


@dataclass(frozen=True)
class _Attempt:
    song: int
    worker: int
    start: float


class _Simulation:
    def __init__(self, work: Sequence[float], fleet: Fleet, chance: random.Random) -> None:
        self.work = work
        self.fleet = fleet
        self.chance = chance
        self.lot = Lot()
        self.waiting = deque(range(len(work)))
        self.late: deque[int] = deque()
        self.idle: list[int] = []
        self.running: dict[int, _Attempt] = {}
        self.of_song: dict[int, list[int]] = {}
        self.deaths_of: dict[int, int] = {}
        self.poisonous = {song for song in range(len(work)) if chance.random() < fleet.poisonous}
        self.speed = [fleet.slowness if chance.random() < fleet.slow else 1.0 for _ in range(fleet.workers)]
        self.events: list[tuple[float, int, str, int]] = []
        self.number = 0
        self.left = len(work)

    def run(self) -> Lot:
        for worker in range(self.fleet.workers):
            self.starts(worker, 0.0, 0.0)
        now = 0.0
        while self.left:
            now, _, kind, subject = heapq.heappop(self.events)
            if kind == "ready":
                self.take(subject, now)
            elif subject in self.running:
                getattr(self, kind)(subject, now)
        lot = self.lot
        for attempt in self.running.values():  # nothing but copies of songs that are done, or of ones given up
            lot.copied += now - attempt.start
        lot.makespan = now
        # Starts that the lot's end cut short are counted whole; at most they are all that there was to be idle.
        lot.idle = max(0.0, self.fleet.workers * now - lot.total)
        return lot

    def at(self, time: float, kind: str, subject: int) -> None:
        self.number += 1
        heapq.heappush(self.events, (time, self.number, kind, subject))

    def starts(self, worker: int, now: float, after: float) -> None:
        self.lot.starting += after + self.fleet.start_up
        self.at(now + after + self.fleet.start_up, "ready", worker)

    def take(self, worker: int, now: float) -> None:
        """The worker's next song: one that waits, or a late one again, or none."""
        if self.waiting:
            self.begin(self.waiting.popleft(), worker, now)
            return
        while self.late:
            attempt = self.running.get(self.late.popleft())
            if attempt is not None and len(self.of_song[attempt.song]) == 1:
                self.begin(attempt.song, worker, now)
                return
        self.idle.append(worker)

    def begin(self, song: int, worker: int, now: float) -> None:
        fleet, chance, needed = self.fleet, self.chance, self.work[song]
        takes = needed * self.speed[worker] * (fleet.stuck_for if chance.random() < fleet.stuck else 1.0)
        self.number += 1
        attempt = self.number
        self.running[attempt] = _Attempt(song, worker, now)
        self.of_song.setdefault(song, []).append(attempt)
        dies, preempted = float("inf"), float("inf")
        if song in self.poisonous or chance.random() < fleet.crashing:
            dies = chance.random() * takes
        if fleet.between_preemptions is not None:
            preempted = chance.expovariate(1.0) * fleet.between_preemptions
        if preempted < min(dies, takes):
            self.at(now + preempted, "preempted", attempt)
        elif dies < takes:
            self.at(now + dies, "died", attempt)
        else:
            self.at(now + takes, "ended", attempt)
        if fleet.copies and takes > LATE * needed:
            self.at(now + LATE * needed, "is_late", attempt)

    def ended(self, attempt: int, now: float) -> None:
        done = self.running.pop(attempt)
        needed = self.work[done.song]
        self.lot.useful += needed
        self.lot.slowed += now - done.start - needed
        self.left -= 1
        free = [done.worker]
        for other in self.of_song.pop(done.song):
            if other != attempt:
                beaten = self.running.pop(other)
                self.lot.copied += now - beaten.start
                free.append(beaten.worker)
        for worker in free:
            self.take(worker, now)

    def preempted(self, attempt: int, now: float) -> None:
        self.died(attempt, now, self.fleet.replaced_after)

    def died(self, attempt: int, now: float, after: float = 0.0) -> None:
        dead = self.running.pop(attempt)
        song = dead.song
        self.lot.lost += now - dead.start
        self.lot.deaths += 1
        self.starts(dead.worker, now, after)
        self.of_song[song].remove(attempt)
        deaths = self.deaths_of[song] = self.deaths_of.get(song, 0) + 1
        if self.of_song[song]:  # a copy goes on
            return
        if deaths >= self.fleet.attempts:
            self.lot.given_up += 1
            self.left -= 1
        elif self.idle:
            self.begin(song, self.idle.pop(), now)
        else:
            self.waiting.appendleft(song)

    def is_late(self, attempt: int, now: float) -> None:
        if len(self.of_song[self.running[attempt].song]) > 1:
            return
        if self.idle and not self.waiting:
            self.begin(self.running[attempt].song, self.idle.pop(), now)
        else:
            self.late.append(attempt)


def simulate(work: Sequence[float], fleet: Fleet, *, seed: int = 0) -> Lot:
    """What becomes of a lot.

    Args:
        work: seconds that each song takes on a worker that is not slow, in the order in which songs are taken.
        fleet: the workers.
        seed: of all that befalls them.
    """
    if fleet.workers < 1 or fleet.attempts < 1 or not work:
        raise ValueError(f"at least one worker, attempt and song are needed, got {fleet} and {len(work)} songs")
    return _Simulation(work, fleet, random.Random(seed)).run()
