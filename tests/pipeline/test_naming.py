"""What a prune step is called, for every kind and mode of it."""

import pytest

from pipeline.naming import short, told
from pipeline.recipe import Prune

STEPS = [
    (Prune(ratio=0.5), "50.0% of each group's channels", "0.5"),
    (Prune(ratio=0.5, strategy="global"), "50.0% of all channels", "0.5"),
    (Prune(ratio=0.25, granularity="block"), "25.0% of the blocks that can go", "0.25"),
    (Prune(ratio=0.8, granularity="weight"), "80.0% of the weights", "0.8"),
    (Prune(pattern="2:4", granularity="weight"), "2 of 4 neighbouring weights stay", "2of4"),
    (Prune(macs=0.001), "to 0.001 of the MACs", "macs-0.001"),
    (Prune(params=0.4), "to 0.4 of the parameters", "params-0.4"),
    (Prune(size_bytes=60_000), "to 60,000 bytes of parameters", "size-bytes-60000"),
]


@pytest.mark.parametrize(("step", "words", "word"), STEPS)
def test_every_step_has_words(step: Prune, words: str, word: str) -> None:
    assert told(step) == words
    assert short(step) == word
