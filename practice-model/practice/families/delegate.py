"""Requests that hand one file over to a helper."""

from __future__ import annotations

from ..draw import Draw
from ..family import Answer, Course, Draft, call, family
from .write import could_not, text_slots


@family("delegate", weight=1.3)
def delegate(draw: Draw) -> Draft:
    """The text of the file is given, or what it is to be about."""
    path = draw.path(0.15)
    slots = {"path": draw.show_path(path)}
    if draw.chance(0.6):
        text = draw.text(7)
        slots |= text_slots(draw, text)
        return _draft("delegate.text", slots, path, text)
    topic = draw.pick(draw.words.topics)
    return _draft("delegate.topic", {**slots, "topic": topic}, path, f"about {topic}")


def _draft(intent: str, slots: dict[str, str], path: str, description: str) -> Draft:
    return Draft(intent, slots, lambda: _delegating(path, description), is_real=False, more_tools=("delegate",))


def _delegating(path: str, description: str) -> Course:
    result = yield call(
        "delegate",
        objective=f"Create {path}",
        deliverable_type="file",
        deliverable_path=path,
        deliverable_description=description,
    )
    return Answer(f"A helper wrote {path}.", (path,)) if result["ok"] else could_not(f"have {path} written", result)
