"""What the model cannot or must not do, and what it can not do without its tools: honest sentences without a call."""

from __future__ import annotations

import dataclasses

from ..conversation import TOOLS
from ..draw import Draw
from ..family import FAMILIES, Draft, family
from ..workspace import SimulatedWorkspace
from .extract_values import CITIES, COUNTRIES, pick_of_split
from .talk import fixed, fixed_draft

CANNOT = (
    "I am only a small practice model, so I cannot help with that; "
    'for real work use a real model, for example with LM Studio, Ollama or "lmagent download".'
)
LEAVE = "OK, I leave everything as it is."
REFUSE = "I do not do that. It could do harm."
NO_TOOLS = "I have no tools here, so I can only talk. Start me with the lmagent command to work with files."

#: Sections of the wordings, by how often they are drawn.
_SECTIONS = {
    "limits.knowledge": 5,
    "limits.maths": 3,
    "limits.writing": 4,
    "limits.code": 4,
    "limits.language": 2,
    "limits.opinion": 3,
    "limits.feeling": 2,
    "limits.web": 3,
    "limits.world": 3,
    "limits.media": 2,
    "limits.judge_file": 4,
    "limits.project": 3,
    "limits.border": 3,
}
READ_ONLY = ("read", "ls", "glob", "grep", "get_time")
#: Families of this kind need no tools at all.
_WITHOUT_TOOLS = ("talk", "limits", "leave", "refuse", "extract", "sentiment")

_LANGUAGES = (
    *("French", "German", "Spanish", "Italian", "Polish", "Dutch", "Swedish", "Turkish", "Greek", "Japanese"),
    *("Chinese", "Korean", "Arabic", "Hindi", "Russian", "Portuguese", "Latin", "Danish", "Finnish", "Czech"),
)
_PROGRAMMING = (
    *("python", "javascript", "typescript", "java", "c++", "rust", "go", "bash", "php", "ruby", "c#", "html"),
    *("sql", "kotlin", "swift", "lua", "perl", "react", "css"),
)


def draw_topic(draw: Draw) -> str:
    """What somebody asks about: mostly a topic of the list, else any word or two."""
    kind = draw.random.random()
    if kind < 0.65:
        return draw.pick(draw.words.topics)
    if kind < 0.8:
        return draw.pick(draw.words.common)
    if kind < 0.92:
        return f"{draw.pick(draw.words.common)} {draw.pick(draw.words.common)}"
    return draw.invented_word().capitalize()


def _slots(draw: Draw) -> dict[str, str]:
    text = draw.text(8)
    return {
        "topic": draw_topic(draw),
        "topic2": draw_topic(draw),
        "word": draw.pick(draw.words.common),
        "name": draw.person(),
        "n": str(draw.number(2, 99)),
        "m": str(draw.number(2, 999)),
        "path": draw.show_path(draw.path()),
        "path2": draw.show_path(draw.path()),
        "folder": draw.show_path(draw.folder()),
        "text": draw.quote(text),
        "raw": text,
        "language": draw.pick(_LANGUAGES),
        "code": draw.pick(_PROGRAMMING),
        "country": pick_of_split(draw, COUNTRIES),
        "city": pick_of_split(draw, CITIES),
        "time": draw.pick([f"{draw.number(1, 12)} pm", f"{draw.number(6, 22)}:30", f"{draw.number(1, 12)} o'clock"]),
    }


@family("limits", weight=17)
def limits(draw: Draw) -> Draft:
    intent = draw.random.choices(list(_SECTIONS), list(_SECTIONS.values()))[0]
    return fixed_draft(intent, CANNOT, "cannot help with that", "real model", slots=_slots(draw))


@family("leave", weight=5.3)
def leave(draw: Draw) -> Draft:
    """Somebody says what is not to be done."""
    return fixed_draft("limits.leave", LEAVE, "leave everything", slots=_slots(draw))


@family("refuse", weight=3.9)
def refuse(draw: Draw) -> Draft:
    return fixed_draft("limits.refuse", REFUSE, "I do not do that", slots=_slots(draw))


@family("missing_tool", weight=2.5)
def missing_tool(draw: Draw) -> Draft:
    """Any request where fewer tools are offered: served if they suffice, else the first missing one is named."""
    draft, needed = _with_calls(draw)
    offered = _offer(draw, needed)
    missing = next((name for name in needed if name not in offered), None)
    if missing is None:
        return dataclasses.replace(draft, tools=offered, can_be_joined=False)
    answer = f"I cannot do that here: the tool {missing} is not available."
    return dataclasses.replace(
        draft, course=lambda: fixed(answer, missing), tools=offered, can_be_joined=False, is_real=False
    )


@family("no_tools", weight=2.9)
def no_tools(draw: Draw) -> Draft:
    """Without tools file work is impossible, while talk goes on as ever."""
    if draw.chance(0.4):
        draft = FAMILIES[draw.pick(_WITHOUT_TOOLS)].make(draw)
        return dataclasses.replace(draft, tools=(), is_real=False)
    draft, _needed = _with_calls(draw)
    return dataclasses.replace(
        draft, course=lambda: fixed(NO_TOOLS, "no tools"), tools=(), can_be_joined=False, is_real=False
    )


def _offer(draw: Draw, needed: list[str]) -> tuple[str, ...]:
    """The read-only tools, all but one that is needed, or some at random."""
    kind = draw.random.random()
    if kind < 0.5:
        return READ_ONLY
    if kind < 0.75:
        without = draw.pick(needed)
        return tuple(name for name in TOOLS if name != without)
    chosen = [name for name in TOOLS if draw.chance(0.5)]
    draw.random.shuffle(chosen)
    return tuple(chosen) or READ_ONLY


def _with_calls(draw: Draw) -> tuple[Draft, list[str]]:
    """A draft of another family that calls tools, and their names in order."""
    entries = list(FAMILIES.values())
    while True:
        entry = draw.random.choices(entries, [one.weight for one in entries])[0]
        if entry.name in ("missing_tool", "no_tools"):
            continue
        draft = entry.make(draw)
        if draft.tools is not None:
            continue
        needed = _tools_of(draft)
        if needed and set(needed) <= set(TOOLS):
            return draft, needed


def _tools_of(draft: Draft) -> list[str]:
    """Runs the course in a workspace of its own to see what it calls."""
    workspace = SimulatedWorkspace()
    workspace.prepare(draft.needs, draft.canned, draft.settings)
    course, names = draft.course(), []
    try:
        step = next(course)
        while True:
            names.append(step[0])
            step = course.send(workspace.run(*step))
    except StopIteration:
        return names
