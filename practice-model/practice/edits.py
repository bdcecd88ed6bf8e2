"""What `edit` says: one exact place, or why not. Looser matches than look-alike characters are not simulated."""

from __future__ import annotations

import re

from .paths import Refused, pair_similarity

_LOOKALIKES = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u00a0\u202f\u205f\u3000", " "),
        **dict.fromkeys("\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a", " "),
    }
)


def apply_edit(content: str, old: str, new: str, path: str) -> str:
    """The new content; raises `Refused`."""
    if old == "":
        raise Refused("`old` is empty: give the text to replace, or use write for a whole file")
    if old == new:
        raise Refused("`old` and `new` are the same: nothing to change")
    places = _places(content, old)
    if len(places) > 1:
        lines = [_line_of(content, at) for at in places[:20]]
        shown = ", ".join(str(line) for line in lines) + (", …" if len(places) > len(lines) else "")
        raise Refused(
            f"old text found {len(places)} times in {path}, at lines {shown}; "
            "add lines around it to old so that it is found once, or set all to true"
        )
    if not places:
        raise _missing(content, old, new, path)
    start = places[0]
    if "\n" in new and old in new:
        for at in _places(content, new):
            if at <= start and at + len(new) >= start + len(old):
                hint = "; if you want it twice, put more of the surrounding text into old and new"
                raise _already(path, _line_of(content, at), hint)
    return content[:start] + new + content[start + len(old) :]


def _places(content: str, text: str) -> list[int]:
    found, at = [], content.find(text)
    while at != -1:
        found.append(at)
        at = content.find(text, at + 1)
    return found


def _line_of(content: str, at: int) -> int:
    return content.count("\n", 0, at) + 1


def _already(path: str, line: int, hint: str = "") -> Refused:
    return Refused(f"already applied: the new text is in {path} at line {line}{hint}")


def _missing(content: str, old: str, new: str, path: str) -> Refused:
    if len(new.strip()) >= 3:
        keys = [_line_key(line) for line in content.split("\n")]
        wanted = [_line_key(line) for line in new.strip().split("\n")]
        found = [at for at in range(len(keys) - len(wanted) + 1) if keys[at : at + len(wanted)] == wanted]
        if len(found) == 1:
            return _already(path, found[0] + 1)
    return Refused(f"old text not found in {path}. {_describe_nearest(content, old)}")


def _line_key(line: str) -> str:
    plain = re.sub("[\u200b\u2060\ufeff]", "", line.translate(_LOOKALIKES))
    return re.sub(r"\s+", " ", plain.strip())


def _describe_nearest(content: str, old: str) -> str:
    lines = content.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        return "The file is empty."
    wanted = _without_blank_ends(old.split("\n"))
    at = _nearest_line([_line_key(line) for line in lines], [_line_key(line) for line in wanted])
    if at is None:
        return f"Nothing in its {len(lines)} lines looks like it; read the file."
    first = max(0, at - 1)
    last = min(len(lines), max(at + len(wanted) + 1, first + 3), first + 12)
    shown = "\n".join(f"{number + 1}: {_shorten(lines[number])}" for number in range(first, last))
    return f"Nearest lines:\n{shown}{_first_difference(lines, wanted, at)}"


def _without_blank_ends(lines: list[str]) -> list[str]:
    filled = [index for index, line in enumerate(lines) if line.strip()]
    return lines[filled[0] : filled[-1] + 1] if filled else [""]


def _nearest_line(keys: list[str], wanted: list[str]) -> int | None:
    votes: dict[int, int] = {}
    for at, key in enumerate(keys):
        for offset, line in enumerate(wanted):
            if line == key and key:
                votes[at - offset] = votes.get(at - offset, 0) + len(key)
    if votes:
        return max(0, max(votes, key=lambda at: votes[at]))
    longest = ""
    for line in wanted:
        longest = line if len(line) > len(longest) else longest
    scores = [pair_similarity(key[:300], longest[:300]) for key in keys]
    top = max(scores)
    return None if top < 0.4 else max(0, scores.index(top) - wanted.index(longest))


def _first_difference(lines: list[str], wanted: list[str], at: int) -> str:
    for offset, line in enumerate(wanted):
        there = lines[at + offset] if at + offset < len(lines) else None
        if _line_key(line) == _line_key(there or ""):
            continue
        file = "the file ends before it" if there is None else f"the file has `{_shorten(there.strip())}`"
        return f"\nLine {at + offset + 1} differs: old has `{_shorten(line.strip())}`, {file}."
    return ""


def _shorten(line: str) -> str:
    return f"{line[:160]}…" if len(line) > 160 else line
