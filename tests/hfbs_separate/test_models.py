"""``hfbs models``: what it finds, how it shows it, and that programs can read it."""

import io
import json
from dataclasses import fields

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from hfbs_model import KnownCheckpoint, find_checkpoint, known_checkpoints
from hfbs_separate import _command_models
from hfbs_separate.cli import main


def models(*words: str) -> Result:
    return CliRunner().invoke(main, ["models", *words], prog_name="hfbs")


def found(*words: str) -> list[str]:
    result = models(*words, "--json")
    assert result.exit_code == 0, result.output
    return [row["name"] for row in json.loads(result.stdout)]


def test_without_words_all_are_listed_in_order():
    assert found() == [checkpoint.name for checkpoint in known_checkpoints()]


def test_each_word_is_looked_for_in_name_title_author_family_and_stems():
    assert found("bs-sw-6-stems") == ["bs-sw-6-stems"]
    assert found("Revive", "3E") == ["bs-unwa-revive-3e"]
    assert "mel-unwa-bleed-suppressor" in found("97chris")
    assert set(found("sitar")) == {"bs-mvsep-mega-53"}
    families = [set(found(family)) for family in ("bs-roformer", "mel-band")]
    assert families[0] | families[1] == set(found())
    assert not families[0] & families[1]


def test_all_words_must_match():
    karaoke, becruily = set(found("karaoke")), set(found("becruily"))
    assert set(found("karaoke", "becruily")) == karaoke & becruily != karaoke


def test_json_holds_every_field():
    (row,) = json.loads(models("bs-sw-6-stems", "--json").stdout)
    checkpoint = find_checkpoint("bs-sw-6-stems")
    assert row.keys() == {field.name for field in fields(KnownCheckpoint)}
    assert row["stems"] == row["settings"]["stems"] == list(checkpoint.stems)
    assert row["settings"]["stft_hop_length"] == 512
    assert row["sha256"] == checkpoint.sha256


def test_nothing_found_is_an_empty_list_for_programs_and_a_line_for_people():
    assert found("kazoo") == []
    result = models("karaoke", "kazoo")
    assert (result.exit_code, result.stdout) == (2, "")
    number = len(known_checkpoints())
    assert result.stderr == (
        f"hfbs: error: none of the {number} checkpoints matches 'karaoke' and 'kazoo': use fewer words\n"
    )


def test_the_overview_has_a_line_for_each():
    result = models("gabox")
    head, *rows = result.stdout.splitlines()
    assert head.split() == ["name", "what", "it", "gives", "stems", "MB", "licence"]
    assert [row.split()[0] for row in rows] == found("gabox")
    number = len(known_checkpoints())
    assert result.stderr.startswith(f"{len(rows)} of {number} checkpoints; hfbs download NAME fetches one")


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_overview_fits_and_keeps_names_whole(width: int):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(_command_models._overview(known_checkpoints(), narrow=width < _command_models._ROOMY))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    assert {checkpoint.name for checkpoint in known_checkpoints()} <= {line.split(" ")[0] for line in lines}
    assert not any("…" in line for line in lines)


def test_what_no_source_states_is_said_to_be_so():
    assert "see its YAML" in models("bs-becruily-karaoke").stdout
    assert "not stated" in models("mel-kim-vocals").stdout
    assert "53 stems" in models("mega").stdout
    long = models("mel-unwa-kim-ft3", "--long").stdout
    assert "licence       not stated in the sources, which is no permission\n" in long
    assert "SHA-256       none published\n" in long
    assert "bytes" not in long


def test_the_long_page_shows_all_that_is_known():
    checkpoint = find_checkpoint("bs-unwa-hyperace-v2-inst")
    page = models(checkpoint.name, "--long").stdout
    assert page.startswith(f"{checkpoint.name}\n")
    known = (checkpoint.title, checkpoint.author, checkpoint.url, checkpoint.sha256, checkpoint.config_url)
    known += (checkpoint.config_sha256, str(checkpoint.size), *checkpoint.sources, *checkpoint.stems)
    for value in known:
        assert f" {value}\n" in page
    assert "hyperace, of hfbs-experimental\n" in page
    assert "stft_hop_length = 512\n" in page
    assert "skip_connection = false\n" in page


def test_json_and_long_exclude_each_other():
    result = models("--json", "--long")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "hfbs: error: --json shows all there is already: leave out --long\n"
