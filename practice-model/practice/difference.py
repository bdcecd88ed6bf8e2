"""The difference of two texts, as git prints it."""

from __future__ import annotations

import difflib
import hashlib
import re

_CONTEXT = 3
_SPECIAL = {
    **{"\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r"},
    **{'"': '\\"', "\\": "\\\\"},
}


def file_difference(old: str, new: str, before: str | None, after: str | None, similarity: int) -> str:
    """Of a file that is called `old` and then `new`; None where there is no file."""
    if before == after and old == new:
        return ""
    head = [f"diff --git {_side('a/', old)} {_side('b/', new)}"]
    if old != new:
        head += [f"similarity index {similarity}%", f"rename from {quote_odd(old)}", f"rename to {quote_odd(new)}"]
    if before is None:
        head.append("new file mode 100644")
    elif after is None:
        head.append("deleted file mode 100644")
    if before == after:
        return "\n".join(head) + "\n"
    mode = "" if before is None or after is None else " 100644"
    head.append(f"index {_blob(before)}..{_blob(after)}{mode}")
    hunks = _hunks(_lines(before or ""), _lines(after or ""))
    if hunks:
        head.append(f"--- {'/dev/null' if before is None else _named('a/', old)}")
        head.append(f"+++ {'/dev/null' if after is None else _named('b/', new)}")
    return "\n".join(head) + "\n" + hunks


def quote_odd(path: str) -> str:
    """A name, in quotes where it holds any itself."""
    text = "".join(_SPECIAL.get(letter, letter) for letter in path)
    return path if text == path else f'"{text}"'


def _side(prefix: str, path: str) -> str:
    quoted = quote_odd(path)
    return prefix + path if quoted == path else f'"{prefix}{quoted[1:]}'


def _named(prefix: str, path: str) -> str:
    """A name in the lines before the hunks ends in a tab where it holds a space."""
    return _side(prefix, path) + ("\t" if " " in path else "")


def _blob(content: str | None) -> str:
    if content is None:
        return "0000000"
    data = content.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()[:7]


def _lines(text: str) -> list[str]:
    """Lines with their ends."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _hunks(old: list[str], new: list[str]) -> str:
    text = ""
    for group in _group(_changes(old, new)):
        start, end = max(0, group[0][0] - _CONTEXT), min(len(old), group[-1][1] + _CONTEXT)
        new_start = group[0][2] - (group[0][0] - start)
        new_end = group[-1][3] + (end - group[-1][1])
        text += f"@@ -{_span(start, end)} +{_span(new_start, new_end)} @@{_heading(old, start)}\n"
        at = start
        for first, last, new_first, new_last in group:
            text += "".join(_line(" ", line) for line in old[at:first])
            text += "".join(_line("-", line) for line in old[first:last])
            text += "".join(_line("+", line) for line in new[new_first:new_last])
            at = last
        text += "".join(_line(" ", line) for line in old[at:end])
    return text


def _line(mark: str, line: str) -> str:
    return mark + line if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"


def _span(start: int, end: int) -> str:
    count = end - start
    return f"{start + 1}" if count == 1 else f"{start + 1 if count else start},{count}"


def _heading(lines: list[str], start: int) -> str:
    """The last line above a hunk that starts with a letter."""
    for line in reversed(lines[:start]):
        first = line[0]
        if first in "_$" or (first.isascii() and first.isalpha()):
            return " " + line.encode()[:80].decode(errors="ignore").rstrip()
    return ""


Change = tuple[int, int, int, int]


def _changes(old: list[str], new: list[str]) -> list[Change]:
    """Stretches of old lines and the new ones in their place, as late in the text as they can lie."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    middle = difflib.SequenceMatcher(None, old[head : len(old) - tail], new[head : len(new) - tail], autojunk=False)
    return [
        (head + a, head + b, head + c, head + d) for kind, a, b, c, d in middle.get_opcodes() if kind != "equal"
    ]


def _group(changes: list[Change]) -> list[list[Change]]:
    groups: list[list[Change]] = []
    for change in changes:
        if groups and change[0] - groups[-1][-1][1] <= 2 * _CONTEXT:
            groups[-1].append(change)
        else:
            groups.append([change])
    return groups
