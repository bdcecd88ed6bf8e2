"""What compaction makes of a conversation: the model is asked for a summary, and later goes on behind a record."""

from __future__ import annotations

from ..conversation import Conversation, Segment, Turn, call_text, ending, result_text
from ..draw import Draw
from ..family import Answer, Call, Course, Draft
from ..workspace import Result

_FORM = """Goal: what is to be done
Decisions: what was decided or found out, and why
Files: which were read or changed, and what matters in them
State: what is done and what is not
Next: the next steps"""
HEADER = "Record of earlier steps, which were left out to save room:"
PAUSE = "(pause)"
_WORDS = 120
#: Families whose records would show a state beside the summary.
_STATEFUL = ("plan_", "todo_")


@ending(0.05)
def summarise(draw: Draw, conversation: Conversation) -> None:
    """Asks for a summary at the end, sometimes in the middle of the last request."""
    if not conversation.tools or any(turn.draft.tools is not None for turn in conversation.turns):
        return
    last = conversation.turns[-1]
    kept = draw.number(1, len(last.calls)) if last.calls and draw.split == "train" and draw.chance(0.4) else None
    text = to_summary(conversation.turns, kept)
    if len(text.split()) > _WORDS:
        return
    if kept is not None:
        _pause(last, kept)
    answer = Answer(text, tuple(text.split("\n")))

    def course() -> Course:
        return answer
        yield

    request = to_instruction(draw)
    draft = Draft("summary", {}, course, request=[(request, True)], is_plain=False, is_real=False, can_be_joined=False)
    conversation.turns.append(Turn("summary", request, [], answer, draft))


@ending(0.06)
def fold(draw: Draw, conversation: Conversation) -> None:
    """Replaces the beginning by a record, as compaction leaves it: the requests stay, and short answers."""
    turns = [turn for turn in conversation.turns if turn.family != "summary" and turn.shown is None]
    if draw.split != "train" or len(turns) < 2:
        return
    older = turns[: draw.number(1, min(len(turns) - 1, 5))]
    record = to_summary(older)
    has_state = any(call[0].startswith(_STATEFUL) for turn in older for call, _result in turn.calls)
    if has_state or len(record.split()) > _WORDS:
        return
    for turn in older:
        answer = turn.answer.text if len(turn.answer.text) <= 300 else "(left out)"
        turn.shown = [("user", turn.request), ("record", f"{HEADER}\n{record}" if turn is older[-1] else answer)]


def to_instruction(draw: Draw) -> str:
    """What the agent asks; the number of words depends on the window."""
    words = draw.number(6, 20) * 10
    return instruction(words, draw.text(4) if draw.chance(0.1) else "")


def instruction(words: int, focus: str = "") -> str:
    opening = (
        "Before you go on: the conversation so far, my own messages apart, will be left out to save room. "
        "Write down what you need from it, in this form and in at most "
        f"{words} words, with exact names, paths and numbers. "
        "Carry on what an earlier record says. Call no tool."
    )
    return "\n".join([opening, _FORM, *([f"Above all keep what concerns: {focus}"] if focus else [])])


def to_summary(turns: list[Turn], kept: int | None = None) -> str:
    """The five lines. `kept`: how many calls of the last request were made before it was interrupted."""
    last = turns[-1]
    calls = [pair for turn in turns[:-1] for pair in turn.calls] + last.calls[:kept]
    files = list(dict.fromkeys(entry for call, result in calls if (entry := _describe(call, result))))
    state = last.answer.text.split("\n")[0] if kept is None else "not done yet"
    return "\n".join([
        f"Goal: {last.request.split(chr(10))[0]}",
        "Decisions: none",
        f"Files: {', '.join(files) or 'none'}",
        f"State: {state}",
        f"Next: {'what the user asks for' if kept is None else 'go on with the goal'}",
    ])  # fmt: skip


def _describe(call: Call, result: Result) -> str:
    """What a call did, empty when it failed or needs no mention."""
    name, arguments = call
    if not result["ok"]:
        return ""
    verbs = {"write": "wrote", "edit": "edited", "read": "read", "mkdir": "made"}
    if name in verbs:
        return f"{verbs[name]} {arguments['path']}"
    return f"ran {arguments['command']}" if name == "shell" and "\n" not in arguments["command"] else ""


def _pause(turn: Turn, kept: int) -> None:
    segments: list[Segment] = [("user", turn.request)]
    for call, result in turn.calls[:kept]:
        segments += [("assistant", call_text(call)), ("tool", result_text(result))]
    turn.shown = [*segments, ("record", PAUSE)]
