"""Makes training data: shards of conversations as token ids, with a mask that marks what the model is to learn.

    python3 data.py --out data --shards 20 --seed 1
    python3 data.py --out data --first 20 --shards 4      more of them, later

The same seed gives the same shards. See `show.py` for what the conversations look like.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, Sequence

from options import whole
from practice import families as _families  # noqa: F401  registers them
from practice.conversation import SPEAKERS, Segment, draw_conversation, to_segments
from practice.draw import Draw

HERE = Path(__file__).parent
MAX_TOKENS = 3200
#: How many requests a conversation has, by weight.
REQUESTS = {1: 55, 2: 20, 3: 9, 4: 5, 5: 3, 6: 2, 7: 1, 8: 3, 9: 1, 10: 1}
#: Of one seed. More would be given the numbers of the next seed, and so its data.
MAX_SHARDS = 1000
ROLES = ("tools", "user", "assistant", "tool")


def main() -> None:
    options = parse_options()
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(options.tokenizer))
    options.out.mkdir(parents=True, exist_ok=True)
    for number in range(options.first, options.first + options.shards):
        write_shard(tokenizer, options.out / f"shard_{number:03d}.npz", seed_of(options.seed, number), options.tokens)


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Ends the program with a message for options that cannot be right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    # `Random` draws the same for a number and its negative.
    parser.add_argument("--seed", type=whole(0), default=1)
    parser.add_argument("--first", type=whole(0), default=0, help="number of the first shard")
    parser.add_argument("--shards", type=whole(1), default=20, help="how many (default %(default)s)")
    parser.add_argument("--tokens", type=whole(1), default=1_500_000, help="of a shard (default %(default)s)")
    parser.add_argument("--tokenizer", type=Path, default=HERE / "tokenizer.json", metavar="FILE")
    options = parser.parse_args(arguments)
    last = options.first + options.shards - 1
    if last >= MAX_SHARDS:
        parser.error(
            f"--first {options.first} --shards {options.shards}: the last would have number {last}, but a seed has "
            f"none above {MAX_SHARDS - 1}; take another --seed and --out"
        )
    return options


def seed_of(seed: int, number: int) -> int:
    """Of one shard, other than that of any shard of another seed."""
    return seed * MAX_SHARDS + number


def write_shard(tokenizer: Any, path: Path, seed: int, tokens_wanted: int) -> None:
    """Writes `ids` (uint16), `mask` (1 where the assistant speaks) and `off` (where each conversation starts)."""
    import numpy as np

    started = time.time()
    draw = Draw(seed)
    ids: list[int] = []
    mask: list[int] = []
    offsets = [0]
    while len(ids) < tokens_wanted:
        requests = draw.random.choices(list(REQUESTS), list(REQUESTS.values()))[0]
        segments = to_segments(draw_conversation(draw, requests))
        for tokens, learnt in encode(tokenizer, segments):
            ids += tokens
            mask += learnt
        offsets.append(len(ids))
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        np.savez(file, ids=np.array(ids, np.uint16), mask=np.array(mask, np.uint8), off=np.array(offsets, np.int64))
    part.replace(path)
    lengths = np.diff(offsets)
    print(
        f"{path.name}: {len(lengths)} conversations, {len(ids)} tokens, {sum(mask) / len(mask):.0%} learnt, "
        f"median {np.median(lengths):.0f}, 90 % below {np.percentile(lengths, 90):.0f}, longest {lengths.max()}, "
        f"{time.time() - started:.0f} s",
        flush=True,
    )


def encode(tokenizer: Any, segments: list[Segment]) -> list[tuple[list[int], list[int]]]:
    """For each segment, up to the longest that is trained on, its ids and mask; a role's own token is not learnt."""
    encoded = []
    total = 0
    end = tokenizer.token_to_id("<|end|>")
    for (role, _text), encoding in zip(segments, tokenizer.encode_batch([text for _role, text in segments])):
        tokens = encoding.ids
        total += len(tokens) + 2
        if total > MAX_TOKENS:
            break
        learnt = int(role == "assistant")
        speaker = tokenizer.token_to_id(f"<|{SPEAKERS.get(role, role)}|>")
        encoded.append(([speaker, *tokens, end], [0] + [learnt] * (len(tokens) + 1)))
    return encoded


if __name__ == "__main__":
    main()
