"""Names of files: how paths are read, patterns of names, and the near name that a wrong one probably meant."""

from __future__ import annotations

import functools
import posixpath
import re
import unicodedata
from typing import Callable, Iterator, Sequence


class Refused(Exception):
    """A call that fails; its text is the error."""


def code_units(name: str) -> bytes:
    """Key to sort names in the agent's order."""
    return name.encode("utf-16-be", "surrogatepass")


def parse_path(path: str) -> str:
    """A path as it is given in a call: relative, without `.` and trailing slash; the workspace itself is `.`."""
    if any(unicodedata.category(letter) == "Cc" for letter in path):
        raise refusal(path, "it contains a control character")
    if re.match(r"~([\w.+-]*/|$)", path):
        raise refusal(path, "`~` is not expanded; use a path relative to the workspace root")
    if re.match(r"([a-z][a-z0-9+.-]*://|file:)", path, re.IGNORECASE):
        raise refusal(path, "it is a URL; use a path relative to the workspace root")
    inside = path
    if path.startswith("/"):
        absolute = posixpath.normpath(path)
        if absolute != "/workspace" and not absolute.startswith("/workspace/"):
            raise _outside(path)
        inside = absolute[len("/workspace/") :]
    relative = posixpath.normpath(inside)
    if relative == ".." or relative.startswith("../"):
        raise _outside(path)
    for name in relative.split("/"):
        if len(name.encode()) > 255:
            raise refusal(path, "a name in it is longer than 255 bytes")
    return relative


def refusal(path: str, why: str) -> Refused:
    shown = "".join("?" if unicodedata.category(letter) == "Cc" else letter for letter in path)
    return Refused(f"`{shown[:200] + '…' if len(shown) > 200 else shown}` refused: {why}")


def _outside(path: str) -> Refused:
    return refusal(path, "it lies outside the workspace; use a path relative to the workspace root")


# Patterns


def match_glob(pattern: str, paths: Sequence[str]) -> list[str]:
    """The paths that a pattern fits, sorted. Without a slash it is about the name at any depth."""
    inside = re.sub(r"^(\./)+", "", pattern.strip().removeprefix("/workspace/"))
    if inside.startswith("/") or re.match(r"~[\w.+-]*(/|$)", inside) or ".." in re.split(r"[/{},]", inside):
        raise _outside(pattern)
    glob = f"{inside}**" if inside.endswith("/") else "**" if inside in (".", "") else inside
    tests = [_to_pattern(one) for one in _expand_braces(glob)]
    return sorted((path for path in paths if any(test.fullmatch(path) for test in tests)), key=code_units)


def _expand_braces(glob: str) -> list[str]:
    """Both of `{a,b}`; braces in braces are left as they are."""
    found = re.search(r"\{([^{}]*,[^{}]*)\}", glob)
    if found is None:
        return [glob]
    return [
        text
        for choice in found[1].split(",")
        for text in _expand_braces(glob[: found.start()] + choice + glob[found.end() :])
    ]


@functools.lru_cache(4096)
def _to_pattern(glob: str) -> re.Pattern[str]:
    parts = [part for part in glob.split("/") if part not in ("", ".")]
    if "/" not in glob:
        parts.insert(0, "**")
    text = ""
    for index, part in enumerate(parts):
        is_last = index == len(parts) - 1
        if part == "**":
            text += ".*" if is_last else "(?:.*/)?"
        else:
            text += _part_pattern(part) + ("" if is_last else "/")
    return re.compile(text, re.DOTALL)


def _part_pattern(part: str) -> str:
    pieces = re.split(r"(\*+|\?|\[[!^]?\]?[^\]]*\]|\\.)", part)
    return "".join(_piece_pattern(piece) for piece in pieces)


def _piece_pattern(piece: str) -> str:
    if piece.startswith("*"):
        return "[^/]*"
    if piece == "?":
        return "[^/]"
    if len(piece) > 2 and piece.startswith("["):
        body = piece[1:-1]
        negated = body[0] in "!^"
        members = re.sub(r"([]\\^[])", r"\\\1", body[1:] if negated else body)
        return f"[{'^' if negated else ''}{members}]"
    if len(piece) == 2 and piece.startswith("\\"):
        return re.escape(piece[1])
    return re.escape(piece)


# Near names

#: The names in a folder and whether each is a folder; None when there is no such folder.
Names = Callable[[str], "list[tuple[str, bool]] | None"]


def find_near_name(wanted: str, names_in: Names) -> str | None:
    """The path that was probably meant: the same name elsewhere first, then the closest spelling."""
    name, folder = posixpath.basename(wanted).lower(), posixpath.dirname(wanted) or "."
    best, best_score = None, 0.0
    for path in _paths_around(folder, names_in):
        near = _nearness(name, posixpath.basename(path).lower())
        score = near + (0.1 if (posixpath.dirname(path) or ".") == folder else 0)
        if score >= 0.6 and score > best_score:
            best, best_score = path, score
    return best


def _paths_around(folder: str, names_in: Names) -> Iterator[str]:
    queue, seen = [folder, "."], set()
    for current in queue:
        if current in seen:
            continue
        seen.add(current)
        for name, is_folder in names_in(current) or []:
            path = posixpath.normpath(posixpath.join(current, name))
            if is_folder and name not in (".git", "node_modules", ".lmagent"):
                queue.append(path)
            yield path


def _nearness(one: str, other: str) -> float:
    if one == other:
        return 1.0
    return 0.9 if _stem(one) == _stem(other) else pair_similarity(one, other)


def _stem(name: str) -> str:
    return re.sub(r"[-_ .]", "", re.sub(r"\.[^.]*$", "", name))


def pair_similarity(one: str, other: str) -> float:
    """Share of letter pairs that two texts have in common."""
    if one == other:
        return 1.0
    if len(one) < 2 or len(other) < 2:
        return 0.0
    pairs: dict[str, int] = {}
    for at in range(len(one) - 1):
        pairs[one[at : at + 2]] = pairs.get(one[at : at + 2], 0) + 1
    shared = 0
    for at in range(len(other) - 1):
        pair = other[at : at + 2]
        if pairs.get(pair, 0) > 0:
            pairs[pair] -= 1
            shared += 1
    return 2 * shared / (len(one) + len(other) - 2)
