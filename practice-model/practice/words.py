"""The words of every name and text, all written for this project: see `words/`.

A tenth of each list, chosen by hash, never occurs in training, so that held-out tasks use names the model has not seen. Only the
lists of what everybody writes are the same in both.
"""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "words"


@dataclass(frozen=True)
class WordList:
    #: Lower-case English words.
    common: list[str]
    #: First names, some with other letters.
    names: list[str]
    #: Words of other languages and scripts, and emoji.
    foreign: list[str]
    #: Short sentences such as one writes into a note.
    sentences: list[str]
    #: What people ask about that is not about files: nouns and noun phrases.
    topics: list[str]
    #: Words that most texts are made of, greetings and what programmers write; in texts, seldom in names.
    everyday: list[str]
    #: Short texts with which people try something out: "hello world".
    phrases: list[str]


Words = dict[str, WordList]


@functools.cache
def load_words() -> Words:
    lists = {name: _read(name) for name in ("common", "names", "foreign", "sentences", "topics")}
    shared = {name: _read(name) for name in ("everyday", "phrases")}
    return {
        split: WordList(
            **{name: [one for one in lines if is_held_out(one) == (split == "test")] for name, lines in lists.items()},
            **shared,
        )
        for split in ("train", "test")
    }


def is_held_out(line: str) -> bool:
    """Whether a line is kept out of training: one of ten."""
    return zlib.crc32(line.encode()) % 10 == 0


def _read(name: str) -> list[str]:
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
