"""Batches of conversations: one conversation a row, rows of similar length together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Iterator, TypeVar

import numpy as np

#: Rows are padded to a multiple of it (and one token more, which is only predicted), so that few different shapes
#: occur: a library prepares each new one.
LENGTH_MULTIPLE = 64

#: Token ids (uint16) and mask (uint8) of all conversations, and where each starts, with the end of the last (int64).
Shard = tuple[np.ndarray, np.ndarray, np.ndarray]
T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """Padded rows: `ids` (rows x width, int64), `mask` (the same, uint8, 1 where learnt), `lengths` without padding."""

    ids: np.ndarray
    mask: np.ndarray
    lengths: np.ndarray

    @property
    def tokens(self) -> int:
        """Without padding."""
        return int(self.lengths.sum())

    def take(self, rows: np.ndarray) -> Batch:
        """Some of the rows, by number."""
        return Batch(self.ids[rows], self.mask[rows], self.lengths[rows])


def load_shard(path: Path) -> Shard:
    """Ids, mask and offsets of a file that `data.py` wrote."""
    stored = np.load(path)
    return stored["ids"], stored["mask"], stored["off"]


def iterate_shards(folder: Path, first: int = 0) -> Iterator[tuple[int, Path]]:
    """
    Shard after shard from the number `first` on, then from the start again; new ones are found while training goes on.
    Raises `FileNotFoundError` when there is none.
    """
    number = first
    while True:
        paths = sorted(folder.glob("shard_*.npz"))
        if not paths:
            raise FileNotFoundError(f"{folder} holds no shards; make them with data.py")
        yield number, paths[number % len(paths)]
        number += 1


def iterate_pools(folder: Path, first: int, cut: Callable[[Shard], Iterable[T]]) -> Iterator[tuple[int, T]]:
    """
    What `cut` makes of shard after shard, with the number of the shard. Raises `ValueError` when a whole round of
    shards gives nothing, since that would go on for ever.
    """
    empty: set[Path] = set()
    for number, path in iterate_shards(folder, first):
        if path in empty:
            raise ValueError(f"no shard in {folder} has conversations as short as --longest-rows asks; allow longer")
        empty.add(path)
        for pool in cut(load_shard(path)):
            empty.clear()
            yield number, pool


def iterate_batches(shard: Shard, rng: np.random.Generator, max_tokens: int, batch_tokens: int) -> Iterator[Batch]:
    """
    The conversations of one shard that have at most `max_tokens` tokens, in random order. One from which nothing can be
    learnt is left out: a batch of such has no loss.
    """
    ids, mask, offsets = shard
    lengths = np.diff(offsets)
    learnt = np.diff(np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])[offsets])
    rows = np.flatnonzero((lengths <= max_tokens) & (learnt > 0))
    rows = rows[np.argsort(lengths[rows] + rng.integers(0, 24, len(rows)), kind="stable")]
    groups = _group_rows(rows, lengths, batch_tokens)
    rng.shuffle(groups)
    for group in groups:
        yield _pad_rows(group, ids, mask, offsets)


def _group_rows(rows: np.ndarray, lengths: np.ndarray, batch_tokens: int) -> list[list[int]]:
    groups: list[list[int]] = []
    group: list[int] = []
    longest = 0
    for row in rows:
        length = int(lengths[row])
        if group and (len(group) + 1) * max(longest, length) > batch_tokens:
            groups.append(group)
            group, longest = [], 0
        group.append(int(row))
        longest = max(longest, length)
    return [*groups, group] if group else groups


def _pad_rows(rows: list[int], ids: np.ndarray, mask: np.ndarray, offsets: np.ndarray) -> Batch:
    lengths = np.diff(offsets)[rows]
    width = -(-(int(lengths.max()) - 1) // LENGTH_MULTIPLE) * LENGTH_MULTIPLE + 1
    padded_ids = np.zeros((len(rows), width), np.int64)
    padded_mask = np.zeros((len(rows), width), np.uint8)
    for number, (row, length) in enumerate(zip(rows, lengths)):
        padded_ids[number, :length] = ids[offsets[row] : offsets[row + 1]]
        padded_mask[number, :length] = mask[offsets[row] : offsets[row + 1]]
    return Batch(padded_ids, padded_mask, lengths)
