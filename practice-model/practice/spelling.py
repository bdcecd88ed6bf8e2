"""How people type: capital letters or none, a greeting, a please, a full stop, and typos. Names and texts stay as they are."""

from __future__ import annotations

import re

from .draw import Draw
from .wordings import Pieces

_BEFORE = [
    *["please "] * 6, "pls ", "plz ", "hey, ", "hi, ", "hello, ", "ok, ", "okay ", "ok now ", "now ", "and now ", "next, ", "great, now ", "thanks, now ",
    "could you ", "could you please ", "can you ", "can you please ", "would you ", "would you please ", "will you ", "i want you to ",
    "i'd like you to ", "i need you to ", "i would like you to ", "you should ", "kindly ", "go ahead and ", "just ", "quickly ", "help me ",
    "hi! please ", "hey there, ", "hello! could you ", "your task: ", "your next task is to ", "alright, ", "right, ", "so, ", "let's ",
    "one more thing: ", "first of all, ", "do me a favor and ", "do me a favour and ", "be so kind as to ", "be so good as to ", "it would be great if you could ",
]
#: These turn an imperative into a question.
_ASKING = re.compile(r"^(hello! )?(could|can|would|will) you")
_AFTER = [*[" please"] * 5, ", please", ", thanks", " thanks", ", thank you", ", will you", " for me", " for me please", " now", " right now", " ok?", " asap", " thx", " pls", ", ok"]
_NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk", "k": "jl", "l": "k", "m": "n",
    "n": "bm", "o": "ip", "p": "o", "q": "w", "r": "et", "s": "ad", "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x",
}


def finish(draw: Draw, pieces: Pieces, *, is_imperative: bool, is_open: bool) -> str:
    """The request as it is typed. `is_open`: its end is a text without quotes, so nothing may follow."""
    pieces = [*pieces]
    mark = ""
    if is_imperative:
        before = draw.pick(_BEFORE) if draw.chance(0.3) else ""
        pieces = _lower_first(pieces)
        pieces.insert(0, (before, False))
        if not is_open and draw.chance(0.14):
            pieces.append((draw.pick(_AFTER), False))
        mark = draw.pick("?? .") if _ASKING.match(before) else draw.pick(["", "", "", ".", ".", "!" if draw.chance(0.1) else "."])
    if draw.chance(0.12 + 0.16 * draw.spelling):
        pieces = _mistype(draw, pieces)
    text = "".join(text for text, _given in pieces)
    text = text if draw.chance(0.3 * draw.spelling) else _upper_first(text, pieces)
    if not is_open and not re.search(r"[.?!:]$", text):
        text += mark.strip()
    elif is_imperative is False and text.endswith("?") and draw.chance(0.2 * draw.spelling):
        text = text[:-1]
    return text


def _lower_first(pieces: Pieces) -> Pieces:
    text, given = pieces[0]
    return pieces if given or text[:2].isupper() else [(text[:1].lower() + text[1:], given), *pieces[1:]]


def _upper_first(text: str, pieces: Pieces) -> str:
    starts_given = next((given for piece, given in pieces if piece), True)
    return text if starts_given else text[:1].upper() + text[1:]


def _mistype(draw: Draw, pieces: Pieces) -> Pieces:
    """One or two typos in the words that were not given."""
    result = [*pieces]
    for _ in range(1 if draw.chance(0.75) else 2):
        places = [index for index, (text, given) in enumerate(result) if not given and re.search(r"[a-z]{4}", text)]
        if not places:
            return result
        index = draw.pick(places)
        text, _given = result[index]
        start, end = draw.pick([match.span() for match in re.finditer(r"[A-Za-z]{4,}", text)])
        result[index] = (text[:start] + _typo(draw, text[start:end]) + text[end:], False)
    return result


def _typo(draw: Draw, word: str) -> str:
    at = draw.number(1, len(word) - 2)
    kind = draw.random.random()
    if kind < 0.35:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind < 0.6:
        return word[:at] + word[at + 1 :]
    if kind < 0.8:
        return word[:at] + word[at] + word[at:]
    near = _NEIGHBOURS.get(word[at].lower(), "e")
    return word[:at] + draw.pick(near) + word[at + 1 :]
