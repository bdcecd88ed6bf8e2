"""The wordings of requests: text files in `wordings/`, in sections by intent.

    [create.text]                     imperatives, which can be joined with others: "create a.txt and then ..."
    (create|make|write) (a|the|) file (called|named|) {path} (with|containing) {text}
    [create.text.free]                all other forms: questions, "I need ...", terse notes
    new file {path}: {raw}

`(a|b|)` is a choice, `{slot}` is filled by the task. A backslash keeps the next character as it is. `{raw}` stands for a
text without quotes and ends its line. Every line is one wording; one of eight lines, chosen by hash, is held out of training.
"""

from __future__ import annotations

import functools
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from .draw import Draw

FOLDER = Path(__file__).parent.parent / "wordings"

#: Intents of small talk, in which nearly every word may stand alone.
_TALK = ("talk.", "limits.leave")

#: Parts of a request: the text, and whether it was given by the task and must stay as it is.
Pieces = list[tuple[str, bool]]


@dataclass(frozen=True)
class Wording:
    pattern: str
    is_held_out: bool
    #: An imperative that can be a part of a longer request.
    is_clause: bool

    @functools.cached_property
    def slots(self) -> set[str]:
        return set(re.findall(r"\{(\w+)\}", self.pattern))


@functools.cache
def load_wordings() -> dict[str, list[Wording]]:
    """By intent. Raises `ValueError` with file and line for what cannot be read."""
    found: dict[str, list[Wording]] = {}
    for file in sorted(FOLDER.glob("*.txt")):
        section = ""
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            text = line.strip()
            if not text or re.match(r"#(\s|$)", text):
                continue
            if match := re.fullmatch(r"\[([\w.-]+)\]", text):
                section = match[1]
            elif not section:
                raise ValueError(f"{file.name}:{number}: a wording before the first [section]")
            else:
                _check(text, f"{file.name}:{number}")
                intent = section.removesuffix(".free")
                held_out = zlib.crc32(f"{intent}\n{text}".encode()) % 8 == 0
                found.setdefault(intent, []).append(Wording(text, held_out, not section.endswith(".free")))
    return found


@functools.cache
def words_in_use(except_for: str) -> frozenset[str]:
    """Words that mean something alone or first: those that open a wording, and all of small talk; `except_for`: start of intents that do not count."""
    words: set[str] = set()
    for intent, lines in load_wordings().items():
        if intent.startswith(except_for):
            continue
        for line in lines:
            words |= set(re.findall(r"[a-z']+", line.pattern)) if intent.startswith(_TALK) else _openings(line.pattern)
    return frozenset(words)


def _openings(pattern: str) -> set[str]:
    """The words with which a wording may begin."""
    for match in re.finditer(r"\(([^()]*)\)", pattern):
        if not pattern[: match.start()].strip("( "):
            rest = pattern[match.end() :]
            return {word for choice in match[1].split("|") for word in _openings(pattern[: match.start()] + choice + rest)}
    return set(re.findall(r"^[( ]*([a-z']+)", pattern))


def _check(text: str, where: str) -> None:
    plain = re.sub(r"\\.", "", text)
    if plain.count("(") != plain.count(")") or plain.count("{") != plain.count("}"):
        raise ValueError(f"{where}: brackets do not match: {text}")
    if "{raw}" in plain and not plain.endswith("{raw}"):
        raise ValueError(f"{where}: {{raw}} has to end the line: {text}")


def choose(draw: Draw, intent: str, slots: dict[str, str], *, clause: bool = False, last: bool = True) -> Wording:
    """A wording whose slots can all be filled. `clause`: only imperatives; `last`: one that takes the rest of the line will do."""
    all_of_intent = load_wordings().get(intent)
    if not all_of_intent:
        raise KeyError(f"no wordings for {intent}")
    fitting = [
        one
        for one in all_of_intent
        if one.slots <= set(slots) and (one.is_clause or not clause) and (last or "raw" not in one.slots)
    ]
    wanted = {"trained": (False,), "held-out": (True,), "all": (False, True)}[draw.wordings]
    exact = [one for one in fitting if one.is_held_out in wanted] or fitting
    # Imperatives are drawn as often as all other forms together.
    groups = [group for group in ([o for o in exact if o.is_clause], [o for o in exact if not o.is_clause]) if group]
    if not groups:
        raise KeyError(f"no wording of {intent} fits {sorted(slots)}")
    return draw.pick(draw.pick(groups))


def fill(draw: Draw, wording: Wording, slots: dict[str, str]) -> Pieces:
    """Draws the choices of a wording and puts the slots in."""
    text = _expand(draw, wording.pattern)
    pieces: Pieces = []
    for part in re.split(r"(\{\w+\})", text):
        if re.fullmatch(r"\{\w+\}", part):
            pieces.append((slots[part[1:-1]], True))
        elif part:
            pieces.append((part.replace("\x01", "(").replace("\x02", ")").replace("\x03", "|"), False))
    return _tidy(pieces)


def _expand(draw: Draw, pattern: str) -> str:
    text = pattern.replace("\\(", "\x01").replace("\\)", "\x02").replace("\\|", "\x03")
    while match := re.search(r"\(([^()]*)\)", text):
        text = text[: match.start()] + draw.pick(match[1].split("|")) + text[match.end() :]
    return text


def _tidy(pieces: Pieces) -> Pieces:
    """Empty choices leave double spaces and spaces before commas behind."""
    tidied: Pieces = []
    for index, (text, given) in enumerate(pieces):
        if not given:
            text = re.sub(r" +", " ", text)
            text = re.sub(r" ([,.;?!])(?=\s|$)", r"\1", text)
            if index == 0 or (tidied and not tidied[-1][1] and tidied[-1][0].endswith(" ")):
                text = text.lstrip()
            if index == len(pieces) - 1:
                text = text.rstrip()
        tidied.append((text, given))
    return tidied
