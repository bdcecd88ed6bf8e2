"""Requests that sound like work on files but lack what is needed, or make no sense: never guess, ask by examples."""

from __future__ import annotations

import re

from .. import wordings
from ..conversation import TOOLS
from ..draw import Draw
from ..family import FOLLOW_UPS, Draft, family
from ..words import is_held_out
from .talk import fixed, fixed_draft

NOT_UNDERSTOOD = (
    'I did not understand that. Try for example: create notes.txt with "hello", read notes.txt, list the files, '
    "or run the command date."
)
_FACT = "I did not understand"
_SECTIONS = {
    "near.missing": 5,
    "near.verb": 5,
    "near.vague": 2,
    "near.single": 2,
    "near.words": 1.5,
    "near.garbled": 2.5,
}
#: Real verbs that mean nothing for a file.
_SILLY_VERBS = (
    *("boil", "tickle", "iron", "water", "hug", "sing", "sail", "bake", "knit", "whistle", "juggle", "marry"),
    *("frobnicate", "zap", "wiggle", "shave", "peel", "plant"),
    *("steam", "chew", "swallow", "sneeze", "bounce", "shuffle"),
    *("vaporize", "defrost", "yodel", "polka", "massage", "unscrew", "blink", "tango", "harvest", "milk", "melt"),
    *("twist", "bend", "salt", "pepper", "roast", "toast", "fry", "stir", "whisk", "sniff", "pet", "comb"),
)
#: Words that mean something to the agent though no wording begins with them.
_KEPT_FREE = frozenset({"hour", "notes"})
#: A request needs what was said before when it has one of these.
_POINTS_BACK = re.compile(r"\b(it|its|that|this|there|same)\b", re.IGNORECASE)


def _plain_word(draw: Draw) -> str:
    while True:
        word = draw.pick(draw.words.common) if draw.chance(0.6) else draw.invented_word()
        if word not in _KEPT_FREE and word not in wordings.words_in_use("near."):
            return word


def _verb(draw: Draw) -> str:
    """A verb that is none, or not one for a file."""
    if draw.chance(0.3):
        fitting = [verb for verb in _SILLY_VERBS if is_held_out(verb) == (draw.split == "test")]
        return draw.pick(fitting)
    return draw.invented_word() if draw.chance(0.75) else draw.letters(4, 9)


def _garbled(draw: Draw) -> str:
    """Keyboard mash, invented words or real words without a sense."""
    kind = draw.random.random()
    if kind < 0.3:
        return " ".join(draw.letters(3, 12) for _ in range(draw.number(1, 3)))
    if kind < 0.55:
        return " ".join(draw.invented_word() for _ in range(draw.number(1, 5)))
    if kind < 0.95:
        return " ".join(_plain_word(draw) for _ in range(draw.number(1, 5)))
    return draw.pick("? ?? ... ! . - # ??? * / .. !!! ?! 1 0 42 () ==".split())


def _slots(draw: Draw) -> dict[str, str]:
    text = draw.text(6)
    return {
        "path": draw.show_path(draw.path()),
        "path2": draw.show_path(draw.path()),
        "folder": draw.show_path(draw.folder()),
        "verb": _verb(draw),
        "verb2": _verb(draw),
        "word": _plain_word(draw),
        "word2": _plain_word(draw),
        "word3": _plain_word(draw),
        "name": draw.person(),
        "n": str(draw.number(2, 99)),
        "m": str(draw.number(2, 999)),
        "text": draw.quote(text),
    }


@family("near_miss", weight=15.8)
def near_miss(draw: Draw) -> Draft:
    intent = draw.random.choices(list(_SECTIONS), list(_SECTIONS.values()))[0]
    if intent == "near.garbled":
        draft = fixed_draft("near.words", NOT_UNDERSTOOD, _FACT)
        draft.request = [(_garbled(draw) + draw.pick(["", "", "", "?", "!", "."]), False)]
        draft.is_plain = False
        return draft
    return fixed_draft(intent, NOT_UNDERSTOOD, _FACT, slots=_slots(draw))


@family("near_miss_alone", weight=3.9)
def near_miss_alone(draw: Draw) -> Draft:
    """What would follow from an earlier request, such as "now read it", said first."""
    for _ in range(20):
        if not FOLLOW_UPS:
            break
        follow_up = FOLLOW_UPS[draw.pick(list(FOLLOW_UPS))].make(draw, draw.path())
        if follow_up.request is not None or follow_up.tools is not None:
            continue
        slots = dict(follow_up.slots)
        pieces = wordings.fill(draw, wordings.choose(draw, follow_up.intent, slots), slots)
        said = " ".join(text for text, given in pieces if not given)
        if _POINTS_BACK.search(said) and not _names_a_file(pieces, slots):
            return Draft(
                follow_up.intent,
                {},
                lambda: fixed(NOT_UNDERSTOOD, _FACT),
                request=pieces,
                tools=TOOLS,
                can_be_joined=False,
            )
    return near_miss(draw)


def _names_a_file(pieces: wordings.Pieces, slots: dict[str, str]) -> bool:
    """Whether the request holds the path it is about."""
    return "path" in slots and any(given and text == slots["path"] for text, given in pieces)
