"""Requests that add lines to a file: it is read, then written as a whole."""

from __future__ import annotations

import re
from typing import Callable, Generator

from ..draw import Draw
from ..family import Answer, Call, Course, Draft, call, family, follow_up
from ..workspace import Result
from .write import could_not, one_line, place, text_slots, writing

#: How a result ends that does not show the whole file.
_CUT = re.compile(r"\[(\d+ more lines?, use offset=\d+|line 1 is cut, the file has \d+ bytes)\]$")


def _before(path: str) -> Generator[Call, Result, str | Answer]:
    """What the file holds, or the answer that says why nothing is added."""
    result = yield call("read", path=path)
    if not result["ok"]:
        return could_not(f"add to {path}", result)
    content = result["output"]
    if _CUT.search(content):
        return Answer(f"I could not add to {path}: it is too long for me.", ("could not", path))
    return "" if content == "(empty file)" else content


def with_line_end(content: str) -> str:
    """The content, ready for a further line."""
    return content if content == "" or content.endswith("\n") else content + "\n"


def appending(path: str, text: str, what: str | None = None) -> Callable[[], Course]:
    """The course that adds `text` at the end; the answer calls it `what`."""

    def course() -> Course:
        before = yield from _before(path)
        if isinstance(before, Answer):
            return before
        end = "\n" if before.endswith("\n") else ""
        result = yield call("write", path=path, content=with_line_end(before) + text + end)
        if not result["ok"]:
            return could_not(f"write {path}", result)
        return Answer(f"I added {what or text} to {path}.", (what or text, path))

    return course


def prepending(path: str, text: str) -> Callable[[], Course]:
    """The course that adds `text` as the first line."""

    def course() -> Course:
        before = yield from _before(path)
        if isinstance(before, Answer):
            return before
        result = yield call("write", path=path, content=f"{text}\n{before}")
        if not result["ok"]:
            return could_not(f"write {path}", result)
        return Answer(f"I added {text} to the top of {path}.", (text, path))

    return course


def added_text(draw: Draw) -> str:
    """One line: a text, or an entry such as lists hold."""
    if draw.chance(0.85):
        return one_line(draw, 7)
    return draw.pick(["- {}", "- {}", "* {}", "# {}", "## {}", "- [ ] {}", "1. {}", "[x] {}"]).format(draw.text(4))


@family("append", weight=7)
def append(draw: Draw) -> Draft:
    """Now and then the file is missing."""
    path, slots = place(draw, 0.07)
    text = added_text(draw)
    slots |= text_slots(draw, text)
    needs = {} if draw.chance(0.04) else {path: "" if draw.chance(0.04) else draw.content()}
    return Draft("append", slots, appending(path, text), needs, subject=path if needs else None)


@family("prepend", weight=5.2)
def prepend(draw: Draw) -> Draft:
    path, slots = place(draw, 0.07)
    text = added_text(draw)
    slots |= text_slots(draw, text)
    return Draft("prepend", slots, prepending(path, text), {path: draw.content()}, subject=path)


@family("append lines", weight=1.7)
def append_lines(draw: Draw) -> Draft:
    """Two or three lines, each in quotes."""
    path = draw.path()
    texts = [draw.text(4) for _ in range(draw.number(2, 3))]
    shown = [draw.quote(text) for text in texts]
    slots = {"path": draw.show_path(path), "items": ", ".join(shown[:-1]) + " and " + shown[-1]}
    course = appending(path, "\n".join(texts), "the lines")
    return Draft("append.lines", slots, course, {path: draw.content()}, subject=path)


@follow_up("append to it", weight=4.9)
def append_to_it(draw: Draw, path: str) -> Draft:
    text = added_text(draw)
    return Draft("append.it", text_slots(draw, text), appending(path, text), subject=path)


@follow_up("prepend to it", weight=4.1)
def prepend_to_it(draw: Draw, path: str) -> Draft:
    text = added_text(draw)
    return Draft("prepend.it", text_slots(draw, text), prepending(path, text), subject=path)


@follow_up("overwrite it", weight=1.5)
def overwrite_it(draw: Draw, path: str) -> Draft:
    text = one_line(draw)
    return Draft("overwrite.it", text_slots(draw, text), writing(path, text, f"I wrote {path}."), subject=path)
