"""Requests in plan mode: a plan is proposed, approved, followed and reported. And plans as JSON, without a call."""

from __future__ import annotations

import json
from typing import Any, Mapping

from .. import compose, wordings
from ..conversation import say
from ..draw import Draw
from ..family import FAMILIES, Answer, Course, Draft, call, family

#: What the agent adds to the request in plan mode.
INSTRUCTION = (
    "[Plan mode: change nothing yet. Look at what you need, then call plan_propose with the steps and how each is "
    "verified. Once the user has approved, do the steps one by one and report each with plan_complete_step.]"
)

#: Families that plans are made of.
_WEIGHTS = {
    **{"create": 12, "create empty": 2, "overwrite": 1, "append": 6, "prepend": 1, "mkdir": 6, "folder and file": 2},
    **{"read": 5, "first_line": 1, "count_lines": 3, "ls": 2, "ls_here": 2, "grep": 2, "find_name": 1, "exists": 1},
    **{"copy": 4, "copy into folder": 1, "move": 2, "move into folder": 2, "rename": 3, "delete": 4, "replace": 5},
    **{"remove text": 2, "delete folder": 1},
    **{"shell": 3, "script": 1, "git status": 1, "commit": 2, "todo add": 2, "time": 0.7},
}
#: By intent: the step and how it is verified. `subject` is the draft's file, other slots are its own, without quotes.
_STEPS = {
    "create.text": ("Create {subject}", "the file is there"),
    "create.empty": ("Create the empty file {subject}", "the file is there"),
    "overwrite": ("Write {subject}", "the file has the new text"),
    "append": ("Add the text to {subject}", "the text is at the end"),
    "prepend": ("Add the text to the top of {subject}", "the text is at the top"),
    "mkdir": ("Create the folder {folder}", "the folder is there"),
    "folder.file": ("Create the folder {folder} and {subject}", "the file is there"),
    "read": ("Read {subject}", "the text is shown"),
    "line.first": ("Read the first line of {subject}", "the line is shown"),
    "count.lines": ("Count the lines of {subject}", "the number is shown"),
    "ls.folder": ("List {folder}", "the names are shown"),
    "ls.here": ("List this folder", "the names are shown"),
    "grep": ("Search for {word}", "the places are shown"),
    "find.name": ("Find {name}", "the places are shown"),
    "exists": ("Look for {name}", "the places are shown"),
    "copy": ("Copy {path} to {target}", "the copy is there"),
    "copy.into": ("Copy {path} to {folder}", "the copy is there"),
    "move": ("Move {path} to {target}", "the file is there"),
    "move.into": ("Move {path} to {folder}", "the file is there"),
    "rename": ("Rename {path} to {name}", "the file has the new name"),
    "delete": ("Delete {path}", "the file is gone"),
    "delete.folder": ("Delete the folder {folder}", "the folder is gone"),
    "shell.run": ("Run {raw}", "the output is shown"),
    "script.run": ("Run {path}", "the output is shown"),
    "git.status": ("Show the git status", "the status is shown"),
    "git.commit": ("Commit the changes", "the commit is made"),
    "todo.add": ("Add the todo {raw}", "the todo is there"),
    "time.now": ("Tell the time", "the time is shown"),
    "time.date": ("Tell the date", "the date is shown"),
    "replace": ("Replace the text in {subject}", "the new text is there"),
    "remove.text": ("Remove the text from {subject}", "the text is gone"),
}  # fmt: skip
_REJECTED = Answer("I changed nothing, since you did not approve the plan.", ("did not approve",))
_UNATTENDED = Answer("I changed nothing, since nobody was there to approve the plan.", ("nobody was there",))
_FEEDBACK = [
    *["", "", "", "not now", "wait", "I changed my mind", "too many steps", "leave it as it is", "do it tomorrow"],
    *["no, thanks", "I will do it myself", "ask me first", "only the first step", "that is the wrong file", "stop"],
]

#: Settings that make calls fail.
_HINDRANCES = ("denied", "failures", "results")

#: One step of a plan as the tool takes it.
Step = dict[str, str]


@family("plan", weight=1.3)
def plan(draw: Draw) -> Draft:
    """Mostly approved."""
    parts, whole = draw_parts(draw)
    proposal = to_proposal(parts)

    def course() -> Course:
        proposed = yield call("plan_propose", **proposal)
        if not proposed["ok"]:
            return _UNATTENDED if "nobody is there" in proposed["error"] else _REJECTED
        return (yield from _follow([draft for _step, draft in parts]))

    settings: dict[str, Any] = {**whole.settings}
    if draw.chance(0.1):
        settings["plan rejected"] = draw.pick(_FEEDBACK)
    elif draw.chance(0.03):
        settings["plan unattended"] = True
    return Draft(
        "plan",
        {},
        course,
        whole.needs,
        subject=None if settings.keys() - whole.settings.keys() else whole.subject,
        request=[(f"{say(draw, whole)}\n\n{INSTRUCTION}", True)],
        is_plain=False,
        canned=whole.canned,
        settings=settings,
        is_real=False,
        more_tools=("plan_propose", "plan_complete_step"),
        can_be_joined=False,
    )


@family("plan as JSON", weight=2.6)
def plan_as_json(draw: Draw) -> Draft:
    """The plan alone, without a call."""
    parts, whole = draw_parts(draw)
    slots = dict(whole.slots)
    pieces = whole.request or wordings.fill(draw, wordings.choose(draw, whole.intent, slots, clause=True), slots)
    text = json.dumps(to_proposal(parts), ensure_ascii=False)
    answer = Answer(text, (text,))

    def course() -> Course:
        return answer
        yield

    task = "".join(text for text, _given in pieces)
    return Draft("plan.json", {"raw": task}, course, can_be_joined=False)


def _follow(drafts: list[Draft]) -> Course:
    """Does the steps and reports each; a step that failed is the last."""
    answers: list[Answer] = []
    for number, draft in enumerate(drafts, start=1):
        answer = yield from draft.course()
        answers.append(answer)
        if answer.text.startswith("I could not"):
            yield call("plan_complete_step", step_id=number, failed=True)
            break
        yield call("plan_complete_step", step_id=number)
    return Answer(" ".join(one.text for one in answers), tuple(fact for one in answers for fact in one.facts))


def draw_parts(draw: Draw) -> tuple[list[tuple[Step, Draft]], Draft]:
    """One to three steps with their drafts, and all of them as one request."""
    count = draw.random.choices([1, 2, 3], [35, 40, 25])[0]
    named = [_draw_part(draw) for _ in range(count)]
    while compose.is_held_out([name for name, _draft in named]):
        named = [_draw_part(draw) for _ in range(count)]
    parts = [(to_step(draft), draft) for _name, draft in named]
    return parts, named[0][1] if count == 1 else compose.join(draw, named)


def _draw_part(draw: Draw) -> tuple[str, Draft]:
    names = [name for name in _WEIGHTS if name in FAMILIES]
    while True:
        name = draw.random.choices(names, [_WEIGHTS[one] for one in names])[0]
        draft = FAMILIES[name].make(draw)
        if draft.intent in _STEPS and draft.can_be_joined and draft.request is None and _has_names(draft):
            exit_codes = {code for code, _output in draft.canned.values()}
            can_fail = any(key.startswith(_HINDRANCES) for key in draft.settings)
            wanted = [one for one in wordings.load_wordings().get(draft.intent, []) if one.is_clause]
            if wanted and not can_fail and not exit_codes - {0}:
                return name, draft


def _has_names(draft: Draft) -> bool:
    """Whether all that the step names is there, without line ends and double spaces."""
    names = _names(draft)
    try:
        text = _STEPS[draft.intent][0].format(**names)
    except KeyError:
        return False
    return " ".join(text.split()) == text and len(text) < 120


def to_step(draft: Draft) -> Step:
    description, verification = _STEPS[draft.intent]
    return {"description": description.format(**_names(draft)), "verification": verification}


def to_proposal(parts: list[tuple[Step, Draft]]) -> dict[str, Any]:
    steps = [step for step, _draft in parts]
    return {"title": steps[0]["description"] + (" and more" if len(steps) > 1 else ""), "steps": steps}


def _names(draft: Draft) -> Mapping[str, str]:
    """The slots without quotes; the subject where there is one."""
    names = {key: _without_quotes(value).rstrip("/") for key, value in draft.slots.items()}
    return names if draft.subject is None else {**names, "subject": draft.subject}


def _without_quotes(text: str) -> str:
    pairs = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "«": "»"}
    return text[1:-1] if len(text) > 2 and pairs.get(text[0]) == text[-1] else text
