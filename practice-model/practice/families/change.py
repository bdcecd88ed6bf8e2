"""Requests that replace or remove a text in a file."""

from __future__ import annotations

import re
from typing import Callable

from ..draw import Draw
from ..family import Answer, Course, Draft, call, family

#: Words that part old, new and path in a request: an unquoted phrase holds none of them.
_JOINTS = {*"to with by in into for from of and then the as at on word text file line it a".split()}
#: What follows in an error is advice for another try.
_ADVICE = re.compile(r"\. (?:Nearest lines|Nothing in its|The file is empty)|; add lines around", re.DOTALL)


def edit_course(path: str, old: str, new: str) -> Callable[[], Course]:
    """One edit."""

    def course() -> Course:
        result = yield call("edit", path=path, old=old, new=new)
        if not result["ok"]:
            return Answer(f"I could not replace {old} in {path}: {_ADVICE.split(result['error'])[0]}", (path, "could not"))
        return Answer(f"I replaced {old} with {new} in {path}.", (old, new, path))

    return course


def removal(path: str, old: str) -> Callable[[], Course]:
    """The file is read first, so that no double space and no empty line stays."""

    def course() -> Course:
        result = yield call("read", path=path)
        if not result["ok"]:
            return Answer(f"I could not remove {old} from {path}: {result['error']}", (path, "could not"))
        if old not in result["output"]:
            return Answer(f"{old} is not in {path}.", (old, "is not in", path))
        whole = with_gap(result["output"], old)
        edited = yield call("edit", path=path, old=whole, new="")
        if not edited["ok"]:
            return Answer(f"I could not remove {old} from {path}: {_ADVICE.split(edited['error'])[0]}", (path, "could not"))
        return Answer(f"I removed {old} from {path}.", (old, path))

    return course


def with_gap(content: str, text: str) -> str:
    """The text with the space or line end behind it, which goes with it; else, at the end of a line, with the space before it."""
    start = content.index(text)
    before, after = content[:start][-1:], content[start + len(text) :][:1]
    if before in ("", "\n") and after in (" ", "\n"):
        return text + after
    if before == " ":
        return text + " " if after == " " else " " + text
    return text


@family("replace", weight=5.2)
def replace(draw: Draw) -> Draft:
    """Mostly the file holds the text once; now and then it does not, or there is no such file."""
    path = draw.path()
    old, new = texts_to_swap(draw)
    kind = draw.random.random()
    needs = {path: holding(draw, old)}
    if kind < 0.08:
        needs = {path: lacking(draw, old, new)}
    elif kind < 0.11:
        needs = {}
    slots = {"path": draw.show_path(path), **swap_slots(draw, old, new)}
    return Draft("replace", slots, edit_course(path, old, new), needs, subject=path if needs else None)


@family("remove text", weight=2.9)
def remove_text(draw: Draw) -> Draft:
    path = draw.path()
    old = texts_to_swap(draw)[0]
    body = holding(draw, old) if draw.chance(0.92) else lacking(draw, old, "")
    slots = {"path": draw.show_path(path), **removal_slots(draw, old)}
    return Draft("remove.text", slots, removal(path, old), {path: body}, subject=path)


# Texts


def texts_to_swap(draw: Draw) -> tuple[str, str]:
    """Two different texts, mostly of one kind."""
    kind = draw.pick(_KINDS)
    old, new = kind(draw), (kind if draw.chance(0.85) else draw.pick(_KINDS))(draw)
    while new == old:
        new = _phrase(draw)
    return old, new


def _number(draw: Draw) -> str:
    return draw.pick([str(draw.number(0, 99999)), str(draw.number(0, 99)), f"{draw.number(0, 99)}.{draw.number(0, 99)}"])


def _version(draw: Draw) -> str:
    return draw.pick(["", "", "v"]) + ".".join(str(draw.number(0, 20)) for _ in range(draw.number(2, 3)))


def _moment(draw: Draw) -> str:
    date = f"{draw.number(2019, 2033)}-{draw.number(1, 12):02d}-{draw.number(1, 28):02d}"
    return draw.pick([date, f"{draw.number(0, 23):02d}:{draw.number(0, 59):02d}", f"{draw.number(1, 100)}%", f"${draw.number(1, 900)}"])


def _phrase(draw: Draw) -> str:
    return " ".join(draw.word() for _ in range(draw.number(2, 4)))


def _setting(draw: Draw) -> str:
    return f"{draw.word()}{draw.pick(['=', ' = ', ': '])}{draw.pick([draw.word(), str(draw.number(0, 9000))])}"


_KINDS: list[Callable[[Draw], str]] = [
    *[Draw.word] * 8,
    *[Draw.person] * 2,
    *[_number] * 2,
    _version,
    _moment,
    *[_phrase] * 3,
    *[lambda draw: draw.text(4)] * 3,
    _setting,
    Draw.foreign_text,
    Draw.letters,
    lambda draw: draw.word().capitalize(),
]


def holding(draw: Draw, text: str) -> str:
    """What a file holds in which `text` occurs exactly once."""
    for _ in range(20):
        lines = [draw.text(6) for _ in range(draw.pick([0, 0, 1, 1, 2, 3, 5]))]
        around = [draw.text(3) if draw.chance(0.6) else "", text, draw.text(3) if draw.chance(0.6) else ""]
        lines.insert(draw.number(0, len(lines)), " ".join(part for part in around if part))
        body = "\n".join(lines) + ("\n" if draw.chance(0.5) else "")
        if body.count(text) == 1:
            return body
    return text


def lacking(draw: Draw, old: str, new: str) -> str:
    """What a file holds in which neither text occurs."""
    while True:
        body = draw.lines(1, 4) + ("\n" if draw.chance(0.5) else "")
        if old.lower() not in body.lower() and (not new or new.lower() not in body.lower()):
            return body


# How they are written in a request


def swap_slots(draw: Draw, old: str, new: str) -> dict[str, str]:
    """Quoted or not, and under more special names where the texts are single words or numbers."""
    plain = is_plain(old) and is_plain(new) and draw.chance(0.5 if " " not in old + new else 0.25)
    slots = {"old": old if plain else draw.quote(old), "new": new if plain else draw.quote(new), "raw": new}
    if plain:
        slots |= {"plain": old, "plainnew": new}
    if " " not in old + new and is_plain(old) and is_plain(new):
        slots |= {"word": slots["old"], "newword": slots["new"]}
        if "/" not in old + new:
            slots |= {"slashold": old, "slashnew": new}
    if old in draw.words.names:
        slots["name"] = slots["old"]
    if re.fullmatch(r"[\d.:%$-]+", old):
        slots["number"] = slots["old"]
        slots.pop("word", None)
    if re.fullmatch(r"v?\d+(\.\d+)+", old):
        slots["version"] = slots["old"]
    return slots


def removal_slots(draw: Draw, old: str) -> dict[str, str]:
    is_word = " " not in old and is_plain(old)
    slots = {"old": old if is_word and draw.chance(0.4) else draw.quote(old), "raw": old}
    return slots | ({"word": slots["old"]} if is_word else {})


def is_plain(text: str) -> bool:
    """Whether it can be told from the words around it without quotes."""
    words = text.split(" ")
    return len(words) <= 3 and all(re.fullmatch(r"[\w$][\w.:=/%$-]*(?<![.:])", word) and word.lower() not in _JOINTS for word in words)
