"""Requests that look at files and folders: read, first and last line, list, count."""

from __future__ import annotations

import re
import shlex
from typing import Callable

from ..draw import Draw
from ..family import Answer, Course, Draft, call, family, follow_up
from ..workspace import Result


@family("read", weight=4)
def read(draw: Draw) -> Draft:
    path = draw.path()
    return _about_file(draw, "read", path, lambda: reading(path))


@family("read_two", weight=1.3)
def read_two(draw: Draw) -> Draft:
    one, two = draw.path(), draw.path()
    needs = {one: draw.lines(1, 3), two: draw.lines(1, 3)}

    def course() -> Course:
        first = yield from reading(one)
        second = yield from reading(two)
        return Answer(f"{first.text}\n{second.text}", first.facts + second.facts)

    slots = {"path": draw.show_path(one), "path2": draw.show_path(two)}
    return Draft("read.two", slots, course, needs=needs, subject=two)


@family("first_line", weight=1.3)
def first_line(draw: Draw) -> Draft:
    path = draw.path()
    return _about_file(draw, "line.first", path, lambda: one_line(path, "head", "first"))


@family("last_line", weight=1.3)
def last_line(draw: Draw) -> Draft:
    path = draw.path()
    return _about_file(draw, "line.last", path, lambda: one_line(path, "tail", "last"))


@family("count_lines", weight=2.3)
def count_lines(draw: Draw) -> Draft:
    path = draw.path()
    return _about_file(draw, "count.lines", path, lambda: counting(path, "-l", "line"))


@family("count_words", weight=1.7)
def count_words(draw: Draw) -> Draft:
    path = draw.path()
    return _about_file(draw, "count.words", path, lambda: counting(path, "-w", "word"))


@family("ls_here", weight=2.3)
def ls_here(draw: Draw) -> Draft:
    needs = {draw.path(nested=0.3): draw.text(4) for _ in range(draw.pick([0, 1, 2, 2, 3, 4, 6]))}
    return Draft("ls.here", {}, lambda: listing("."), needs=needs)


@family("ls", weight=3.2)
def ls(draw: Draw) -> Draft:
    folder = draw.folder()
    slots = {"folder": show_folder(draw, folder)}
    return Draft("ls.folder", slots, lambda: listing(folder), needs=draw_folder(draw, folder))


@family("ls_dir", weight=1.5)
def ls_dir(draw: Draw) -> Draft:
    """A slash at the end says that it is a folder."""
    folder = draw.folder()
    slots = {"dir": draw.show_path(f"{folder}/")}
    return Draft("ls.dir", slots, lambda: listing(folder), needs=draw_folder(draw, folder))


@family("folder_exists", weight=1.7)
def folder_exists(draw: Draw) -> Draft:
    folder = draw.folder()
    needs = draw_folder(draw, folder) if draw.chance(0.6) else {}
    return Draft("exists.folder", {"folder": show_folder(draw, folder)}, lambda: asking_for_folder(folder), needs=needs)


@family("count_files", weight=1.5)
def count_files(draw: Draw) -> Draft:
    folder = draw.folder()
    slots = {"folder": show_folder(draw, folder)}
    return Draft("count.files", slots, lambda: counting_files(folder), needs=draw_folder(draw, folder))


@family("count_files_here", weight=1)
def count_files_here(draw: Draw) -> Draft:
    needs = {draw.path(nested=0.2): draw.text(4) for _ in range(draw.number(0, 6))}
    return Draft("count.files.here", {}, lambda: counting_files("."), needs=needs)


@follow_up("read_it", weight=3.2)
def read_it(draw: Draw, path: str) -> Draft:
    return Draft("read.it", {}, lambda: reading(path), subject=path)


@follow_up("count_lines_of_it", weight=1.3)
def count_lines_of_it(draw: Draw, path: str) -> Draft:
    return Draft("count.lines.it", {}, lambda: counting(path, "-l", "line"), subject=path)


@follow_up("count_words_of_it", weight=1)
def count_words_of_it(draw: Draw, path: str) -> Draft:
    return Draft("count.words.it", {}, lambda: counting(path, "-w", "word"), subject=path)


def _about_file(draw: Draw, intent: str, path: str, course: Callable[[], Course]) -> Draft:
    content = "" if draw.chance(0.03) else draw.content()
    return Draft(intent, {"path": draw.show_path(path)}, course, needs={path: content}, subject=path)


def draw_folder(draw: Draw, folder: str) -> dict[str, str]:
    """Files of a folder by path: none to twelve, some in folders below."""
    count = draw.pick([0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, draw.number(7, 12)])
    paths = []
    for _ in range(count):
        below = f"{draw.word()}/" if draw.chance(0.18) else ""
        paths.append(f"{folder}/{below}{draw.name()}")
    return {path: draw.text(4) for path in paths} or {f"{folder}/": ""}


def show_folder(draw: Draw, folder: str) -> str:
    """A folder as it is typed: sometimes with a slash at its end."""
    return draw.show_path(folder + ("/" if draw.chance(0.12) else ""))


# Courses


def reading(path: str) -> Course:
    """Reads a file, or the one that the error proposes."""
    result = yield call("read", path=path)
    near = near_name(result)
    if near is not None:
        again = yield call("read", path=near)
        if again["ok"]:
            said = tell(near, again["output"])
            return Answer(f"There is no {path}, but {said.text}", (path, *said.facts))
        result = again
    if not result["ok"]:
        return failed(f"read {path}", result)
    return tell(path, result["output"])


def near_name(result: Result) -> str | None:
    """The path that a failed read proposes."""
    found = re.search(r"; did you mean (.+)\?$", result.get("error", ""))
    return found[1] if found else None


def tell(path: str, output: str) -> Answer:
    """What a file says, exactly."""
    if output == "(empty file)":
        return Answer(f"{path} is empty.", (path, "empty"))
    body = output.removesuffix("\n")
    lines = tuple(line for line in body.split("\n") if line.strip())
    joint = ":\n" if "\n" in body else ": "
    return Answer(f"{path} says{joint}{body}", (path, *lines))


def one_line(path: str, command: str, which: str) -> Course:
    result = yield call("shell", command=f"{command} -n 1 {shlex.quote(path)}")
    if not result["ok"]:
        return failed(f"read {path}", result)
    line = result["output"].removesuffix("\n")
    if not line:
        return Answer(f"The {which} line of {path} is empty.", (path, "empty"))
    return Answer(f"The {which} line of {path} is: {line}", (line,))


def counting(path: str, option: str, unit: str) -> Course:
    """Counts lines, with a last one that has no line end, or words; the number is printed first."""
    program = "awk 'END {print NR}'" if unit == "line" else f"wc {option}"
    result = yield call("shell", command=f"{program} {shlex.quote(path)}")
    if not result["ok"]:
        return failed(f"count the {unit}s of {path}", result)
    number = first_number(result["output"])
    return Answer(f"{path} has {number} {unit}{'' if number == '1' else 's'}.", (f"{path} has {number} ",))


def counting_files(folder: str) -> Course:
    """Counts the names in a folder."""
    here = folder == "."
    result = yield call("shell", command="ls | wc -l" if here else f"ls {shlex.quote(folder)} | wc -l")
    if not result["ok"]:
        return failed("count the files" if here else f"count the files in {folder}", result)
    number = first_number(result["output"])
    things = "file or folder" if number == "1" else "files and folders"
    return Answer(f"{'This folder' if here else folder} holds {number} {things}.", (f" holds {number} ",))


def first_number(output: str) -> str:
    found = re.search(r"\d+", output)
    return found[0] if found else output.strip()


def listing(folder: str) -> Course:
    """Names the entries in the order of the result."""
    result = yield call("ls", path=folder)
    if not result["ok"]:
        return failed("list this folder" if folder == "." else f"list {folder}", result)
    where = "This folder" if folder == "." else folder
    if result["output"] == "(empty)":
        return Answer(f"{where} is empty.", (where, "empty"))
    names = result["output"].rstrip("\n").split("\n")
    return Answer(f"{where} holds: {', '.join(names)}", (where, *names))


def asking_for_folder(folder: str) -> Course:
    result = yield call("ls", path=folder)
    if result["ok"]:
        return Answer(f"Yes, there is a folder {folder}.", ("Yes", folder))
    if result["error"].startswith("no such folder"):
        return Answer(f"No, there is no folder {folder}.", (f"no folder {folder}",))
    return failed(f"list {folder}", result)


def failed(doing: str, result: Result) -> Answer:
    """The honest answer to a failed call."""
    return Answer(f"I could not {doing}: {result['error']}", ("could not", result["error"]))
