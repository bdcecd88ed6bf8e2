"""Batches of conversations: one conversation a row, rows of similar length together."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterator

import numpy as np

#: Rows are padded to a multiple of it (and one token more, which is only predicted), so that few different shapes occur: a library
#: prepares each new one.
LENGTH_MULTIPLE = 64

#: Token ids and mask of the rows, and how many tokens are not padding.
Batch = tuple[np.ndarray, np.ndarray, int]
Shard = tuple[np.ndarray, np.ndarray, np.ndarray]


def load_shard(path: Path) -> Shard:
    """Ids, mask and offsets of a file that `data.py` wrote."""
    stored = np.load(path)
    return stored["ids"], stored["mask"], stored["off"]


def iterate_shards(folder: Path, first: int = 0) -> Iterator[tuple[int, Path]]:
    """Shard after shard from the number `first` on, then from the start again; new ones are found while training goes on."""
    number = first
    while True:
        paths = sorted(folder.glob("shard_*.npz"))
        if not paths:
            raise FileNotFoundError(f"{folder} holds no shards; make them with data.py")
        yield number, paths[number % len(paths)]
        number += 1


def iterate_batches(
    shard: Shard, rng: np.random.Generator, max_tokens: Callable[[], int], batch_tokens: Callable[[], int]
) -> Iterator[Batch]:
    """The conversations of one shard that have at most `max_tokens` tokens, in random order."""
    ids, mask, offsets = shard
    lengths = np.diff(offsets)
    rows = np.flatnonzero(lengths <= max_tokens())
    rows = rows[np.argsort(lengths[rows] + rng.integers(0, 24, len(rows)), kind="stable")]
    groups = _group_rows(rows, lengths, batch_tokens)
    rng.shuffle(groups)
    for group in groups:
        yield _pad_rows(group, ids, mask, offsets)


def _group_rows(rows: np.ndarray, lengths: np.ndarray, batch_tokens: Callable[[], int]) -> list[list[int]]:
    groups: list[list[int]] = []
    group: list[int] = []
    longest = 0
    for row in rows:
        length = int(lengths[row])
        if group and (len(group) + 1) * max(longest, length) > batch_tokens():
            groups.append(group)
            group, longest = [], 0
        group.append(int(row))
        longest = max(longest, length)
    return [*groups, group] if group else groups


def _pad_rows(rows: list[int], ids: np.ndarray, mask: np.ndarray, offsets: np.ndarray) -> Batch:
    lengths = [int(offsets[row + 1] - offsets[row]) for row in rows]
    width = -(-(max(lengths) - 1) // LENGTH_MULTIPLE) * LENGTH_MULTIPLE + 1
    padded_ids = np.zeros((len(rows), width), np.int64)
    padded_mask = np.zeros((len(rows), width), np.uint8)
    for number, (row, length) in enumerate(zip(rows, lengths)):
        padded_ids[number, :length] = ids[offsets[row] : offsets[row + 1]]
        padded_mask[number, :length] = mask[offsets[row] : offsets[row + 1]]
    return padded_ids, padded_mask, sum(lengths)
