"""The examples in this package's docstrings show what they say."""

import doctest

import pytest

from docstrings import examples_of, show

EXAMPLES = examples_of("hfbs_model")
MAIN = {"BandSplitRotator", "reband", "find_checkpoint"}


def test_the_main_names_have_an_example():
    assert {example.name.rpartition(".")[2] for example in EXAMPLES} >= MAIN


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_example_shows_what_it_says(example: doctest.DocTest):
    show(example)
