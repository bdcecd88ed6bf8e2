"""What the simulated commands have in common: how they are called, and how they write names in their messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from .workspace import SimulatedWorkspace

#: Exit code, output, and what was said about errors.
Printed = tuple[int, str, str]
#: Runs a command with its words and what comes through a pipe, if anything does.
Command = Callable[["SimulatedWorkspace", list[str], "str | None"], Printed]

NO_SUCH = "No such file or directory"


class NotSimulated(Exception):
    """A command of which nobody can say here what it prints."""


def quoted(name: str) -> str:
    """A name in the quotes of most messages."""
    if "'" not in name:
        return f"'{name}'"
    if not re.search(r'["$`\\!]', name):
        return f'"{name}"'
    return "'" + name.replace("'", "'\\''") + "'"


def quoted_if_odd(name: str) -> str:
    """A name as `cat` and `wc` show it."""
    return quoted(name) if re.search(r"""[ !"$&'()*;<=>?\[\\^`|]|^[#~]|^[{}]$""", name) else name


def parse_options(words: list[str], known: str) -> tuple[set[str], list[str]]:
    """Single letters behind a dash, and the rest."""
    letters: set[str] = set()
    rest: list[str] = []
    for index, word in enumerate(words):
        if word == "--":
            return letters, rest + words[index + 1 :]
        if len(word) > 1 and word.startswith("-"):
            letters.update(word[1:])
        else:
            rest.append(word)
    if not letters <= set(known):
        raise NotSimulated(" ".join(words))
    return letters, rest


def operands(words: list[str], least: int, most: int = 99) -> list[str]:
    """The words that are no options, as many as the command takes."""
    if not least <= len(words) <= most:
        raise NotSimulated(" ".join(words))
    return words


def place_of(name: str) -> str:
    """The path of a name in the workspace."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts:
        raise NotSimulated(name)
    return "/".join(parts)
