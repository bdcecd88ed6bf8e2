"""Requests that make one or two files, or give a file a new content."""

from __future__ import annotations

from typing import Callable

from ..draw import Draw
from ..family import Answer, Course, Draft, call, family
from ..workspace import Result

#: Words that, without quotes, could be taken for a part of the request.
_JOINING = {
    *"a an and as at by file first for from in into it last line list named of on or so that the then this to todo todos top with".split(),
    *"anything everything nothing something stuff text word words".split(),
}


def could_not(doing: str, result: Result) -> Answer:
    """The honest answer after a failed call."""
    error = str(result["error"])
    return Answer(f"I could not {doing}: {error}", ("could not", error))


def writing(path: str, content: str, done: str) -> Callable[[], Course]:
    """The course that writes one file."""

    def course() -> Course:
        result = yield call("write", path=path, content=content)
        return Answer(done, (path,)) if result["ok"] else could_not(f"write {path}", result)

    return course


def is_unmistakable(text: str) -> bool:
    """Whether it can stand without quotes amid a request: few words, none of which could be a part of the request."""
    words = text.split(" ")
    is_open = text[0] in "\"'`“‘«" or text[-1] in "\"'`”’».,:;!?-" or "->" in text or ", " in text or "\n" in text
    return len(words) <= 6 and "" not in words and not is_open and not _JOINING & {*text.lower().split(" ")}


def show_text(draw: Draw, text: str) -> str:
    """In quotes, or sometimes without where that is clear."""
    return text if is_unmistakable(text) and draw.chance(0.25) else draw.quote(text)


def text_slots(draw: Draw, text: str) -> dict[str, str]:
    """`text` mostly in quotes, `raw` without, and, where no word of it could be misunderstood, `bare`."""
    slots = {"text": show_text(draw, text)}
    if text[0] not in "\"'`“‘«" and text[-1] not in "\"'`”’»" and "->" not in text:
        slots["raw"] = text
    if is_unmistakable(text):
        slots["bare"] = text
    return slots


def one_line(draw: Draw, most: int = 8) -> str:
    """A text such as one writes into a note: mostly any words, sometimes a list, a name or a thing to do at a time."""
    kind = draw.random.random()
    if kind < 0.82:
        return draw.text(most)
    words = [draw.word() for _ in range(draw.number(2, 5))]
    if kind < 0.89:
        return ", ".join(words[:-1]) + draw.pick([", ", " and ", ", and "]) + words[-1]
    if kind < 0.93:
        return f"{words[0]} {draw.pick(['and', 'or', 'for', 'from', 'to', 'with', 'in'])} {words[1]}"
    if kind < 0.97:
        return draw.pick(["{} {}", "{} for {}", "{} with {}", "{}: {}"]).format(words[0], draw.person())
    doing = draw.pick(["call", "meet", "ask", "visit", "tell"])
    return f"{doing} {draw.person()} {draw.pick(['at 5', 'on Monday', 'tomorrow', 'at 10:30', 'in May'])}"


def place(draw: Draw, separate: float = 0.12) -> tuple[str, dict[str, str]]:
    """A path and its slots: `path`, or sometimes `name` and `folder`, for "notes.txt in the folder work"."""
    if not draw.chance(separate):
        path = draw.path()
        return path, {"path": draw.show_path(path)}
    folder, name = draw.folder(), draw.name()
    shown = draw.show_path(folder + ("/" if draw.chance(0.1) else ""))
    return f"{folder}/{name}", {"name": draw.show_path(name), "folder": shown}


@family("create", weight=6.8)
def create(draw: Draw) -> Draft:
    path, slots = place(draw)
    text = one_line(draw)
    slots |= text_slots(draw, text)
    return Draft("create.text", slots, writing(path, text, f"I created {path}."), subject=path)


@family("create empty", weight=1.9)
def create_empty(draw: Draw) -> Draft:
    path, slots = place(draw, 0.2)
    while "." not in path:  # "make a draft" could mean anything
        path, slots = place(draw, 0.2)
    return Draft("create.empty", slots, writing(path, "", f"I created the empty file {path}."), subject=path)


@family("overwrite", weight=1.9)
def overwrite(draw: Draw) -> Draft:
    """The file is mostly there, but what it held does not matter."""
    path, slots = place(draw, 0.1)
    text = draw.long_text(12, 30) if draw.chance(0.1) else one_line(draw)
    slots |= text_slots(draw, text)
    needs = {path: draw.content()} if draw.chance(0.85) else {}
    return Draft("overwrite", slots, writing(path, text, f"I wrote {path}."), needs, subject=path)


@family("create two", weight=1.5)
def create_two(draw: Draw) -> Draft:
    """Slots `path1`, `text1`, `path2`, `text2`; or `path1` and `path2` for empty files; or `text` for both."""
    paths = [draw.path(0.1), draw.path(0.1)]
    slots = {"path1": draw.show_path(paths[0]), "path2": draw.show_path(paths[1])}
    kind = draw.random.random()
    if kind < 0.2:
        intent, texts = "create.two.empty", ["", ""]
    elif kind < 0.35:
        intent, texts = "create.two.same", [draw.text(5)] * 2
        slots["text"] = draw.quote(texts[0])
    else:
        intent, texts = "create.two", [one_line(draw, 5), one_line(draw, 5)]
        first, second = text_slots(draw, texts[0]), text_slots(draw, texts[1])
        slots |= {"text1": first["text"], "text2": second["text"]}
        if "bare" in first and "bare" in second and draw.chance(0.6):
            slots |= {"bare1": first["bare"], "bare2": second["bare"], "raw": second["bare"]}

    def course() -> Course:
        for path, text in zip(paths, texts):
            result = yield call("write", path=path, content=text)
            if not result["ok"]:
                return could_not(f"write {path}", result)
        if intent == "create.two.empty":
            return Answer(f"I created the empty files {paths[0]} and {paths[1]}.", tuple(paths))
        return Answer(f"I created {paths[0]} and {paths[1]}.", tuple(paths))

    return Draft(intent, slots, course, subject=paths[1])
