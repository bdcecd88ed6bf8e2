"""Requests that make folders, alone or with a file in them."""

from __future__ import annotations

from ..draw import Draw
from ..family import Answer, Course, Draft, call, family
from ..workspace import Result
from .write import could_not, one_line, text_slots


def was_there(result: Result) -> bool:
    """Whether there was nothing to make."""
    return str(result.get("output", "")).endswith("already exists")


@family("mkdir", weight=2.3)
def mkdir(draw: Draw) -> Draft:
    """Slots: `folder`; of nested ones also `inner` and `outer`, for "logs inside the folder app"."""
    folder = draw.folder(0.3)
    slots = {"folder": draw.show_path(folder)}
    if "/" in folder and draw.chance(0.5):
        outer, inner = folder.rsplit("/", 1)
        slots = {"outer": draw.show_path(outer), "inner": inner}
    elif " " not in folder and draw.chance(0.12):
        slots = {"folder": f"{folder}/"}

    def course() -> Course:
        result = yield call("mkdir", path=folder)
        if not result["ok"]:
            return could_not(f"create {folder}", result)
        if was_there(result):
            return Answer(f"The folder {folder} already exists.", (folder, "already exists"))
        return Answer(f"I created the folder {folder}.", (folder,))

    return Draft("mkdir", slots, course, needs={f"{folder}/": ""} if draw.chance(0.06) else {})


@family("mkdir several", weight=1.1)
def mkdir_several(draw: Draw) -> Draft:
    """Two or three folders. Slot `folders`: "a, b and c"."""
    folders = [draw.folder(0.1) for _ in range(draw.number(2, 3))]
    comma = ", and " if len(folders) == 3 and draw.chance(0.3) else " and "
    shown = [draw.show_path(folder) for folder in folders]
    slots = {"folders": ", ".join(shown[:-1]) + comma + shown[-1]}
    if len(folders) == 2:
        slots |= {"folder1": shown[0], "folder2": shown[1]}

    def course() -> Course:
        for folder in folders:
            result = yield call("mkdir", path=folder)
            if not result["ok"]:
                return could_not(f"create {folder}", result)
        listed = ", ".join(folders[:-1]) + " and " + folders[-1]
        return Answer(f"I created the folders {listed}.", tuple(folders))

    return Draft("mkdir.several", slots, course)


@family("folder and file", weight=2.3)
def folder_and_file(draw: Draw) -> Draft:
    """Slots: `folder`, and the file in it as `name` or, sometimes, as `path`; `text` unless it is to be empty."""
    folder, name = draw.folder(0.08), draw.name()
    path = f"{folder}/{name}"
    slots = {"folder": draw.show_path(folder)}
    slots |= {"path": draw.show_path(path)} if draw.chance(0.2) else {"name": draw.show_path(name)}
    is_empty = draw.chance(0.15)
    text = "" if is_empty else one_line(draw, 7)
    if not is_empty:
        slots |= text_slots(draw, text)

    def course() -> Course:
        made = yield call("mkdir", path=folder)
        if not made["ok"]:
            return could_not(f"create {folder}", made)
        result = yield call("write", path=path, content=text)
        if not result["ok"]:
            return could_not(f"write {path}", result)
        kind = "empty file" if is_empty else "file"
        if was_there(made):
            return Answer(f"The folder {folder} already exists. I created the {kind} {path}.", (folder, path))
        return Answer(f"I created the folder {folder} and the {kind} {path}.", (folder, path))

    needs = {f"{folder}/": ""} if draw.chance(0.04) else {}
    return Draft("folder.empty" if is_empty else "folder.file", slots, course, needs, subject=path)
