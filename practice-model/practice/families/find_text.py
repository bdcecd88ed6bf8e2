"""Requests that search for words in files."""

from __future__ import annotations

import re

from ..draw import Draw
from ..family import Answer, Course, Draft, call, family, follow_up
from .find import show_word
from .look import failed, show_folder


@family("grep", weight=2.9)
def grep(draw: Draw) -> Draft:
    """A word, a phrase or a number, anywhere."""
    wanted = draw_wanted(draw)
    needs = {draw.path(0.3): text for text in _draw_texts(draw, wanted, draw.pick([0, 1, 1, 1, 1, 2, 2, 3]))}
    slots = {"word": show_word(draw, wanted), "raw": wanted}
    return Draft("grep", slots, lambda: grepping(wanted, "."), needs=needs)


@family("grep_in_folder", weight=1.9)
def grep_in_folder(draw: Draw) -> Draft:
    wanted, folder = draw_wanted(draw), draw.folder()
    texts = _draw_texts(draw, wanted, draw.pick([0, 1, 1, 1, 2, 3]))
    needs = {f"{folder}/": ""} | {f"{folder}/{draw.name()}": text for text in texts}
    if draw.chance(0.3):
        needs[draw.path(0.3)] = wanted
    slots = {"word": show_word(draw, wanted), "folder": show_folder(draw, folder), "raw": wanted}
    return Draft("grep.folder", slots, lambda: grepping(wanted, folder), needs=needs)


@family("grep_in_file", weight=2.3)
def grep_in_file(draw: Draw) -> Draft:
    wanted, path = draw_wanted(draw), draw.path()
    texts = _draw_texts(draw, wanted, draw.pick([0, 1, 1, 1]))
    needs = {path: texts[0]}
    if draw.chance(0.3):
        needs[draw.path()] = wanted
    slots = {"word": show_word(draw, wanted), "path": draw.show_path(path), "raw": wanted}
    return Draft("grep.file", slots, lambda: grepping(wanted, path), needs=needs, subject=path)


@follow_up("grep_in_it", weight=1.3)
def grep_in_it(draw: Draw, path: str) -> Draft:
    wanted = draw_wanted(draw)
    return Draft("grep.it", {"word": show_word(draw, wanted)}, lambda: grepping(wanted, path), subject=path)


# What is drawn


def draw_wanted(draw: Draw) -> str:
    """What is searched for: mostly a word; nothing that means something else in a regular expression."""
    kind = draw.random.random()
    if kind < 0.55:
        return draw.word()
    if kind < 0.62:
        return draw.person()
    if kind < 0.70:
        return f"{draw.word()} {draw.word()}"
    if kind < 0.75:
        return draw.letters(4, 8)
    if kind < 0.80:
        return str(draw.number(10, 99999))
    if kind < 0.84:
        return draw.word().upper()
    if kind < 0.88:
        return draw.pick(draw.words.foreign)
    if kind < 0.91:
        return f"{draw.number(2019, 2033)}-{draw.number(1, 12):02d}-{draw.number(1, 28):02d}"
    if kind < 0.94:
        return draw.pick(["TODO", "FIXME", "todo", "error", "ERROR", "warning"])
    if kind < 0.97:
        return f"{draw.word()}{draw.pick(['-', '_', '@'])}{draw.word()}"
    return f"{draw.word()} {draw.word()} {draw.word()}"


def _draw_texts(draw: Draw, wanted: str, hits: int) -> list[str]:
    """Contents, of which `hits` hold what is searched for, one of them perhaps twice; at least one content."""
    texts = []
    for index in range(max(1, hits + draw.number(0, 1))):
        lines = [draw.text(6) for _ in range(draw.pick([0, 1, 2, 3, 4, 6]))]
        for _ in range((2 if draw.chance(0.12) else 1) if index < hits else 0):
            lines.insert(draw.number(0, len(lines)), _around(draw, wanted))
        texts.append("\n".join(lines or [draw.text(6)]) + ("\n" if draw.chance(0.4) else ""))
    return texts


def _around(draw: Draw, wanted: str) -> str:
    form = draw.pick(["{}", "{} {w}", "{w} {}", "{w} {} {w}", "{w} {}.", "{w}: {}", "- {}", "{w} {w} {} {w}"])
    return re.sub(r"\{w?\}", lambda match: wanted if match[0] == "{}" else draw.word(), form)


# Course


def grepping(wanted: str, path: str) -> Course:
    result = yield call("grep", pattern=wanted, path=path)
    if not result["ok"]:
        return failed("search" if path == "." else f"search {path}", result)
    hits = [re.match(r"(.+?):(\d+):", line) for line in result["output"].split("\n")]
    places = [f"{hit[1]} on line {hit[2]}" for hit in hits if hit]
    if not places:
        return Answer(f"I did not find {wanted}.", ("not find",))
    return Answer(f"{wanted} is in {', '.join(places)}.", tuple(places))
