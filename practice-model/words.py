"""The word list: every name and text in the generated data is made of these words.

A tenth of the words, chosen by hash, never occurs in training, so that held-out tasks use names the model has not seen.
"""

from __future__ import annotations

import zlib
from pathlib import Path

MIN_LETTERS = 3
MAX_LETTERS = 10

Words = dict[str, list[str]]


def load_words(path: str | Path) -> Words:
    """Reads one word a line; lower-case ASCII words of 3 to 10 letters are kept, split into `train` and `test`."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return split_words([line.strip() for line in lines])


def split_words(candidates: list[str]) -> Words:
    """Divides the usable words; raises `ValueError` when one of the two parts would be empty."""
    words: Words = {"train": [], "test": []}
    for word in candidates:
        if _is_usable(word):
            words["train" if zlib.crc32(word.encode()) % 10 else "test"].append(word)
    if not words["train"] or not words["test"]:
        raise ValueError("the word list has too few lower-case words of 3 to 10 letters")
    return words


def _is_usable(word: str) -> bool:
    return word.isascii() and word.isalpha() and word.islower() and MIN_LETTERS <= len(word) <= MAX_LETTERS
