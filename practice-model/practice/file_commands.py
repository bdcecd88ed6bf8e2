"""Simulated commands that list and change files and folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .command import NO_SUCH, Command, NotSimulated, Printed, operands, parse_options, place_of, quoted

if TYPE_CHECKING:
    from .workspace import SimulatedWorkspace


def _copy(workspace: SimulatedWorkspace, words: list[str], _piped: str | None) -> Printed:
    letters, names = parse_options(words, "rRa")
    source, target = operands(names, 2, 2)
    path, place = place_of(source), place_of(target)
    if not workspace.exists(path):
        return 1, "", f"cp: cannot stat {quoted(source)}: {NO_SUCH}\n"
    if workspace.is_folder(path) and not letters:
        return 1, "", f"cp: -r not specified; omitting directory {quoted(source)}\n"
    place, shown = _inside(workspace, path, place, target)
    if path == place:
        return 1, "", f"cp: {quoted(source)} and {quoted(shown)} are the same file\n"
    if not workspace.has_parent(place):
        kind = "directory" if workspace.is_folder(path) else "regular file"
        return 1, "", f"cp: cannot create {kind} {quoted(shown)}: {NO_SUCH}\n"
    if workspace.is_folder(path):
        if place.startswith(f"{path}/") or workspace.exists(place):
            raise NotSimulated("cp")
        workspace.copy_tree(path, place)
    elif target.endswith("/") and not workspace.is_folder(place_of(target)):
        return 1, "", f"cp: cannot create regular file {quoted(target)}: Not a directory\n"
    else:
        workspace.files[place] = workspace.files[path]
    return 0, "", ""


def _move(workspace: SimulatedWorkspace, words: list[str], _piped: str | None) -> Printed:
    letters, names = parse_options(words, "f")
    source, target = operands(names, 2, 2)
    path, place = place_of(source), place_of(target)
    if not workspace.exists(path):
        return 1, "", f"mv: cannot stat {quoted(source)}: {NO_SUCH}\n"
    place, shown = _inside(workspace, path, place, target)
    if path == place:
        return 1, "", f"mv: {quoted(source)} and {quoted(shown)} are the same file\n"
    if target.endswith("/") and path in workspace.files and not workspace.is_folder(place_of(target)):
        return 1, "", f"mv: cannot move {quoted(source)} to {quoted(target)}: Not a directory\n"
    if not workspace.has_parent(place):
        return 1, "", f"mv: cannot move {quoted(source)} to {quoted(shown)}: {NO_SUCH}\n"
    if place.startswith(f"{path}/"):
        return 1, "", f"mv: cannot move {quoted(source)} to a subdirectory of itself, {quoted(shown)}\n"
    if workspace.is_folder(path) and workspace.exists(place):
        raise NotSimulated("mv")
    workspace.copy_tree(path, place)
    workspace.remove_tree(path)
    return 0, "", ""


def _inside(workspace: SimulatedWorkspace, path: str, place: str, shown: str) -> tuple[str, str]:
    """Where a file goes, and how that is written: into the target when this is a folder."""
    if not workspace.is_folder(place):
        return place, shown
    name = path.split("/")[-1]
    return (f"{place}/{name}" if place else name), f"{shown.rstrip('/')}/{name}"


def _remove(workspace: SimulatedWorkspace, words: list[str], _piped: str | None) -> Printed:
    letters, names = parse_options(words, "rRf")
    lines = []
    for name in operands(names, 1):
        path = place_of(name)
        if not workspace.exists(path):
            lines += [] if "f" in letters else [f"rm: cannot remove {quoted(name)}: {NO_SUCH}\n"]
        elif workspace.is_folder(path) and not letters & {"r", "R"}:
            lines.append(f"rm: cannot remove {quoted(name)}: Is a directory\n")
        elif path == "":
            raise NotSimulated("rm")
        else:
            workspace.remove_tree(path)
    return (1 if lines else 0), "", "".join(lines)


def _make_folders(workspace: SimulatedWorkspace, words: list[str], _piped: str | None) -> Printed:
    letters, names = parse_options(words, "p")
    lines = []
    for name in operands(names, 1):
        path = place_of(name)
        if path in workspace.files or (workspace.is_folder(path) and not letters):
            lines.append(f"mkdir: cannot create directory ‘{name}’: File exists\n")
        elif not letters and not workspace.has_parent(path):
            lines.append(f"mkdir: cannot create directory ‘{name}’: {NO_SUCH}\n")
        else:
            workspace.add_parents(f"{path}/x")
    return (1 if lines else 0), "", "".join(lines)


def _remove_folders(workspace: SimulatedWorkspace, words: list[str], _piped: str | None) -> Printed:
    _letters, names = parse_options(words, "")
    name = operands(names, 1, 1)[0]
    path = place_of(name)
    if path in workspace.files:
        return 1, "", f"rmdir: failed to remove {quoted(name)}: Not a directory\n"
    if not workspace.is_folder(path):
        return 1, "", f"rmdir: failed to remove {quoted(name)}: {NO_SUCH}\n"
    if workspace.list_folder(path):
        return 1, "", f"rmdir: failed to remove {quoted(name)}: Directory not empty\n"
    workspace.remove_tree(path)
    return 0, "", ""


def _touch(workspace: SimulatedWorkspace, words: list[str], _piped: str | None) -> Printed:
    _letters, names = parse_options(words, "")
    lines = []
    for name in operands(names, 1):
        path = place_of(name)
        if workspace.exists(path):
            continue
        if workspace.has_parent(path):
            workspace.files[path] = ""
        else:
            lines.append(f"touch: cannot touch {quoted(name)}: {NO_SUCH}\n")
    return (1 if lines else 0), "", "".join(lines)


def _list(workspace: SimulatedWorkspace, words: list[str], _piped: str | None) -> Printed:
    _letters, names = parse_options(words, "1")
    name = operands(names or ["."], 1, 1)[0]
    path = place_of(name)
    if path in workspace.files:
        return 0, f"{name}\n", ""
    if not workspace.is_folder(path):
        return 2, "", f"ls: cannot access {quoted(name)}: {NO_SUCH}\n"
    shown = sorted(entry for entry, _is_folder in workspace.list_folder(path) or [] if not entry.startswith("."))
    return 0, "".join(f"{entry}\n" for entry in shown), ""


FILE_COMMANDS: dict[str, Command] = {
    "cp": _copy,
    "mv": _move,
    "rm": _remove,
    "mkdir": _make_folders,
    "rmdir": _remove_folders,
    "touch": _touch,
    "ls": _list,
}
