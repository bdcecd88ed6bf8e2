"""Greedy decoding in batches with a key and value cache."""

from __future__ import annotations

import torch
from torch import Tensor

from model import MAX_POSITIONS, Cache, LanguageModel

ROWS_AT_ONCE = 64


@torch.no_grad()
def generate(
    model: LanguageModel, prompts: list[list[int]], max_new: int, end: int, device: str = "cpu"
) -> list[list[int]]:
    """The reply to each prompt, without the token `end`."""
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    replies: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), ROWS_AT_ONCE):
        indices = order[start : start + ROWS_AT_ONCE]
        batch = [prompts[index] for index in indices]
        for index, reply in zip(indices, _generate_batch(model, batch, max_new, end, device)):
            replies[index] = reply
    return replies


def _generate_batch(
    model: LanguageModel, prompts: list[list[int]], max_new: int, end: int, device: str
) -> list[list[int]]:
    rows = len(prompts)
    lengths = [len(prompt) for prompt in prompts]
    longest = min(max(lengths) + max_new, MAX_POSITIONS - 1)
    ids = torch.zeros(rows, max(lengths), dtype=torch.long, device=device)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt)
    caches = _create_caches(model, rows, longest, device)
    positions = torch.tensor(lengths, device=device)
    slots = torch.arange(longest, device=device)
    replies: list[list[int]] = [[] for _ in prompts]
    done = [False] * rows
    with torch.autocast(device, torch.bfloat16, enabled=bool(model.config.bf16)):
        hidden = model.hidden(ids, caches)
        following = model.logits(hidden[torch.arange(rows), positions - 1]).argmax(-1)
        for _ in range(max_new):
            _collect(following, end, replies, done)
            if all(done) or int(positions.max()) >= longest - 1:
                break
            mask = (slots[None] <= positions[:, None])[:, None, None]
            hidden = model.hidden(following[:, None], caches, positions, mask)
            following = model.logits(hidden[:, 0]).argmax(-1)
            positions = positions + 1
    return replies


def _create_caches(model: LanguageModel, rows: int, length: int, device: str) -> list[Cache]:
    config = model.config
    shape = (rows, config.kv, length, config.d // config.h)
    dtype = torch.bfloat16 if config.bf16 else torch.float32
    return [
        (torch.zeros(shape, dtype=dtype, device=device), torch.zeros(shape, dtype=dtype, device=device))
        for _ in range(config.l)
    ]


def _collect(following: Tensor, end: int, replies: list[list[int]], done: list[bool]) -> None:
    for row, token in enumerate(following.tolist()):
        if done[row]:
            continue
        if token == end:
            done[row] = True
        else:
            replies[row].append(token)
