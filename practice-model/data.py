"""Makes training data: conversations as token ids, with a mask that marks what the model is to learn.

    python3 data.py --words WORDS --out train.npz --count 60000 --seed 1
    python3 data.py --words WORDS --show 2        print examples of every family
    python3 data.py --words WORDS --check 4000    count dialogues that contradict themselves
"""

from __future__ import annotations

import argparse
import collections
import time
from pathlib import Path
from typing import Any

from dialogue import FAMILIES, Generator, Segment, roll_out
from words import load_words

HERE = Path(__file__).parent
BATCH = 4000


def main() -> None:
    options = parse_options()
    words = load_words(options.words)
    generator = Generator(words, options.seed, options.split, options.held_out)
    if options.show:
        show_examples(generator, options.show)
    elif options.check:
        print("contradictions:", dict(count_contradictions(generator, options.check)))
    else:
        write_data(generator, options.tokenizer, options.out, options.count)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", required=True, metavar="FILE", help="word list, one word a line")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=["train", "test"], default="train")
    parser.add_argument("--held-out", choices=["even", "odd"], help="also draw half of the held-out wordings")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="FILE", help="write conversations to this .npz file")
    what.add_argument("--show", type=int, metavar="N", help="print N examples of every family")
    what.add_argument("--check", type=int, metavar="N", help="check N dialogues")
    parser.add_argument("--count", type=int, default=60_000, help="conversations to write (default %(default)s)")
    parser.add_argument("--tokenizer", type=Path, default=HERE / "tokenizer.json", metavar="FILE")
    return parser.parse_args()


def show_examples(generator: Generator, count: int) -> None:
    for family in sorted(FAMILIES):
        print(f"[{family}]")
        for _ in range(count):
            for role, text in roll_out(generator.episode(family).task)[0]:
                print(f"    {role} | {text}")


def count_contradictions(generator: Generator, count: int) -> collections.Counter[str]:
    """By family: calls that fail outside the error family, and answers that lack a fact they must name."""
    found: collections.Counter[str] = collections.Counter()
    for _ in range(count):
        episode = generator.episode()
        segments, _workspace = roll_out(episode.task)
        if episode.family != "error":
            found[episode.family] += sum(role == "tool" and '"ok":false' in text for role, text in segments)
        answer = segments[-1][1]
        found[f"{episode.family} facts"] += sum(fact not in answer for fact in episode.task.facts)
    return +found


def write_data(generator: Generator, tokenizer_path: Path, out: Path, count: int) -> None:
    """Writes `ids` (uint16), `mask` (1 where the assistant speaks) and `off` (where each conversation starts)."""
    import numpy as np
    from tokenizers import Tokenizer

    started = time.time()
    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    ids: list[int] = []
    mask: list[int] = []
    offsets = [0]
    for start in range(0, count, BATCH):
        conversations = [generator.conversation() for _ in range(min(BATCH, count - start))]
        for conversation in encode(tokenizer, conversations):
            for tokens, learnt in conversation:
                ids += tokens
                mask += learnt
            offsets.append(len(ids))
    np.savez(out, ids=np.array(ids, np.uint16), mask=np.array(mask, np.uint8), off=np.array(offsets, np.int64))
    print(f"conversations {count} tokens {len(ids)} assistant {sum(mask)} {time.time() - started:.0f}s")


def encode(tokenizer: Any, conversations: list[list[Segment]]) -> list[list[tuple[list[int], list[int]]]]:
    """For each segment of each conversation its token ids and its mask; a role's own token is never learnt."""
    roles = {role: tokenizer.token_to_id(f"<|{role}|>") for role in ("user", "assistant", "tool")}
    end = tokenizer.token_to_id("<|end|>")
    texts = [text for conversation in conversations for _role, text in conversation]
    encodings = iter(tokenizer.encode_batch(texts))
    result = []
    for conversation in conversations:
        segments = []
        for role, _text in conversation:
            tokens = next(encodings).ids
            learnt = int(role == "assistant")
            segments.append(([roles[role], *tokens, end], [0] + [learnt] * (len(tokens) + 1)))
        result.append(segments)
    return result


if __name__ == "__main__":
    main()
