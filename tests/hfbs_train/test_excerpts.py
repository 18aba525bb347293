"""Excerpts are functions of seed and number, say where they are from, and add up to their mixtures."""

import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hfbs_separate import AudioFileError, DatasetError
from hfbs_train import ConfigurationError, RunError
from hfbs_train.data import Choice, Excerpts, Report, ResidentSongs, check, excerpt_batches, find_training_songs
from training_songs import RATE, noise, telling, told, write_song

STEMS = ("vocals", "drums", "other")
SAMPLES = 4000
ALIGNED = Choice(remix=0, silent_share=0)


def report_of(*places: Path, stems: tuple[str, ...] = STEMS, **options: str) -> Report:
    return check(find_training_songs(places, {stem: [stem] for stem in stems}, **options), sample_rate=RATE)


def excerpts_of(
    report: Report, choice: Choice | None = None, stems: tuple[str, ...] = STEMS, **options: int
) -> Excerpts:
    return Excerpts(report, stems, **{"samples": SAMPLES, "sample_rate": RATE, **options}, choice=choice)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three songs whose stems say who they are: stem s of song n says 4n + s; each is 5 s to 7 s long."""
    folder = tmp_path_factory.mktemp("telling")
    for number in range(3):
        stems = {stem: telling(4 * number + place, 5 + number) for place, stem in enumerate(STEMS)}
        write_song(folder / str(number), stems)
    return folder


@pytest.fixture(scope="module")
def report(songs: Path) -> Report:
    return report_of(songs)


@given(
    seed=st.integers(0, 2**40), numbers=st.lists(st.integers(0, 2**50), min_size=1, max_size=5), remix=st.floats(0, 1)
)
@settings(max_examples=20)
def test_an_excerpt_depends_on_seed_and_number_alone(
    report: Report, seed: int, numbers: list[int], remix: float
) -> None:
    choice = Choice(remix=remix, remix_stems=0.5, mixup=(0.3,))
    one = excerpts_of(report, choice, seed=seed)
    other = pickle.loads(pickle.dumps(excerpts_of(report, choice, seed=seed)))
    first = [one[number] for number in numbers]
    for number, excerpt in reversed(list(zip(numbers, first, strict=True))):
        again = other[number]
        assert again.index == excerpt.index == number
        np.testing.assert_array_equal(again.stems, excerpt.stems)
        np.testing.assert_array_equal(again.known, excerpt.known)
        np.testing.assert_array_equal(again.rest, excerpt.rest)


def test_seeds_and_numbers_give_different_excerpts(report: Report) -> None:
    one, other = excerpts_of(report, seed=1), excerpts_of(report, seed=2)
    found = [excerpts[number].stems.tobytes() for excerpts in (one, other) for number in range(20)]
    assert len(set(found)) == len(found)


def test_an_aligned_excerpt_is_of_one_song_and_one_place(report: Report) -> None:
    excerpts = excerpts_of(report, ALIGNED)
    starts: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for number in range(150):
        excerpt = excerpts[number]
        assert excerpt.stems.shape == (3, 2, SAMPLES)
        assert excerpt.stems.dtype == excerpt.rest.dtype == np.float32
        assert excerpt.known.all()
        assert not excerpt.rest.any()
        tolds = [told(stem) for stem in excerpt.stems]
        song = tolds[0][0] // 4
        assert [who for who, _ in tolds] == [4 * song, 4 * song + 1, 4 * song + 2]
        assert len({place for _, place in tolds}) == 1
        starts[song].append(tolds[0][1])
    for song, found in starts.items():
        end = (5 + song) * RATE - SAMPLES
        assert len(found) > 30
        assert 0 <= min(found) < 0.15 * end
        assert 0.85 * end < max(found) <= end


def test_a_remixed_excerpt_is_of_any_songs_and_places(report: Report) -> None:
    excerpts = excerpts_of(report, Choice(remix=1))
    songs: Counter[tuple[int, ...]] = Counter()
    for number in range(200):
        tolds = [told(stem) for stem in excerpts[number].stems]
        assert [who % 4 for who, _ in tolds] == [0, 1, 2]
        assert len({place for _, place in tolds}) == 3
        songs[tuple(who // 4 for who, _ in tolds)] += 1
    assert len(songs) == 27  # every combination


@pytest.mark.parametrize("remix", [0.25, 0.75])
def test_remix_is_the_share_of_remixed_excerpts(report: Report, remix: float) -> None:
    excerpts = excerpts_of(report, Choice(remix=remix))
    remixed = sum(len({told(stem)[1] for stem in excerpts[number].stems}) > 1 for number in range(400))
    assert abs(remixed / 400 - remix) < 0.07


def test_remix_stems_is_the_share_of_exchanged_stems(report: Report) -> None:
    excerpts = excerpts_of(report, Choice(remix=1, remix_stems=0.3))
    # Stems that were not exchanged share their place with another one, unless both others were exchanged.
    alone = sum(len({told(stem)[1] for stem in excerpts[number].stems}) == 1 for number in range(300))
    assert abs(alone / 300 - 0.7**3) < 0.08


def test_mixup_adds_excerpts_of_the_same_stem(report: Report) -> None:
    twice = excerpts_of(report, Choice(remix=1, mixup=(1.0, 1.0)))
    for number in range(20):
        for place, stem in enumerate(twice[number].stems):
            steps = np.diff(stem.astype(np.float64)) * 2**22
            np.testing.assert_allclose(steps, 3, atol=1)  # of three ramps
            assert stem.min() > 0
            assert place in (0, 1, 2)
    sometimes = excerpts_of(report, Choice(remix=1, mixup=(0.25,)))
    steps = [np.diff(stem[0].astype(np.float64)).mean() * 2**22 for n in range(150) for stem in sometimes[n].stems]
    assert abs(np.mean(np.rint(steps) == 2) - 0.25) < 0.07


def test_songs_shorter_than_an_excerpt_end_in_silence(report: Report) -> None:
    excerpt = excerpts_of(report, ALIGNED, samples=8 * RATE)[0]
    song = told(excerpt.stems[0][:, :100])[0] // 4
    length = (5 + song) * RATE
    for place, stem in enumerate(excerpt.stems):
        assert told(stem[:, :length]) == (4 * song + place, 0)
        assert not stem[:, length:].any()


@pytest.fixture(scope="module")
def half_silent(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Four songs of 20 s: vocals play in the first half of each, a rare stem in one alone, for 3 s."""
    folder = tmp_path_factory.mktemp("silent")
    for number in range(4):
        vocals, rare = noise(number, 20), np.zeros((2, 20 * RATE), np.float32)
        vocals[:, 10 * RATE :] = 0
        if number == 2:
            rare[:, 15 * RATE : 18 * RATE] = noise(9, 3)
        write_song(folder / str(number), {"vocals": vocals, "drums": noise(10 + number, 20), "rare": rare})
    return report_of(folder, stems=("vocals", "drums", "rare"))


def level(audio: np.ndarray) -> float:
    return float(np.mean(audio.astype(np.float64) ** 2))


@pytest.mark.parametrize("share", [0, 0.3, 1])
def test_silent_share_is_the_share_of_silent_stems(half_silent: Report, share: float) -> None:
    excerpts = excerpts_of(half_silent, Choice(silent_share=share), ("vocals", "drums", "rare"), samples=RATE // 2)
    silent = np.array([[level(stem) < 1e-6 for stem in excerpts[number].stems] for number in range(400)])
    # An active place may begin up to a second before its stem does.
    assert not silent[:, 1].any()  # drums play everywhere
    assert share - 0.07 < silent[:, 0].mean() < share + 0.15
    assert share - 0.07 < silent[:, 2].mean() < share + 0.35


def test_rare_stems_are_heard_as_often_as_others(half_silent: Report) -> None:
    excerpts = excerpts_of(half_silent, ALIGNED, ("vocals", "drums", "rare"), samples=RATE // 2)
    heard = np.array([[level(stem) >= 1e-6 for stem in excerpts[number].stems] for number in range(300)])
    # A third is drawn for the sake of each; the rare one plays in 3 s of 80, and some begin before it.
    assert 0.15 < heard[:, 2].mean() < 0.45


@pytest.fixture(scope="module")
def partly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Songs of which some lack drums: with a mixture, with a file of another name, and with nothing else."""
    folder = tmp_path_factory.mktemp("partly")
    stems = {stem: noise(number, 6) for number, stem in enumerate(STEMS)}
    write_song(folder / "all", stems | {"mixture": noise(0, 6) + noise(1, 6) + noise(2, 6)})
    known = {"vocals": noise(10, 6), "other": noise(12, 6)}
    write_song(folder / "mixed", known | {"mixture": noise(10, 6) + noise(11, 6) + noise(12, 6)})
    write_song(folder / "named", {"vocals": noise(20, 6), "other": noise(22, 6), "drum kit": noise(21, 6)})
    return folder


def test_stems_and_rest_are_the_mixture_whatever_is_labelled(partly: Path) -> None:
    report = report_of(partly, missing="unlabelled")
    excerpts = excerpts_of(report, ALIGNED)
    mixtures = {
        name: np.sum([noise(10 * number + stem, 6) for stem in range(3)], axis=0)
        for number, name in enumerate(("all", "mixed", "named"))
    }
    seen: Counter[str] = Counter()
    for number in range(40):
        excerpt = excerpts[number]
        total = excerpt.stems.sum(axis=0) + excerpt.rest
        for name, mixture in mixtures.items():
            start = int(np.correlate(mixture[0, : 200 - SAMPLES], total[0, :200], "valid").argmax())
            if np.allclose(mixture[:, start : start + SAMPLES], total, atol=1e-6):
                seen[name] += 1
                assert excerpt.known.tolist() == [True, name == "all", True]
                assert excerpt.rest.any() == (name != "all")
                assert excerpt.stems[1].any() == (name == "all")
    assert set(seen) == set(mixtures)
    assert sum(seen.values()) == 40


def test_remixes_of_partly_labelled_songs_are_fully_labelled(partly: Path) -> None:
    excerpts = excerpts_of(report_of(partly, missing="unlabelled"), Choice(remix=1))
    for number in range(30):
        assert excerpts[number].known.all()
        assert not excerpts[number].rest.any()


def test_what_else_plays_goes_with_the_stems_in_remixes_too(songs: Path) -> None:
    report = report_of(songs, stems=("vocals",))
    for choice in (Choice(remix=1, silent_share=0), ALIGNED):
        excerpt = excerpts_of(report, choice, ("vocals",))[0]
        rest = excerpt.rest.astype(np.float64) * 2**22  # of two ramps, drums and other
        np.testing.assert_allclose(np.diff(rest), 2)


def test_what_else_plays_is_heard_in_remixes_as_often_as_in_songs(songs: Path, tmp_path: Path) -> None:
    """In one song of many, then, and not in all excerpts."""
    shutil.copytree(songs, tmp_path / "songs")
    write_song(tmp_path / "songs" / "0", {"crowd": telling(30, 5)})
    report = report_of(tmp_path / "songs")
    for remix in (0, 1):
        recipes = map(excerpts_of(report, Choice(remix=remix, silent_share=0)).recipe, range(600))
        heard = sum(any(cut.place == len(STEMS) for cut in recipe.cuts) for recipe in recipes)
        assert abs(heard / 600 - 1 / 3) < 0.1


@pytest.mark.parametrize("seconds", [2.0, 2.5, 3.0, 9.75])
def test_excerpts_of_short_songs_begin_anywhere(tmp_path: Path, seconds: float) -> None:
    write_song(tmp_path / "song", {"vocals": telling(0, seconds)})
    excerpts = excerpts_of(report_of(tmp_path, stems=("vocals",)), stems=("vocals",))
    last = int(seconds * RATE) - SAMPLES
    starts = np.array([excerpts.recipe(number).cuts[0].start for number in range(1000)])
    assert starts.min() >= 0
    assert last * 0.98 < starts.max() <= last
    assert max(Counter(starts.tolist()).values()) < 20
    per_tenth, _ = np.histogram(starts, bins=10, range=(0, last))
    assert per_tenth.min() > 40


def test_derived_stems_are_sums_and_differences_of_files(tmp_path: Path) -> None:
    three = [noise(number, 6) for number in range(3)]
    write_song(tmp_path / "song", dict(zip(STEMS, three, strict=True)) | {"mixture": sum(three)})
    found = {}
    for parts in (["drums", "other"], ["mixture", "-vocals"]):
        songs = find_training_songs([tmp_path], {"vocals": ["vocals"], "instrumental": parts})
        excerpts = excerpts_of(check(songs), ALIGNED, ("vocals", "instrumental"))
        found[parts[0]] = excerpts[3]
        assert not found[parts[0]].rest.any()
    np.testing.assert_allclose(found["drums"].stems, found["mixture"].stems, atol=1e-6)


def test_single_stems_and_songs_go_together(songs: Path, tmp_path: Path) -> None:
    write_song(tmp_path / "vocals", {"a": telling(12, 8), "b": telling(13, 8, channels=1)})
    mixed = check(
        [
            *find_training_songs([songs], {stem: [stem] for stem in STEMS}),
            *find_training_songs([tmp_path], {"vocals": ["vocals"]}),
        ]
    )
    remixed = excerpts_of(mixed, Choice(remix=1))
    assert {told(remixed[number].stems[0])[0] for number in range(60)} == {0, 4, 8, 12, 13}
    aligned = excerpts_of(mixed, ALIGNED)
    assert {told(aligned[number].stems[0])[0] for number in range(60)} == {0, 4, 8}


def test_what_cannot_be_drawn_is_refused_in_words(songs: Path, report: Report, tmp_path: Path) -> None:
    def refusal(function, *arguments, **options) -> str:
        with pytest.raises((ConfigurationError, DatasetError)) as caught:
            function(*arguments, **options)
        return str(caught.value)

    assert refusal(Choice, remix=1.5) == "remix is from 0 to 1, got 1.5"
    assert refusal(Choice, mixup=(0.5, -1)) == "mixup is from 0 to 1, got -1"
    assert refusal(excerpts_of, report, samples=0) == "samples is a whole number from 1 on, got 0"
    assert refusal(excerpts_of, report, channels=3) == "channels are 1 or 2, got 3"
    assert refusal(excerpts_of, report, stems=("vocals", "bass")) == (
        "no song has a stem bass: name a folder that has, or leave it out of the stems"
    )
    write_song(tmp_path / "stems" / "vocals", {"a": telling(1, 6)})
    alone = check(find_training_songs([tmp_path / "stems"], {"vocals": ["vocals"]}))
    assert refusal(excerpts_of, alone, ALIGNED, ("vocals",)).startswith("aligned excerpts need folders of songs, but ")
    write_song(tmp_path / "silent" / "song", {"vocals": np.zeros((2, 40000)), "drums": noise(0, 5)})
    silent = report_of(tmp_path / "silent", stems=("vocals", "drums"))
    assert refusal(excerpts_of, silent, stems=("vocals", "drums")) == (
        "the stem vocals is silent (below -60 dB) in all songs: nothing can be learned of it"
    )
    write_song(tmp_path / "songs" / "one", {"vocals": noise(0, 5), "drums": noise(1, 5)})
    write_song(tmp_path / "songs" / "two", {"vocals": noise(2, 5)})
    broken = report_of(tmp_path / "songs", stems=("vocals", "drums"))
    assert refusal(excerpts_of, broken, stems=("vocals", "drums")).startswith(
        f"{tmp_path}/songs/two has no file drums: add it, or say by missing what that means"
    )
    batches = {"batch_size": 4, "rank": 0, "world_size": 1}
    excerpts = excerpts_of(report)
    assert refusal(excerpt_batches, excerpts, **batches | {"batch_size": 0}) == (
        "batch_size is a whole number from 1 on, got 0"
    )
    assert refusal(excerpt_batches, excerpts, **batches | {"rank": 1}) == "rank is from 0 to 0, got 1"
    assert refusal(excerpt_batches, excerpts, **batches | {"world_size": 3}) == (
        "batch_size is that of all processes together: a multiple of their number, 3, got 4"
    )


@given(share=st.integers(1, 3), world_size=st.integers(1, 3), first_step=st.integers(0, 50), later=st.integers(0, 2))
@settings(max_examples=15)
def test_processes_and_restarts_change_nothing_that_a_step_sees(
    report: Report, share: int, world_size: int, first_step: int, later: int
) -> None:
    excerpts = excerpts_of(report, samples=50)
    size = share * world_size
    before = torch.random.get_rng_state()
    single = list(islice(excerpt_batches(excerpts, batch_size=size, first_step=first_step), 3))
    parts = [
        list(
            islice(
                excerpt_batches(
                    excerpts, batch_size=size, first_step=first_step + later, rank=rank, world_size=world_size
                ),
                3 - later,
            )
        )
        for rank in range(world_size)
    ]
    assert torch.equal(torch.random.get_rng_state(), before)
    for step, batch in enumerate(single):
        assert batch.indices.tolist() == list(range((first_step + step) * size, (first_step + step + 1) * size))
        if step >= later:
            for field in ("indices", "stems", "known", "rest"):
                together = torch.cat([getattr(part[step - later], field) for part in parts])
                assert torch.equal(together, getattr(batch, field))


def test_a_batch_is_what_the_excerpts_are(report: Report) -> None:
    excerpts = excerpts_of(report, Choice(remix=0.5))
    batch = next(excerpt_batches(excerpts, batch_size=4, first_step=2))
    assert (batch.stems.shape, batch.rest.shape, batch.known.shape) == ((4, 3, 2, SAMPLES), (4, 2, SAMPLES), (4, 3))
    assert batch.indices.tolist() == [8, 9, 10, 11]
    for place, number in enumerate(range(8, 12)):
        np.testing.assert_array_equal(batch.stems[place].numpy(), excerpts[number].stems)
        np.testing.assert_array_equal(batch.known[place].numpy(), excerpts[number].known)
    assert torch.equal(batch.to("cpu").stems, batch.stems)


@pytest.mark.parametrize("workers", [0, 2])
def test_songs_held_on_the_device_give_the_same_batches(partly: Path, tmp_path: Path, workers: int) -> None:
    write_song(tmp_path / "shorter than an excerpt", {stem: noise(place, 0.3) for place, stem in enumerate(STEMS)})
    found = report_of(partly, tmp_path, missing="unlabelled", mixture="file")
    choice = Choice(remix=0.5, remix_stems=0.5, mixup=(0.5,))
    excerpts = excerpts_of(found, choice)
    resident = ResidentSongs(excerpts, torch.device("cpu"))
    held = excerpt_batches(excerpts, batch_size=4, first_step=3, workers=workers, resident=resident)
    read = excerpt_batches(excerpts, batch_size=4, first_step=3)
    for one, other in islice(zip(held, read, strict=False), 12):
        assert torch.equal(one.indices, other.indices)
        assert torch.equal(one.known, other.known)
        torch.testing.assert_close(one.stems, other.stems, rtol=0, atol=1e-7)
        torch.testing.assert_close(one.rest, other.rest, rtol=0, atol=1e-7)
    held.close()


def test_songs_held_on_the_device_are_resampled_as_excerpts_are(tmp_path: Path) -> None:
    """And nothing rings after their ends."""
    for number, rate in enumerate((6000, 11025, 16000)):
        stems = {stem: noise(3 * number + place, (1 + number) * rate / RATE) for place, stem in enumerate(STEMS)}
        write_song(tmp_path / str(rate), stems, rate)
    excerpts = excerpts_of(report_of(tmp_path), Choice(remix=0.5))
    resident = ResidentSongs(excerpts, torch.device("cpu"))
    held, read = (next(excerpt_batches(excerpts, batch_size=40, resident=each)) for each in (resident, None))
    torch.testing.assert_close(held.stems, read.stems, rtol=0, atol=1e-6)


def test_songs_that_a_gpu_has_no_room_for_are_refused(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**20, 2**30))
    with pytest.raises(ConfigurationError, match=r"data.resident: the songs take 0\.\d GiB .* leave it out"):
        ResidentSongs(excerpts_of(report), torch.device("cuda:0"))


def test_workers_change_nothing_and_fail_in_one_line(songs: Path, tmp_path: Path) -> None:
    write_song(tmp_path / "0", {stem: noise(number, 5) for number, stem in enumerate(STEMS)})
    excerpts = excerpts_of(report_of(tmp_path), Choice(remix=0.5))
    alone = list(islice(excerpt_batches(excerpts, batch_size=2, first_step=5), 6))
    before = torch.random.get_rng_state()
    batches = excerpt_batches(excerpts, batch_size=2, first_step=5, workers=2)
    for expected in alone:
        batch = next(batches)
        assert torch.equal(batch.indices, expected.indices)
        assert torch.equal(batch.stems, expected.stems)
    assert torch.equal(torch.random.get_rng_state(), before)
    batches.close()

    vocals = tmp_path / "0" / "vocals.wav"
    batches = excerpt_batches(excerpts, batch_size=2, workers=1)
    next(batches)
    for process in multiprocessing.active_children():
        os.kill(process.pid or 0, signal.SIGKILL)
    with pytest.raises(RunError, match="a process that loads excerpts has ended without a word, as where memory runs"):
        list(islice(batches, 10))  # of which some were loaded before

    vocals.unlink()
    with pytest.raises(AudioFileError) as caught:
        next(excerpt_batches(excerpts, batch_size=2, workers=1))
    assert str(caught.value) == f"{vocals}: no such file or directory"


TRAINER = """\
import pickle, sys, time
from pathlib import Path
from hfbs_train.data import excerpt_batches

if __name__ == "__main__":
    batches = excerpt_batches(pickle.loads(Path(sys.argv[1]).read_bytes()), batch_size=2, workers=1)
    next(batches)
    print("loading", flush=True)
    time.sleep(600)
"""


def test_workers_end_with_a_trainer_that_is_killed(songs: Path, tmp_path: Path) -> None:
    script, pickled = tmp_path / "trainer.py", tmp_path / "excerpts"
    script.write_text(TRAINER)
    pickled.write_bytes(pickle.dumps(excerpts_of(report_of(songs))))
    with subprocess.Popen([sys.executable, script, pickled], stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        assert trainer.stdout.readline() == "loading\n"
        trainer.kill()
        # Whatever it started has its standard output, which is at its end once all have ended.
        trainer.communicate(timeout=60)
