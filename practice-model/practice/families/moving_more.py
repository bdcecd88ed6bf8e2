"""Requests that rename or copy a folder, or move or delete two files."""

from __future__ import annotations

import shlex

from ..draw import Draw
from ..family import Answer, Course, Draft, call, family
from .moving import name_of


@family("rename folder", weight=1.3)
def rename_folder(draw: Draw) -> Draft:
    return _other_folder(draw, "mv", "rename", "renamed")


@family("copy folder", weight=1.1)
def copy_folder(draw: Draw) -> Draft:
    return _other_folder(draw, "cp -r", "copy", "copied")


@family("delete two", weight=1.9)
def delete_two(draw: Draw) -> Draft:
    """One after the other; the second stays where the first fails."""
    paths = [draw.path(0.15), draw.path(0.15)]

    def course() -> Course:
        for path in paths:
            result = yield call("shell", command=f"rm {shlex.quote(path)}")
            if not result["ok"]:
                return Answer(f"I could not delete {path}: {result['error']}", (path, "could not"))
        return Answer(f"I deleted {paths[0]} and {paths[1]}.", tuple(paths))

    slots = {"path1": draw.show_path(paths[0]), "path2": draw.show_path(paths[1])}
    return Draft("delete.two", slots, course, {path: draw.text(5) for path in paths})


@family("move two", weight=1.1)
def move_two(draw: Draw) -> Draft:
    """Both into one folder, which may be there already."""
    paths, folder = [draw.path(0.1), draw.path(0.1)], draw.folder()
    targets = [f"{folder}/{name_of(path)}" for path in paths]

    def course() -> Course:
        made = yield call("mkdir", path=folder)
        if not made["ok"]:
            return Answer(f"I could not make the folder {folder}: {made['error']}", (folder, "could not"))
        for path, target in zip(paths, targets):
            result = yield call("shell", command=f"mv {shlex.quote(path)} {shlex.quote(target)}")
            if not result["ok"]:
                return Answer(f"I could not move {path}: {result['error']}", (path, "could not"))
        return Answer(f"I moved {paths[0]} and {paths[1]} to {folder}.", (*paths, folder))

    slots = {"path1": draw.show_path(paths[0]), "path2": draw.show_path(paths[1])}
    slots |= {"folder": draw.show_path(folder), "slashed": draw.show_path(folder + "/")}
    needs = {path: draw.text(5) for path in paths} | ({f"{folder}/": ""} if draw.chance(0.4) else {})
    return Draft("move.two", slots, course, needs)


def _other_folder(draw: Draw, command: str, verb: str, done: str) -> Draft:
    """A folder that gets another name, or a copy of another name."""
    source, target = draw.folder(deep=0.05), draw.folder(deep=0)
    is_there = draw.chance(0.94) or not source.isascii()

    def course() -> Course:
        result = yield call("shell", command=f"{command} {shlex.quote(source)} {shlex.quote(target)}")
        if not result["ok"]:
            return Answer(f"I could not {verb} the folder {source}: {result['error']}", (source, "could not"))
        return Answer(f"I {done} the folder {source} to {target}.", (source, target))

    inhabitants = {f"{source}/{draw.name()}": draw.text(4) for _ in range(draw.number(0, 2))} or {f"{source}/": ""}
    slots = {"folder": draw.show_path(source), "target": draw.show_path(target), "slashed": draw.show_path(target + "/")}
    return Draft(f"{verb}.folder", slots, course, inhabitants if is_there else {})
