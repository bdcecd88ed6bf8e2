"""Simulated commands that print something and change nothing."""

from __future__ import annotations

import datetime
import re
import zlib
from typing import TYPE_CHECKING

from .command import NO_SUCH, Command, NotSimulated, Printed, operands, parse_options, place_of, quoted, quoted_if_odd

if TYPE_CHECKING:
    from .workspace import SimulatedWorkspace


def _read(workspace: SimulatedWorkspace, name: str) -> str | None:
    """Content of a file; None when it cannot be read."""
    return workspace.files.get(place_of(name))


def _why(workspace: SimulatedWorkspace, name: str) -> str:
    return "Is a directory" if workspace.is_folder(place_of(name)) else NO_SUCH


def _cat(workspace: SimulatedWorkspace, words: list[str], piped: str | None) -> Printed:
    _letters, names = parse_options(words, "")
    if not names and piped is not None:
        return 0, piped, ""
    output, errors = "", ""
    for name in operands(names, 1):
        content = _read(workspace, name)
        if content is None:
            errors += f"cat: {quoted_if_odd(name)}: {_why(workspace, name)}\n"
        elif errors:
            raise NotSimulated("cat")
        else:
            output += content
    return (1 if errors else 0), output, errors


def _wc(workspace: SimulatedWorkspace, words: list[str], piped: str | None) -> Printed:
    letters, names = parse_options(words, "lwcm")
    if len(letters) != 1 or len(names) > 1 or (not names and piped is None):
        raise NotSimulated("wc")
    text = _read(workspace, names[0]) if names else piped
    if text is None:
        if workspace.is_folder(place_of(names[0])):
            raise NotSimulated("wc")
        return 1, "", f"wc: {quoted_if_odd(names[0])}: {NO_SUCH}\n"
    counts = {"l": text.count("\n"), "w": len(text.split()), "c": len(text.encode()), "m": len(text)}
    return 0, " ".join([str(counts[letters.pop()]), *names]) + "\n", ""


def _echo(_workspace: SimulatedWorkspace, words: list[str], _piped: str | None) -> Printed:
    is_open = words[:1] == ["-n"]
    return 0, _unescape(" ".join(words[1:] if is_open else words)) + ("" if is_open else "\n"), ""


def _printf(_workspace: SimulatedWorkspace, words: list[str], _piped: str | None) -> Printed:
    if len(words) != 1 or "%" in words[0]:
        raise NotSimulated("printf")
    return 0, _unescape(words[0]), ""


def _unescape(text: str) -> str:
    def replace(found: re.Match[str]) -> str:
        forms = {"n": "\n", "t": "\t", "\\": "\\"}
        if found[1] in "abcfrv0123456789":
            raise NotSimulated(text)
        return forms.get(found[1], found[0])

    return re.sub(r"\\(.)", replace, text)


def _ends(command: str) -> Command:
    """`head` and `tail`."""

    def run(workspace: SimulatedWorkspace, words: list[str], piped: str | None) -> Printed:
        count, names = 10, words
        if words[:1] == ["-n"] and words[1:2] and words[1].isdigit():
            count, names = int(words[1]), words[2:]
        elif words and re.fullmatch(r"-n?\d+", words[0]):
            count, names = int(words[0].lstrip("-n")), words[1:]
        if len(names) > 1 or (not names and piped is None) or (names and names[0].startswith("-")):
            raise NotSimulated(command)
        text = _read(workspace, names[0]) if names else piped
        if text is None:
            if workspace.is_folder(place_of(names[0])):
                return 1, "", f"{command}: error reading {quoted(names[0])}: Is a directory\n"
            return 1, "", f"{command}: cannot open {quoted(names[0])} for reading: {NO_SUCH}\n"
        lines = re.findall(r"[^\n]*\n|[^\n]+", text)
        return 0, "".join(lines[:count] if command == "head" else lines[max(0, len(lines) - count) :]), ""

    return run


def _sort(workspace: SimulatedWorkspace, words: list[str], piped: str | None) -> Printed:
    letters, names = parse_options(words, "ru")
    if len(names) > 1 or (not names and piped is None):
        raise NotSimulated("sort")
    text = _read(workspace, names[0]) if names else piped
    if text is None:
        what = "read failed" if workspace.is_folder(place_of(names[0])) else "cannot read"
        return 2, "", f"sort: {what}: {quoted_if_odd(names[0])}: {_why(workspace, names[0])}\n"
    texts = text.removesuffix("\n").split("\n") if text else []
    ordered = sorted(set(texts) if "u" in letters else texts, reverse="r" in letters)
    return 0, "".join(f"{one}\n" for one in ordered), ""


def _awk(workspace: SimulatedWorkspace, words: list[str], _piped: str | None) -> Printed:
    """Counts lines, a last one without a line end too."""
    if len(words) != 2 or words[0] != "END {print NR}":
        raise NotSimulated("awk")
    text = _read(workspace, words[1])
    if text is None:
        return 2, "", f"awk: cannot open {words[1]} ({NO_SUCH})\n"
    return 0, f"{text.count(chr(10)) + (text != '' and not text.endswith(chr(10)))}\n", ""


def _date(workspace: SimulatedWorkspace, words: list[str], _piped: str | None) -> Printed:
    if words:
        raise NotSimulated("date")
    time = datetime.datetime.fromisoformat(workspace.time)
    second = zlib.crc32(workspace.time.encode()) % 60
    return 0, f"{time:%a %b} {time.day:2} {time:%H:%M}:{second:02} UTC {time.year}\n", ""


def _pwd(workspace: SimulatedWorkspace, _words: list[str], _piped: str | None) -> Printed:
    return 0, f"{workspace.settings.get('pwd', '/workspace')}\n", ""


def _exit(_workspace: SimulatedWorkspace, words: list[str], _piped: str | None) -> Printed:
    return int(words[0]) if words else 0, "", ""


TEXT_COMMANDS: dict[str, Command] = {
    "cat": _cat,
    "wc": _wc,
    "echo": _echo,
    "printf": _printf,
    "head": _ends("head"),
    "tail": _ends("tail"),
    "sort": _sort,
    "awk": _awk,
    "pwd": _pwd,
    "date": _date,
    "true": lambda workspace, words, piped: (0, "", ""),
    "false": lambda workspace, words, piped: (1, "", ""),
    "exit": _exit,
}
