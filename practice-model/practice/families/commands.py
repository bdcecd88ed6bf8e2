"""Requests that run a given shell command, or a script of the workspace, and report what came out."""

from __future__ import annotations

import re
import shlex
from typing import Any

from ..draw import Draw
from ..family import Answer, Course, Draft, call, family
from ..workspace import Result
from .commands_canned import PLAIN, Command, canned_command, unknown_program
from .commands_real import plain_path, real_command, safe_text

#: Programs that other requests begin with when they stand alone: "cat notes.txt" asks for a read.
_SPOKEN = {*"cat head tail ls find grep mkdir rm mv cp wc touch tree date pwd echo make diff sort git history which".split()}


@family("shell", weight=4.2)
def shell(draw: Draw) -> Draft:
    command, is_real = _draw_command(draw)
    slots = {"cmd": quote_command(draw, command.line), "raw": command.line}
    if command.is_bare:
        slots["bare"] = command.line
        if re.search(r"[\w/]$", command.line):
            slots["end"] = command.line
    return Draft("shell.run", slots, **_run(command, is_real))


@family("shell alone", weight=0.9)
def shell_alone(draw: Draw) -> Draft:
    """Nothing but the command."""
    while True:
        command = canned_command(draw)
        known = command.line in PLAIN or command.line.startswith(("npm ", "node ", "python3 ", "./", "curl ", "docker ", "pytest ", "git log", "git branch"))
        if known and " " in command.line and (command.line.split(" ")[0] not in _SPOKEN or command.line.startswith(("git ", "echo "))):
            return Draft("shell.run", {}, request=[(command.line, True)], is_plain=False, can_be_joined=False, **_run(command, False))


@family("script", weight=1.7)
def script(draw: Draw) -> Draft:
    """A script of the workspace: those of the shell only say something, the output of others is made up."""
    extension = draw.pick(["sh", "sh", "sh", "py", "py", "js"])
    path = draw.path(0.2, extension)
    runner = {"sh": "sh", "py": "python3", "js": "node"}[extension]
    lines = [safe_text(draw, 5) for _ in range(draw.pick([1, 1, 1, 2, 3]))]
    form = {"sh": 'echo "{}"', "py": 'print("{}")', "js": 'console.log("{}");'}[extension]
    content = "".join(form.format(line) + "\n" for line in lines)
    needs, output, is_real = ((path, content),), "".join(f"{line}\n" for line in lines), extension == "sh"
    if draw.chance(0.08):
        needs, output = ((path, "true\n" if extension == "sh" else "\n"),), ""
    command = Command(f"{runner} {shlex.quote(path)}", output, needs=needs)
    return Draft("script.run", {"path": draw.show_path(path)}, **_run(command, is_real))


@family("script with arguments", weight=1)
def script_with_arguments(draw: Draw) -> Draft:
    """The script says what it was given."""
    path, argument = draw.path(0.15, "sh"), draw.pick([draw.word(), draw.word(), str(draw.number(1, 9999)), draw.letters(3, 8), plain_path(draw)])
    greeting = draw.word()
    command = Command(f"sh {shlex.quote(path)} {argument}", f"{greeting} {argument}\n", needs=((path, f'echo "{greeting} $1"\n'),))
    return Draft("script.arguments", {"path": draw.show_path(path), "argument": argument, "text": draw.quote(argument)}, **_run(command, True))


def report(result: Result) -> Answer:
    """What the answer says about the result of a command."""
    if not result["ok"]:
        return Answer(f"The command failed: {result['error']}", ("failed", result["error"]))
    text = result["output"].rstrip("\n")
    if not text.strip():
        return Answer("The command ran and printed nothing.", ("nothing",))
    if "\n" in text:
        return Answer(f"The command printed:\n{text}", (text,))
    return Answer(f"The command printed: {text.strip()}", (text.strip(),))


def quote_command(draw: Draw, line: str) -> str:
    """The command as a request shows it: mostly in backticks."""
    forms = [form for form in ["`{}`"] * 5 + ['"{}"', '"{}"', "'{}'", "“{}”"] if form[0] not in line and form[-1] not in line]
    return draw.pick(forms or ["«{}»"]).format(line)


def _draw_command(draw: Draw) -> tuple[Command, bool]:
    """A command, and whether a real shell answers the same."""
    kind = draw.random.random()
    if kind < 0.03:
        return unknown_program(draw), True
    return (real_command(draw), True) if kind < 0.43 else (canned_command(draw), False)


def _run(command: Command, is_real: bool) -> dict[str, Any]:
    """The fields of a draft that runs this command and reports."""

    def course() -> Course:
        result = yield call("shell", command=command.line)
        return report(result)

    canned = {command.line: (command.exit_code, command.output)}
    return {"course": course, "needs": dict(command.needs), "canned": canned, "is_real": is_real}
