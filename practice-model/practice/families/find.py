"""Requests that find files by kind and by name."""

from __future__ import annotations

import string

from ..draw import Draw
from ..family import Answer, Course, Draft, call, family
from ..workspace import Result
from .look import draw_folder, failed, show_folder

#: What the kinds of files are called, by their ending.
KINDS: dict[str, tuple[str, ...]] = {
    "md": ("markdown", "markdown", "Markdown", "md"),
    "py": ("python", "Python", "py"),
    "js": ("javascript", "JavaScript", "js"),
    "ts": ("typescript", "TypeScript", "ts"),
    "txt": ("text", "text", "txt", "plain text"),
    "json": ("json", "JSON"),
    "csv": ("csv", "CSV"),
    "log": ("log",),
    "html": ("html", "HTML"),
    "css": ("css", "CSS"),
    "yaml": ("yaml", "YAML"),
    "sh": ("shell script", "shell", "bash"),
    "xml": ("xml", "XML"),
    "java": ("java", "Java"),
    "sql": ("sql", "SQL"),
}
_SCRIPTS = {"py": "python", "sh": "shell", "js": "javascript", "ts": "typescript"}
_BY_ENDING = [
    "files ending in .{}",
    "files ending with .{}",
    "files that end in .{}",
    "files that end with .{}",
    ".{} files",
    ".{} files",
    "*.{} files",
    "{} files",
    "files with the extension .{}",
    "files with the ending .{}",
    "files of type .{}",
    "files with a .{} extension",
    "files with extension {}",
    "*.{}",
    "files whose names end in .{}",
    "files named *.{}",
    "files having the ending .{}",
    "files with .{} at the end",
    "files of the type {}",
]


@family("glob", weight=2.6)
def glob(draw: Draw) -> Draft:
    """All files of one kind, anywhere."""
    ending = draw_ending(draw)
    needs = {draw.path(0.35, ending): draw.text(4) for _ in range(draw.pick([0, 1, 1, 2, 2, 3, 4]))}
    needs |= {draw.path(0.3): draw.text(4) for _ in range(draw.number(0, 2))}
    return Draft("glob", {"kind": name_kind(draw, ending)}, lambda: globbing(f"**/*.{ending}"), needs=needs)


@family("glob_in", weight=2.3)
def glob_in(draw: Draw) -> Draft:
    """All files of one kind in one folder."""
    ending, folder = draw_ending(draw), draw.folder()
    needs = {f"{folder}/": ""}
    for _ in range(draw.pick([0, 1, 1, 2, 2, 3, 4])):
        below = f"{draw.word()}/" if draw.chance(0.15) else ""
        needs[f"{folder}/{below}{draw.name(ending)}"] = draw.text(4)
    needs |= {f"{folder}/{draw.name()}": draw.text(4) for _ in range(draw.number(0, 2))}
    if draw.chance(0.4):
        needs[draw.path(0.3, ending)] = draw.text(4)
    slots = {"kind": name_kind(draw, ending), "folder": show_folder(draw, folder)}
    return Draft("glob.in", slots, lambda: globbing(f"{folder}/**/*.{ending}"), needs=needs)


@family("ls_deep", weight=1)
def ls_deep(draw: Draw) -> Draft:
    """All files, in all folders."""
    needs = {draw.path(0.6): draw.text(4) for _ in range(draw.number(1, 5))}
    return Draft("ls.deep", {}, lambda: globbing("**/*"), needs=needs)


@family("ls_deep_in", weight=1)
def ls_deep_in(draw: Draw) -> Draft:
    folder = draw.folder()
    slots = {"folder": show_folder(draw, folder)}
    return Draft("ls.deep.in", slots, lambda: globbing(f"{folder}/**/*"), needs=draw_folder(draw, folder))


@family("find_name", weight=2.3)
def find_name(draw: Draw) -> Draft:
    name, needs = _draw_named(draw)
    return Draft("find.name", {"name": draw.show_path(name)}, lambda: globbing(f"**/{name}"), needs=needs)


@family("exists", weight=2.7)
def exists(draw: Draw) -> Draft:
    name, needs = _draw_named(draw)

    def course() -> Course:
        result = yield call("glob", pattern=f"**/{name}")
        if not result["ok"]:
            return failed("search", result)
        found = paths_in(result)
        if not found:
            return Answer(f"No, there is no {name}.", (f"no {name}",))
        return Answer(f"Yes, there is: {', '.join(found)}", ("Yes", *found))

    return Draft("exists", {"name": draw.show_path(name)}, course, needs=needs)


@family("find_part", weight=1.9)
def find_part(draw: Draw) -> Draft:
    part = draw_part(draw)
    patterns = [f"{part}{{}}", f"{{}}{part}", f"{{}}_{part}", f"{part}-{{}}", f"{{}}-{part}-2", part]
    needs = _draw_files_like(draw, patterns)
    return Draft("find.part", {"part": show_word(draw, part)}, lambda: globbing(f"**/*{part}*"), needs=needs)


@family("find_start", weight=1.3)
def find_start(draw: Draw) -> Draft:
    part = draw_part(draw)
    needs = _draw_files_like(draw, [f"{part}{{}}", f"{part}_{{}}", f"{part}-{{}}", part])
    return Draft("find.start", {"part": show_word(draw, part)}, lambda: globbing(f"**/{part}*"), needs=needs)


# What is drawn


def draw_ending(draw: Draw) -> str:
    if draw.chance(0.75):
        return draw.pick(list(KINDS))
    if draw.chance(0.5):
        return draw.extension()
    return "".join(draw.pick(string.ascii_lowercase) for _ in range(draw.number(2, 4)))


def name_kind(draw: Draw, ending: str) -> str:
    """The kind in the plural, such as `markdown files` or `files ending in .md`."""
    if ending in KINDS and draw.chance(0.62):
        if ending in _SCRIPTS and draw.chance(0.2):
            return f"{_SCRIPTS[ending]} scripts"
        kind = draw.pick(KINDS[ending])
        if kind == "shell script":
            return draw.pick(["shell scripts", "shell script files"])
        return f"{kind} {'documents' if ending in ('md', 'txt') and draw.chance(0.2) else 'files'}"
    return draw.pick(_BY_ENDING).format(ending)


def draw_part(draw: Draw) -> str:
    part = draw.word() if draw.chance(0.85) else draw.letters(3, 6)
    return part if len(part) > 2 else part + draw.letters(2, 4)


def show_word(draw: Draw, wanted: str) -> str:
    return draw.quote(wanted) if " " in wanted or draw.chance(0.5) else wanted


def _draw_named(draw: Draw) -> tuple[str, dict[str, str]]:
    """A name, and files of which none, one or two have it."""
    name = draw.path(nested=0)
    while "." not in name:  # a bare word would read like something to search for
        name = draw.path(nested=0)
    hits = draw.pick([0, 1, 1, 1, 1, 2])
    places = ["" if draw.chance(0.4) else f"{draw.folder()}/" for _ in range(hits)]
    needs = {f"{place}{name}": draw.text(4) for place in places}
    return name, needs | {draw.path(0.3): draw.text(4) for _ in range(draw.number(0, 2))}


def _draw_files_like(draw: Draw, patterns: list[str]) -> dict[str, str]:
    needs = {draw.path(0.3): draw.text(4) for _ in range(draw.number(0, 2))}
    for _ in range(draw.pick([0, 1, 1, 2, 2, 3])):
        folder = f"{draw.folder()}/" if draw.chance(0.35) else ""
        needs[f"{folder}{draw.pick(patterns).format(draw.word())}.{draw.extension()}"] = draw.text(4)
    return needs


# Courses


def globbing(pattern: str) -> Course:
    result = yield call("glob", pattern=pattern)
    if not result["ok"]:
        return failed("search", result)
    found = paths_in(result)
    if not found:
        return Answer("I found no such files.", ("no such files",))
    return Answer(f"I found: {', '.join(found)}", tuple(found))


def paths_in(result: Result) -> list[str]:
    """The paths that glob found."""
    output = result["output"].rstrip("\n")
    return [] if output == "no matches" else output.split("\n")
