"""Several requests in one: "create a.txt with x, then list the folder and tell me the time"."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, Callable

from . import wordings
from .draw import Draw
from .family import FAMILIES, Answer, Course, Draft
from .wordings import Pieces


@dataclass
class Part:
    family: str
    draft: Draft
    pieces: Pieces


def is_held_out(families: list[str]) -> bool:
    """Whether this order of families is kept out of training: one of ten pairs that follow each other."""
    return any(zlib.crc32(f"{a}>{b}".encode()) % 10 == 0 for a, b in zip(families, families[1:]))


def joined(draw: Draw, count: int, *, composition: str = "trained") -> Draft:
    """`count` requests in one sentence. `composition`: `trained`, `held-out` or `all` orders of families."""
    while True:
        named = [_draw_joinable(draw, name) for name in _draw_families(draw, count, composition)]
        if _fits([name for name, _draft in named], composition):
            return join(draw, named)


def join(draw: Draw, named: list[tuple[str, Draft]]) -> Draft:
    """Drafts with imperatives, by family, as one request."""
    count = len(named)
    drafts = [draft for _name, draft in named]
    parts = [Part(name, draft, _say(draw, draft, last=index == count - 1)) for index, (name, draft) in enumerate(named)]
    slots = {f"p{index}": "" for index in range(1, count + 1)}
    wording = wordings.choose(draw, f"join.{count}", slots)
    filled = wordings.fill(draw, wording, {key: key for key in slots})
    pieces: Pieces = []
    for text, given in filled:
        pieces += parts[int(text[1:]) - 1].pieces if given else [(text, False)]
    return Draft(
        intent=f"join.{count}",
        slots={},
        request=pieces,
        course=_courses([draft.course for draft in drafts]),
        needs={path: content for draft in drafts for path, content in draft.needs.items()},
        subject=drafts[-1].subject,
        canned={line: output for draft in drafts for line, output in draft.canned.items()},
        settings={key: value for draft in drafts for key, value in draft.settings.items()},
        is_real=all(draft.is_real for draft in drafts),
        more_tools=tuple(tool for draft in drafts for tool in draft.more_tools),
    )


def _draw_families(draw: Draw, count: int, composition: str) -> list[str]:
    entries = list(FAMILIES.values())
    while True:
        names = [one.name for one in draw.random.choices(entries, [one.chance for one in entries], k=count)]
        if _fits(names, composition):
            return names


def _fits(families: list[str], composition: str) -> bool:
    return composition == "all" or is_held_out(families) == (composition == "held-out")


def _draw_joinable(draw: Draw, name: str) -> tuple[str, Draft]:
    """A draft of this family, or else of another one, and which it is."""
    for _ in range(200):
        draft = FAMILIES[name].make(draw)
        if not draft.can_be_joined or draft.request is not None or draft.tools is not None:
            name = draw.random.choices(list(FAMILIES), [one.chance for one in FAMILIES.values()])[0]
            continue
        if any(one.is_clause for one in wordings.load_wordings().get(draft.intent, [])):
            return name, draft
    raise ValueError(f"no draft of {name} can be joined")


def _say(draw: Draw, draft: Draft, *, last: bool) -> Pieces:
    slots = dict(draft.slots)
    return wordings.fill(draw, wordings.choose(draw, draft.intent, slots, clause=True, last=last), slots)


def _courses(makers: list[Callable[[], Course]]) -> Callable[[], Course]:
    def course() -> Any:
        answers = []
        for make in makers:
            answers.append((yield from make()))
        return Answer("\n".join(one.text for one in answers), tuple(fact for one in answers for fact in one.facts))

    return course
