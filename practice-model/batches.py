"""Batches of conversations: one conversation a row, rows of similar length together, never across documents."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterator

import numpy as np

#: Conversations that are sorted by length at a time.
BUCKET = 4096

#: Token ids and mask of the rows, and how many tokens are not padding.
Batch = tuple[np.ndarray, np.ndarray, int]
Conversations = tuple[np.ndarray, np.ndarray, np.ndarray]


def load_conversations(path: Path) -> Conversations:
    """Ids, mask and offsets of a file that `data.py` wrote."""
    stored = np.load(path)
    return stored["ids"], stored["mask"], stored["off"]


def iterate_batches(
    sources: list[Conversations], rng: np.random.Generator, max_tokens: int, batch_tokens: Callable[[], int]
) -> Iterator[Batch]:
    """Source after source for ever; conversations longer than `max_tokens` are left out."""
    while True:
        for ids, mask, offsets in sources:
            order = rng.permutation(len(offsets) - 1)
            for start in range(0, len(order), BUCKET):
                rows = order[start : start + BUCKET]
                rows = rows[np.argsort(offsets[rows + 1] - offsets[rows], kind="stable")]
                groups = _group_rows(rows, offsets, max_tokens, batch_tokens)
                rng.shuffle(groups)
                for group in groups:
                    yield _pad_rows(group, ids, mask, offsets)


def _group_rows(
    rows: np.ndarray, offsets: np.ndarray, max_tokens: int, batch_tokens: Callable[[], int]
) -> list[list[int]]:
    groups: list[list[int]] = []
    group: list[int] = []
    longest = 0
    for row in rows:
        length = offsets[row + 1] - offsets[row]
        if length > max_tokens:
            continue
        if group and (len(group) + 1) * max(longest, length) > batch_tokens():
            groups.append(group)
            group, longest = [], 0
        group.append(row)
        longest = max(longest, length)
    return [*groups, group] if group else groups


def _pad_rows(rows: list[int], ids: np.ndarray, mask: np.ndarray, offsets: np.ndarray) -> Batch:
    lengths = [int(offsets[row + 1] - offsets[row]) for row in rows]
    padded_ids = np.zeros((len(rows), max(lengths)), np.int64)
    padded_mask = np.zeros((len(rows), max(lengths)), np.uint8)
    for number, (row, length) in enumerate(zip(rows, lengths)):
        padded_ids[number, :length] = ids[offsets[row] : offsets[row + 1]]
        padded_mask[number, :length] = mask[offsets[row] : offsets[row + 1]]
    return padded_ids, padded_mask, sum(lengths)
