"""Requests that give a file a paragraph, several lines, or a piece of data or code."""

from __future__ import annotations

from ..draw import Draw
from ..family import Draft, family
from .snippets import Snippet, draw_snippet
from .write import place, text_slots, writing


@family("create long", weight=2.8)
def create_long(draw: Draw) -> Draft:
    """A paragraph of 12 to 60 words, in quotes or behind a colon."""
    path, slots = place(draw, 0.06)
    text = draw.long_text()
    slots |= text_slots(draw, text)
    slots.pop("bare", None)
    intent = "create.text" if draw.chance(0.4) else "create.long"
    return Draft(intent, slots, writing(path, text, f"I created {path}."), subject=path)


@family("create lines", weight=1.9)
def create_lines(draw: Draw) -> Draft:
    """Several lines within the sentence: each in quotes, or words to be written one per line."""
    path, slots = place(draw, 0.06)
    if draw.chance(0.25):
        texts = [draw.word() for _ in range(draw.number(2, 6))]
        slots["words"] = slots["raw"] = _listed(draw, texts)
        intent = "create.words"
    else:
        texts = [draw.text(5) for _ in range(draw.number(2, 5))]
        shown = _quoted_alike(draw, texts)
        slots["items"] = _listed(draw, shown)
        if len(texts) <= 3 and draw.chance(0.5):
            slots |= dict(zip(("one", "two", "three"), shown))
            slots.pop("items")
        intent = f"create.lines{len(texts)}" if "one" in slots else "create.lines"
    return Draft(intent, slots, writing(path, "\n".join(texts), f"I created {path}."), subject=path)


@family("create block", weight=3.9)
def create_block(draw: Draw) -> Draft:
    """Lines that stand below the sentence, as they are: plain, bullets, numbered or data."""
    if draw.chance(0.3):
        return _block(draw, draw_snippet(draw, several_lines=True))
    count = draw.number(2, 8) if draw.chance(0.85) else draw.number(9, 30)
    texts = [draw.text(6 if count < 9 else 4) for _ in range(count)]
    kind = draw.random.random()
    if kind < 0.2:
        mark = draw.pick([".", ".", ")"])
        texts = [f"{number}{mark} {text}" for number, text in enumerate(texts, 1)]
    elif kind < 0.4:
        mark = draw.pick(["-", "-", "*", "•", "- [ ]"])
        texts = [f"{mark} {text}" for text in texts]
    elif kind < 0.5 and count > 2:
        texts.insert(draw.number(1, 2), "")
    elif kind < 0.55:
        texts.insert(0, f"# {draw.text(3)}")
    return _block(draw, Snippet(None, "\n".join(texts)))


@family("create data", weight=2.1)
def create_data(draw: Draw) -> Draft:
    """One line of JSON, code, a setting, a tag and the like."""
    snippet = draw_snippet(draw, several_lines=False)
    path = draw.path(extension=snippet.extension)
    slots = {"path": draw.show_path(path), "raw": snippet.content, "text": draw.quote(snippet.content)}
    if "`" not in snippet.content and draw.chance(0.5):
        slots["text"] = f"`{snippet.content}`"
    intent = "create.text" if draw.chance(0.5) else "create.data"
    return Draft(intent, slots, writing(path, snippet.content, f"I created {path}."), subject=path)


def _block(draw: Draw, snippet: Snippet) -> Draft:
    """`raw` starts with a line end; a fence around the lines is not a part of the content."""
    path = draw.path(extension=snippet.extension)
    shown = snippet.content
    if "```" not in shown and draw.chance(0.25 if snippet.extension else 0.06):
        shown = f"```{(snippet.extension or '') if draw.chance(0.5) else ''}\n{shown}\n```"
    gap = "\n\n" if draw.chance(0.15) else "\n"
    slots = {"path": draw.show_path(path), "raw": gap + shown}
    course = writing(path, snippet.content, f"I created {path}.")
    return Draft("create.block", slots, course, subject=path, can_be_joined=False)


def _listed(draw: Draw, texts: list[str]) -> str:
    """`a, b and c`"""
    joint = draw.pick([" and ", " and ", ", and ", ", "]) if len(texts) > 2 else " and "
    return ", ".join(texts[:-1]) + joint + texts[-1]


def _quoted_alike(draw: Draw, texts: list[str]) -> list[str]:
    """All in the same quotes where these fit."""
    for form in draw.random.sample(['"{}"', '"{}"', "'{}'", "`{}`", "“{}”"], 5):
        if not any(mark in text for text in texts for mark in (form[0], form[-1])):
            return [form.format(text) for text in texts]
    return [draw.quote(text) for text in texts]
