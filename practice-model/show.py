"""Prints what the generated conversations look like.

    python3 show.py 3                     three conversations
    python3 show.py 5 --family create     five requests of one family
    python3 show.py 5 --wordings held-out --split test
    python3 show.py 2000 --check          only makes them, and names what contradicts itself
"""

from __future__ import annotations

import argparse
import collections
import re

from options import whole
from practice import families as _families  # noqa: F401  registers them
from practice.conversation import Conversation, Turn, draw_conversation, play, to_segments
from practice.draw import Draw
from practice.family import FAMILIES, FOLLOW_UPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=whole(0))
    parser.add_argument(
        "--family",
        choices=[*FAMILIES, *FOLLOW_UPS],
        metavar="NAME",
        help="only this family, or this follow-up behind a random request",
    )
    parser.add_argument("--requests", type=whole(1), default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=["train", "test"], default="train")
    parser.add_argument("--wordings", choices=["trained", "held-out", "all"], default="trained")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    draw = Draw(options.seed, options.split, options.wordings)
    problems: collections.Counter[str] = collections.Counter()
    for _ in range(options.count):
        conversation = draw_one(draw, options.family, options.requests)
        problems.update(find_problems(conversation))
        if not options.check:
            for role, text in to_segments(conversation):
                if role != "tools":
                    print(f"{role:>9} | {text}")
            print()
    print("problems:", dict(problems))


def draw_one(draw: Draw, name: str | None, requests: int) -> Conversation:
    if name in FAMILIES:
        draw.taken.clear()
        return play(draw, [(name, FAMILIES[name].make(draw))])
    if name in FOLLOW_UPS:
        while True:
            draw.taken.clear()
            first = draw.random.choice(list(FAMILIES.values()))
            draft = first.make(draw)
            if draft.subject is not None and draft.tools is None:
                return play(draw, [(first.name, draft), (name, FOLLOW_UPS[name].make(draw, draft.subject))])
    return draw_conversation(draw, requests)


def find_problems(conversation: Conversation) -> list[str]:
    """Facts that the answer lacks, bad calls, and slots that were not filled."""
    found = []
    for turn in conversation.turns:
        lacking = [fact for fact in turn.answer.facts if fact not in turn.answer.text]
        found += [f"{turn.family}: the answer lacks a fact" for _fact in lacking]
        errors = [result.get("error", "") for _call, result in turn.calls]
        found += [f"{turn.family}: {error}" for error in errors if "bad call" in error]
        found += [f"{turn.family}: a slot was not filled: {slot}" for slot in find_open_slots(turn)]
    return found


def find_open_slots(turn: Turn) -> list[str]:
    """What stands in the request like a slot, such as `{path}`, but in none of the texts that the task gave."""
    given = [*turn.draft.slots.values(), *(text for text, is_given in turn.draft.request or [] if is_given)]
    return [slot for slot in re.findall(r"\{\w+\}", turn.request) if not any(slot in text for text in given)]


if __name__ == "__main__":
    main()
