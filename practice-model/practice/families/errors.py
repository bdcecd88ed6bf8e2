"""Requests whose calls fail: errors are reported, passing ones tried once more, and refusals accepted."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, Callable, Mapping

from ..draw import Draw
from ..family import FAMILIES, Answer, Call, Course, Draft, family
from ..workspace import SimulatedWorkspace
from .error_texts import DENIALS, LASTING_ERRORS, LASTING_SHELL, PASSING_ERRORS, PASSING_SHELL
from .find_text import grepping
from .look import counting, listing, one_line, reading, show_folder

#: What passes by itself, so that the same call is worth a second try.
PASSING = re.compile(r"timed out|temporarily unavailable|try again|EAGAIN|EBUSY|busy")
#: What a system error says was tried, by tool.
_DOING = {
    "read": "read",
    "write": "write",
    "edit": "write",
    "ls": "list",
    "mkdir": "make",
    "grep": "search",
    "glob": "search",
}
#: What a person is asked about before it runs.
_ASKED = {"write", "edit", "mkdir", "shell", "git_add", "git_commit"}
#: What was not done when the user refused it, by tool.
_NOT_DONE = {
    "write": "write {path}",
    "edit": "change {path}",
    "mkdir": "make {path}",
    "shell": "run the command",
    "git_add": "stage anything",
    "git_commit": "commit",
}


@family("missing_file", weight=1.5)
def missing_file(draw: Draw) -> Draft:
    path = draw.path()
    slots = {"path": draw.show_path(path)}
    kind = draw.random.random()
    if kind < 0.6:
        return Draft("read", slots, lambda: reading(path))
    if kind < 0.72:
        return Draft("count.lines", slots, lambda: counting(path, "-l", "line"))
    if kind < 0.8:
        return Draft("count.words", slots, lambda: counting(path, "-w", "word"))
    if kind < 0.9:
        first = draw.chance(0.5)
        which, command = ("first", "head") if first else ("last", "tail")
        return Draft(f"line.{which}", slots, lambda: one_line(path, command, which))
    word = draw.word()
    return Draft("grep.file", {**slots, "word": draw.quote(word)}, lambda: grepping(word, path))


@family("near_file", weight=1.5)
def near_file(draw: Draw) -> Draft:
    """A file of a similar name is there: the error names it."""
    path = draw.path(nested=0.2)
    near = _near(draw, path)
    content = draw.content()
    return Draft("read", {"path": draw.show_path(path)}, lambda: reading(path), needs={near: content}, subject=near)


@family("missing_folder", weight=1.3)
def missing_folder(draw: Draw) -> Draft:
    folder = draw.folder()
    return Draft("ls.folder", {"folder": show_folder(draw, folder)}, lambda: listing(folder))


@family("failing", weight=2.3)
def failing(draw: Draw) -> Draft:
    """One call of any other request fails for good."""
    draft, calls = _draw_other(draw)
    target = draw.pick(calls[:1] * 2 + calls)
    error = _word(draw, target, LASTING_SHELL if target[0] == "shell" else LASTING_ERRORS)
    return _with_failures(draft, draft.course, target, [error])


@family("passing", weight=1.7)
def passing(draw: Draw) -> Draft:
    """One call of any other request fails for the moment: it is made once more, with the same arguments."""
    draft, calls = _draw_other(draw)
    target = draw.pick(calls[:1] * 2 + calls)
    choices = PASSING_SHELL if target[0] == "shell" else PASSING_ERRORS
    errors = [_word(draw, target, choices)]
    if draw.chance(0.3):
        errors.append(errors[0] if draw.chance(0.6) else _word(draw, target, choices))
    return _with_failures(draft, lambda: retrying(draft.course()), target, errors)


@family("denied", weight=3.3)
def denied(draw: Draw) -> Draft:
    """The user refuses a call: nothing else is tried."""
    while True:
        draft, calls = _draw_other(draw)
        asked = [one for one in calls if one[0] in _ASKED]
        if asked:
            break
    target = draw.pick(asked)
    error = _word(draw, target, DENIALS)
    return _with_failures(draft, lambda: accepting(draft.course()), target, [error])


def failure_key(name: str, arguments: Mapping[str, Any]) -> str:
    """The setting that holds the errors of one call, so that no other request meets them."""
    return f"failures of {name} {json.dumps(arguments)}"


def _with_failures(draft: Draft, course: Callable[[], Course], target: Call, errors: list[str]) -> Draft:
    settings = {**draft.settings, failure_key(*target): errors}
    return dataclasses.replace(draft, course=course, settings=settings, is_real=False)


def _draw_other(draw: Draw) -> tuple[Draft, list[Call]]:
    """A request of another family and its calls when all goes well."""
    others = [one for one in FAMILIES.values() if one.make.__module__ != __name__]
    while True:
        entry = draw.random.choices(others, [one.weight for one in others])[0]
        draft = entry.make(draw)
        if draft.tools is not None or draft.request is not None:
            continue
        calls = _calls_of(draft)
        if calls:
            return draft, calls


def _calls_of(draft: Draft) -> list[Call]:
    """The calls of a request in a workspace that holds only what it needs; none if one of them fails."""
    workspace = SimulatedWorkspace()
    workspace.prepare(draft.needs, draft.canned, draft.settings)
    course = draft.course()
    calls: list[Call] = []
    try:
        step = next(course)
        while True:
            calls.append(step)
            result = workspace.run(*step)
            if not result["ok"]:
                return []
            step = course.send(result)
    except StopIteration:
        return calls


def _near(draw: Draw, path: str) -> str:
    """A path that the workspace proposes for `path`: another ending, another folder, or a letter more or less."""
    folder, _, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    kind = draw.random.random()
    if kind < 0.3 and stem:
        other = draw.extension()
        return f"{folder}/{stem}.{other if other != ending else 'old'}".lstrip("/")
    if kind < 0.6 or len(name) < 7:
        return f"{draw.folder()}/{name}"
    changed = f"{stem}s{dot}{ending}" if draw.chance(0.5) else name[: len(stem) // 2] + name[len(stem) // 2 + 1 :]
    return f"{folder}/{changed}".lstrip("/")


def _word(draw: Draw, target: Call, choices: list[str]) -> str:
    name, arguments = target
    path = str(arguments.get("path", ""))
    fitting = [one for one in choices if path or "{path}" not in one]
    error = draw.pick(fitting).replace("{do}", _DOING.get(name, "use")).replace("{path}", path)
    error = error.replace("{n}", str(draw.number(2, 120)))
    return re.sub(r"\{word\}", lambda _match: draw.word(), error)


# Courses


def retrying(course: Course) -> Course:
    """Another course, in which a call with a passing error is made once more."""
    try:
        step = next(course)
        while True:
            result = yield step
            if not result["ok"] and PASSING.search(result["error"]):
                result = yield step
            step = course.send(result)
    except StopIteration as stop:
        return stop.value


def accepting(course: Course) -> Course:
    """Another course, which ends where the user refuses a call."""
    try:
        step = next(course)
        while True:
            result = yield step
            if not result["ok"] and result["error"].startswith("denied by user"):
                return not_allowed(step)
            step = course.send(result)
    except StopIteration as stop:
        return stop.value


def not_allowed(step: Call) -> Answer:
    """What is said after a refusal."""
    name, arguments = step
    what = _NOT_DONE.get(name, "do it").format(path=arguments.get("path", ""))
    return Answer(f"I did not {what}: you did not allow it.", (f"I did not {what}", "you did not allow it"))
