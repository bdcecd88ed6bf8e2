"""Results of tools as the model sees them: their form, and how long ones are cut."""

from __future__ import annotations

import json
from typing import Any

Result = dict[str, Any]

#: The most bytes of one result (`resultBytes` of the practice profile).
RESULT_BYTES = 2000
_SHORT_TEXT_BYTES = 60


def success(output: str) -> Result:
    """A result as the agent reports it."""
    return {"ok": True, "output": output}


def failure(error: str, output: str | None = None) -> Result:
    """A failed result as the agent reports it; failed commands may have an output, too."""
    return {"ok": False, "error": error} if output is None else {"ok": False, "error": error, "output": output}


def size_of(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def json_size(value: Any) -> int:
    return size_of(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def cut_lines(lines: list[str], more: str, most: int = RESULT_BYTES) -> str:
    """As many lines as fit, and how many do not; `more` names what they are."""
    kept: list[str] = []
    total = 0
    for line in lines:
        total += size_of(line) + 1
        if total > (most if len(kept) == len(lines) - 1 else most - 40):
            break
        kept.append(line)
    left = len(lines) - len(kept)
    return "\n".join(kept if left == 0 else [*kept, f"[{left} more {more}]"])


def cap(result: Result, most: int = RESULT_BYTES) -> Result:
    """Shortens the texts of a result until its JSON fits."""
    capped, budget = result, most
    while json_size(capped) > most and budget > 1:
        capped = _shorten(result, budget)
        budget = budget * 8 // 10
    return capped


def _shorten(result: Result, budget: int) -> Result:
    sizes = {field: size_of(text) for field, text in result.items() if isinstance(text, str)}
    total = sum(sizes.values())
    short = dict(result)
    for field, size in sizes.items():
        short[field] = _cap_text(result[field], max(size * budget // total, min(size, _SHORT_TEXT_BYTES, budget)))
    return short


def _cap_text(text: str, most: int) -> str:
    size = size_of(text)
    if size <= most:
        return text
    head, tail = _take_head(text, most * 6 // 10), _take_tail(text, most * 3 // 10)
    return f"{head}\n[… {size - size_of(head) - size_of(tail)} bytes left out …]\n{tail}"


def _take_head(text: str, most: int) -> str:
    head = text[:most]
    while size_of(head) > most:
        head = head[: len(head) * 9 // 10]
    end = head.rfind("\n")
    return head[:end] if end > len(head) * 0.8 else head


def _take_tail(text: str, most: int) -> str:
    tail = text[-most:] if most else ""
    while size_of(tail) > most:
        tail = tail[-(-len(tail) // 10) :]
    start = tail.find("\n")
    return tail[start + 1 :] if 0 <= start < len(tail) * 0.2 else tail


def keep_ends(text: str, most: int, note: str) -> str:
    """The output of a command: whole while it fits, otherwise its first and last lines and a note about the rest."""
    if json_size(text) <= most:
        return text
    data, budget = text.encode(), most
    while True:
        head, tail = _head_lines(data, budget * 6 // 10), _tail_lines(data, budget * 35 // 100)
        left = len(data) - len(head) - len(tail)
        middle = f"\n… {left} bytes left out; {note} …\n"
        shown = head.decode(errors="replace").rstrip() + middle + tail.decode(errors="replace")
        if json_size(shown) <= most or budget < 64:
            return shown
        budget = budget * 8 // 10


def _head_lines(data: bytes, wanted: int) -> bytes:
    line = data.rfind(b"\n", 0, wanted) + 1
    if line > wanted / 2:
        return data[:line]
    return data[:wanted].decode(errors="ignore").encode()


def _tail_lines(data: bytes, wanted: int) -> bytes:
    start = len(data) - wanted
    line = data.find(b"\n", start - 1) + 1
    if 0 < line < start + wanted / 2:
        return data[line:]
    return data[start:].decode(errors="ignore").encode()
