"""Requests that copy, move, rename and delete files and folders."""

from __future__ import annotations

import shlex
from typing import Callable

from ..draw import Draw
from ..family import Answer, Course, Draft, call, family


def folder_of(path: str) -> str:
    """The folder of a file, empty for the workspace."""
    return path.rpartition("/")[0]


def name_of(path: str) -> str:
    return path.rpartition("/")[2]


def inside(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def transfer_course(verb: str, source: str, target: str) -> Callable[[], Course]:
    """Copies, moves or renames; the folder of the target is made first unless the source lies in it."""

    def course() -> Course:
        folder = folder_of(target)
        if folder and folder != folder_of(source):
            made = yield call("mkdir", path=folder)
            if not made["ok"]:
                return Answer(f"I could not make the folder {folder}: {made['error']}", (folder, "could not"))
        program = "cp" if verb == "copy" else "mv"
        result = yield call("shell", command=f"{program} {shlex.quote(source)} {shlex.quote(target)}")
        if not result["ok"]:
            return Answer(f"I could not {verb} {source}: {result['error']}", (source, "could not"))
        done = {"copy": "copied", "move": "moved", "rename": "renamed"}[verb]
        return Answer(f"I {done} {source} to {target}.", (source, target))

    return course


def delete_course(path: str) -> Callable[[], Course]:
    def course() -> Course:
        result = yield call("shell", command=f"rm {shlex.quote(path)}")
        if not result["ok"]:
            return Answer(f"I could not delete {path}: {result['error']}", (path, "could not"))
        return Answer(f"I deleted {path}.", (path,))

    return course


def transfer(draw: Draw, verb: str, intent: str, source: str, target: str, **slots: str) -> Draft:
    """A draft whose file is missing now and then."""
    is_there = draw.chance(0.95) or not source.isascii()
    return Draft(
        intent,
        {"path": draw.show_path(source), "target": draw.show_path(target), **slots},
        transfer_course(verb, source, target),
        {source: draw.content()} if is_there else {},
        subject=target if is_there else None,
    )


@family("copy", weight=2.9)
def copy(draw: Draw) -> Draft:
    return transfer(draw, "copy", "copy", draw.path(), file_target(draw))


@family("back up", weight=1.3)
def back_up(draw: Draw) -> Draft:
    """The name of the copy is given in full."""
    source = draw.path()
    stem = source.rpartition(".")[0] or source
    ending = source.removeprefix(stem)
    target = draw.pick([
        *[source + mark for mark in (".bak", ".bak", ".old", ".orig", ".backup", ".save")],
        *[stem + mark + ending for mark in ("_backup", "-backup", "_copy", "-old", "2", "_v1", ".bak")],
        f"backup/{name_of(source)}",
    ])  # fmt: skip
    return transfer(draw, "copy", "back-up", source, target)


@family("copy into folder", weight=1.7)
def copy_into(draw: Draw) -> Draft:
    return _into_folder(draw, "copy")


@family("move", weight=2.3)
def move(draw: Draw) -> Draft:
    return transfer(draw, "move", "move", draw.path(), file_target(draw))


@family("move into folder", weight=2.5)
def move_into(draw: Draw) -> Draft:
    return _into_folder(draw, "move")


@family("rename", weight=2.6)
def rename(draw: Draw) -> Draft:
    """A new name without a folder keeps the file where it is."""
    source = draw.path()
    name = new_name(draw, source)
    target = inside(folder_of(source), name)
    shown = target if draw.chance(0.4) else name
    return transfer(draw, "rename", "rename", source, target, name=draw.show_path(shown))


@family("delete", weight=2.9)
def delete(draw: Draw) -> Draft:
    path = draw.path()
    is_there = draw.chance(0.94) or not path.isascii()
    return Draft("delete", {"path": draw.show_path(path)}, delete_course(path), {path: draw.text()} if is_there else {})


@family("delete folder", weight=1.7)
def delete_folder(draw: Draw) -> Draft:
    folder = draw.folder()
    is_there = draw.chance(0.93) or not folder.isascii()

    def course() -> Course:
        result = yield call("shell", command=f"rm -r {shlex.quote(folder)}")
        if not result["ok"]:
            return Answer(f"I could not delete the folder {folder}: {result['error']}", (folder, "could not"))
        return Answer(f"I deleted the folder {folder}.", (folder,))

    inhabitants = {f"{folder}/{draw.name()}": draw.text(4) for _ in range(draw.number(0, 2))} or {f"{folder}/": ""}
    slots = {"folder": draw.show_path(folder), "slashed": draw.show_path(folder + "/")}
    return Draft("delete.folder", slots, course, inhabitants if is_there else {})


def _into_folder(draw: Draw, verb: str) -> Draft:
    """The folder may be there already."""
    source, folder = draw.path(), draw.folder()
    slots = {"folder": draw.show_path(folder), "slashed": draw.show_path(folder + "/")}
    draft = transfer(draw, verb, f"{verb}.into", source, f"{folder}/{name_of(source)}", **slots)
    there = {f"{folder}/": ""} if draw.chance(0.4) else {}
    draft.needs = {**draft.needs, **there}
    return draft


def file_target(draw: Draw) -> str:
    """A path that cannot be taken for a folder."""
    while "." not in name_of(path := draw.path()):
        pass
    return path


def new_name(draw: Draw, path: str) -> str:
    """Another name for a file, mostly with the same ending."""
    ending = name_of(path).rpartition(".")[2] if "." in path and draw.chance(0.6) else None
    while (name := draw.name(ending)) == name_of(path):
        pass
    return name
