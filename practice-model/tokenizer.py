"""Makes the tokenizer: byte-level BPE (`gpt2` in GGUF), built so that copying is token-identical in every context.

 - Merges are learnt on runs of letters only and cross no space, digit or punctuation, so ` notes`, `"notes` and
   `notes.txt` all contain the very same tokens for `notes`.
 - No token spans the end of the arguments object (`"}}` is `"}` and `}`), where some engines constrain just that object.
 - A handful of hand-made merges cover the JSON frames of calls and results.
 - The JSON escapes for newline, quote and tab are single tokens, so that `a\\nb` does not become `a`, `\\`, `nb`.

    python3 tokenizer.py --out tokenizer.json
"""

from __future__ import annotations

import argparse
import collections
import json
import re
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from practice import families as _families  # noqa: F401  registers them
from practice.conversation import draw_conversation, render, to_segments
from practice.draw import Draw

CONTROL_TOKENS = ["<|end|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|tools|>", "<|pad|>"]
#: Printed as text, unlike control tokens.
TEXT_TOKENS = ["<tool_call>", "</tool_call>", "\\n", '\\"', "\\t"]
FRAME_MERGES = ['{ "', '" :', '": "', ', "', '" ,', '", "', '" }', 'Ġ "', "Ġ {", 'Ġ{ "']
MOST_OF_ONE_WORD = 1500
SEED = 77
SIZE = 2048


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--conversations", type=int, default=20_000, help="to learn from (default %(default)s)")
    options = parser.parse_args()
    tokenizer = build_tokenizer(learn_merges(SIZE, options.conversations))
    tokenizer.save(str(options.out))
    print("vocabulary", tokenizer.get_vocab_size())
    check_round_trip(tokenizer)


def learn_merges(count: int, conversations: int) -> list[tuple[str, str]]:
    """At most `count` merges of letters, learnt from the words of generated conversations."""
    draw = Draw(SEED)
    counts: collections.Counter[str] = collections.Counter()
    for _ in range(conversations):
        text = render(to_segments(draw_conversation(draw, 1)))
        counts.update(re.findall(r"[A-Za-z]+", text.replace("\\n", " ")))
    trainer = trainers.BpeTrainer(
        vocab_size=256 + count, initial_alphabet=byte_alphabet(), special_tokens=[], show_progress=False
    )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = byte_level()
    # Each word is weighted by its count, capped so that the words of frames do not dominate.
    weighted = (word for word, number in sorted(counts.items()) for _ in range(min(number, MOST_OF_ONE_WORD)))
    tokenizer.train_from_iterator(weighted, trainer=trainer)
    merges = [tuple(merge) for merge in json.loads(tokenizer.to_str())["model"]["merges"]]
    return [(a, b) for a, b in merges if (a + b).isalpha() and (a + b).isascii()]


def build_tokenizer(letter_merges: list[tuple[str, str]]) -> Tokenizer:
    room = SIZE - 256 - len(FRAME_MERGES) - len(CONTROL_TOKENS) - len(TEXT_TOKENS)
    frames = [(a, b) for a, b in (merge.split(" ") for merge in FRAME_MERGES)]
    merges = frames + letter_merges[:room]
    vocabulary = {character: number for number, character in enumerate(byte_alphabet())}
    for a, b in merges:
        vocabulary.setdefault(a + b, len(vocabulary))
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = byte_level()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL_TOKENS])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in TEXT_TOKENS])
    missing = SIZE - tokenizer.get_vocab_size()
    tokenizer.add_special_tokens(
        [AddedToken(f"<|x{number}|>", special=True, normalized=False) for number in range(missing)]
    )
    return tokenizer


def byte_alphabet() -> list[str]:
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def byte_level() -> pre_tokenizers.ByteLevel:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def check_round_trip(tokenizer: Tokenizer) -> None:
    """Prints how long conversations are; raises `ValueError` when one does not come back as it was."""
    draw = Draw(5, "test", "all")
    lengths = []
    for _ in range(1000):
        text = render(to_segments(draw_conversation(draw, 1)))
        ids = tokenizer.encode(text).ids
        lengths.append(len(ids))
        if tokenizer.decode(ids, skip_special_tokens=False) != text:
            raise ValueError(f"not decoded as it was encoded: {text!r}")
    print(f"tokens per request: mean {sum(lengths) / len(lengths):.0f}, most {max(lengths)}")


if __name__ == "__main__":
    main()
