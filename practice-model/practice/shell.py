"""The shell commands that are simulated: those that a request about files needs. Others have to be canned."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .command import NotSimulated, Printed, place_of
from .file_commands import FILE_COMMANDS
from .results import RESULT_BYTES, Result, failure, keep_ends, success
from .text_commands import TEXT_COMMANDS

if TYPE_CHECKING:
    from .workspace import SimulatedWorkspace

#: Exit code, and what the command printed to both channels.
Output = tuple[int, str]
#: A word, and whether it is a mark that the shell acts upon.
Word = tuple[str, bool]

COMMANDS = {**TEXT_COMMANDS, **FILE_COMMANDS}
_FRAME_BYTES = 420
_MAX_REASON = 200
#: Of a line, in this order: text in quotes of two kinds, a letter behind a backslash, a mark, a gap, plain text, others.
_WORD_PARTS = re.compile(
    r"""'([^']*)'|"([^"$`\\]*)"|\\(.)|(>>|&&|\|\||[|;<>])|([ \t]+)"""
    r"""|([\w@%+:,./!^{}=~\]\[-]+|[^\x00-\x7f]+)|(.)""",
    re.DOTALL,
)
#: Programs that are there but not simulated: a result has to be given for them.
_OTHERS = set(
    "git python3 python node npm grep find sed make diff du df ps tar tr cut uniq tee seq whoami uname sh bash cd"
    " test basename dirname sleep expr env hostname id which file stat chmod ln kill export set".split()
)


def run_command(workspace: SimulatedWorkspace, line: str) -> Result:
    """Runs one command line."""
    code, output = workspace.canned[line] if line in workspace.canned else _execute(workspace, line)
    return to_result(code, output)


def to_result(code: int, output: str) -> Result:
    """A result as the agent reports it: failures name the exit code and the last line."""
    shown = keep_ends(output, RESULT_BYTES - _FRAME_BYTES, "whole output: .lmagent/outputs/call_1.txt")
    if code == 0:
        return success(shown)
    lines = shown.strip().split("\n")
    missing = re.fullmatch(r"\S*sh: (?:line )?(?:\d+: )?(?:exec: )?(.+?): (?:command )?not found", lines[-1])
    reason = (f"{missing[1]}: command not found" if missing else lines[-1])[:_MAX_REASON]
    if code == 127 and len(lines) == 1 and reason.endswith(": command not found"):
        error = reason
    else:
        error = f"exit code {code}" + (f": {reason}" if reason else "")
    return failure(error) if error.endswith("\n".join(lines)) else failure(error, shown)


def _execute(workspace: SimulatedWorkspace, line: str) -> Output:
    """Commands behind each other (`;`, `&&`), each a pipe (`|`) whose last one may write to a file."""
    words = _split(line)
    if words is None:
        return 2, "/bin/sh: 1: Syntax error: Unterminated quoted string\n"
    code, shown = 0, ""
    for pipe, mark in _cut(words, (";", "&&")):
        code, printed = _run_pipe(workspace, pipe)
        shown += printed
        if mark == "&&" and code != 0:
            break
    return code, shown


def _split(line: str) -> list[Word] | None:
    """The words and marks of a line; None where a quote is left open."""
    words: list[Word] = []
    word: str | None = None
    for found in _WORD_PARTS.finditer(line):
        single, double, escaped, mark, space, plain, other = found.groups()
        if other is not None and (other in "'" or (other == '"' and '"' not in line[found.end() :])):
            return None
        if other is not None:
            raise NotSimulated(line)
        text = next((one for one in (single, double, escaped, plain) if one is not None), None)
        if plain is not None and word is None and plain[0] in "~":
            raise NotSimulated(line)
        if text is not None:
            if plain is not None and re.search(r"[{}\[\]]|=", plain):
                raise NotSimulated(line)
            word = (word or "") + text
            continue
        if word is not None:
            words.append((word, False))
            word = None
        if mark is not None:
            words.append((mark, True))
    return words if word is None else [*words, (word, False)]


def _cut(words: list[Word], marks: tuple[str, ...]) -> list[tuple[list[Word], str]]:
    """The stretches between marks, each with the mark behind it."""
    parts: list[tuple[list[Word], str]] = []
    part: list[Word] = []
    for text, is_mark in words:
        if is_mark and text in marks:
            parts.append((part, text))
            part = []
        else:
            part.append((text, is_mark))
    return [*parts, (part, "")]


def _run_pipe(workspace: SimulatedWorkspace, words: list[Word]) -> Output:
    piped: str | None = None
    code, said, errors = 0, "", ""
    for part, _mark in _cut(words, ("|",)):
        said += errors
        code, piped, errors = _run_one(workspace, part, piped)
    return code, said + (piped or "") + errors


def _run_one(workspace: SimulatedWorkspace, words: list[Word], piped: str | None) -> Printed:
    marks = [index for index, (_text, is_mark) in enumerate(words) if is_mark]
    texts = [text for text, _is_mark in words]
    if not marks:
        return _run_words(workspace, texts, piped)
    at = marks[0]
    if len(marks) > 1 or at != len(words) - 2 or at == 0:
        raise NotSimulated(" ".join(texts))
    mark, name = texts[at:]
    place = place_of(name)
    if mark == "<":
        if place not in workspace.files:
            return 2, "", f"/bin/sh: 1: cannot open {name}: No such file\n"
        return _run_words(workspace, texts[:at], workspace.files[place])
    if workspace.is_folder(place):
        return 2, "", f"/bin/sh: 1: cannot create {name}: Is a directory\n"
    if not workspace.has_parent(place):
        return 2, "", f"/bin/sh: 1: cannot create {name}: Directory nonexistent\n"
    before = workspace.files.get(place, "") if mark == ">>" else ""
    workspace.files[place] = before
    code, printed, errors = _run_words(workspace, texts[:at], piped)
    workspace.files[place] = before + printed
    return code, "", errors


def _run_words(workspace: SimulatedWorkspace, words: list[str], piped: str | None) -> Printed:
    if not words:
        return 0, "", ""
    command = COMMANDS.get(words[0])
    if command is not None:
        return command(workspace, words[1:], piped)
    if words[0] in _OTHERS:
        raise NotSimulated(" ".join(words))
    if "/" in words[0] and workspace.exists(place_of(words[0])):
        return 126, "", f"/bin/sh: 1: {words[0]}: Permission denied\n"
    return 127, "", f"/bin/sh: 1: {words[0]}: not found\n"
