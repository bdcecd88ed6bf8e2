"""Several requests in one: "create a.txt with x, then list the folder and tell me the time"."""

from __future__ import annotations

import zlib
from typing import Callable

from . import wordings
from .draw import Draw
from .family import FAMILIES, Answer, Course, Draft
from .wordings import Pieces


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
    drafts = [draft for _name, draft in named]
    return merge(draw, drafts, [say_part(draw, draft, last=draft is drafts[-1]) for draft in drafts], "\n")


def merge(draw: Draw, drafts: list[Draft], parts: list[Pieces], between: str) -> Draft:
    """Drafts as one, each said by its part, with `between` between their answers."""
    return Draft(
        intent=f"join.{len(parts)}",
        slots={},
        request=_join(draw, parts),
        course=_chain([draft.course for draft in drafts], between),
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
        names = [one.name for one in draw.random.choices(entries, [one.weight for one in entries], k=count)]
        if _fits(names, composition):
            return names


def _fits(families: list[str], composition: str) -> bool:
    return composition == "all" or is_held_out(families) == (composition == "held-out")


def _draw_joinable(draw: Draw, name: str) -> tuple[str, Draft]:
    """A draft of this family, or else of another one, and which it is."""
    for _ in range(200):
        draft = FAMILIES[name].make(draw)
        if not draft.can_be_joined or draft.request is not None or draft.tools is not None:
            name = draw.random.choices(list(FAMILIES), [one.weight for one in FAMILIES.values()])[0]
            continue
        if any(one.is_clause for one in wordings.load_wordings().get(draft.intent, [])):
            return name, draft
    raise ValueError(f"no draft of {name} can be joined")


def say_part(draw: Draw, draft: Draft, *, last: bool) -> Pieces:
    """As an imperative; `last`: it may take the rest of the line."""
    slots = dict(draft.slots)
    return wordings.fill(draw, wordings.choose(draw, draft.intent, slots, clause=True, last=last), slots)


def _join(draw: Draw, parts: list[Pieces]) -> Pieces:
    slots = {f"p{number}": "" for number in range(1, len(parts) + 1)}
    wording = wordings.choose(draw, f"join.{len(parts)}", slots)
    joined: Pieces = []
    for text, given in wordings.fill(draw, wording, {key: key for key in slots}):
        joined += parts[int(text[1:]) - 1] if given else [(text, False)]
    return joined


def _chain(makers: list[Callable[[], Course]], between: str) -> Callable[[], Course]:
    """One course after the other; the answer is all their answers."""

    def course() -> Course:
        answers = []
        for make in makers:
            answers.append((yield from make()))
        return Answer(between.join(one.text for one in answers), tuple(fact for one in answers for fact in one.facts))

    return course
