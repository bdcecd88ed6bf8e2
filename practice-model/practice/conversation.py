"""Conversations: requests in a row in one workspace, executed by the simulated tools, as the model sees them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Callable

from . import compose, spelling, wordings
from .draw import Draw
from .family import FAMILIES, FOLLOW_UPS, Answer, Call, Draft
from .workspace import Result, SimulatedWorkspace

#: Role and text. What the role `record` says stands in the assistant's name, but is not the model's to learn.
Segment = tuple[str, str]
SPEAKERS = {"record": "assistant"}

#: The tools of the practice profile that the agent offers outside plan mode, in its order.
TOOLS = (
    *("read", "write", "edit", "glob", "grep", "ls", "mkdir", "shell"),
    *("git_status", "git_diff", "git_add", "git_commit"),
    *("todo_add", "todo_complete", "todo_list", "get_time"),
)


@dataclass
class Turn:
    """One request, what was done, and the answer."""

    family: str
    request: str
    calls: list[tuple[Call, Result]]
    answer: Answer
    draft: Draft
    #: What the calls changed: content by path, None for what is gone; folders end with a slash.
    changes: dict[str, str | None] = field(default_factory=dict)
    #: Afterwards: the todos, the paths that are staged, and those that the newest commit changed.
    todos: list[tuple[str, bool]] = field(default_factory=list)
    staged: list[str] = field(default_factory=list)
    committed: list[str] = field(default_factory=list)
    #: How the model sees it, where that is not the request, the calls and the answer.
    shown: list[Segment] | None = None


@dataclass
class Conversation:
    """`start` is the workspace before the first request, `workspace` after the last one."""

    tools: tuple[str, ...]
    start: SimulatedWorkspace
    workspace: SimulatedWorkspace
    turns: list[Turn] = field(default_factory=list)


#: What may be done to a conversation when it has been played, and how often.
ENDINGS: list[tuple[float, Callable[[Draw, Conversation], None]]] = []


def ending(chance: float) -> Callable[[Callable[[Draw, Conversation], None]], Callable[[Draw, Conversation], None]]:
    """Registers a change of played conversations."""

    def register(change: Callable[[Draw, Conversation], None]) -> Callable[[Draw, Conversation], None]:
        ENDINGS.append((chance, change))
        return change

    return register


@dataclass(frozen=True)
class Mix:
    """How often requests are of two, three and four parts, or follow from the one before."""

    two: float = 0.15
    three: float = 0.06
    four: float = 0.04
    follow_up: float = 0.25


def draw_conversation(draw: Draw, requests: int, *, mix: Mix = Mix(), composition: str = "trained") -> Conversation:
    """`requests` requests in a row; those that need other tools stand alone."""
    draw.taken.clear()
    drafts: list[tuple[str, Draft]] = []
    for index in range(requests):
        before = drafts[-1][1].subject if drafts else None
        name, draft = _draw_draft(draw, before, mix, composition)
        while draft.tools is not None and requests > 1:
            name, draft = _draw_draft(draw, before, mix, composition)
        drafts.append((name, draft))
    conversation = play(draw, drafts)
    for chance, change in ENDINGS:
        if draw.chance(chance):
            change(draw, conversation)
    return conversation


def play(draw: Draw, drafts: list[tuple[str, Draft]]) -> Conversation:
    """Executes the drafts one after the other in one workspace that holds what all of them need."""
    start = SimulatedWorkspace()
    for _name, draft in drafts:
        start.prepare(draft.needs, draft.canned, draft.settings)
    workspace = start.copy()
    tools = drafts[0][1].tools
    conversation = Conversation(draw_tools(draw, drafts) if tools is None else tools, start, workspace)
    for name, draft in drafts:
        request = say(draw, draft)
        course = draft.course()
        calls: list[tuple[Call, Result]] = []
        before = tree_of(workspace)
        try:
            step = next(course)
            while True:
                result = workspace.run(*step)
                calls.append((step, result))
                step = course.send(result)
        except StopIteration as stop:
            turn = Turn(name, request, calls, stop.value, draft, compare(before, tree_of(workspace)))
            turn.todos, turn.staged, turn.committed = workspace.todo_items(), workspace.staged_paths(), workspace.committed_paths
            conversation.turns.append(turn)
    if tools is None and draw.chance(0.12):
        conversation.tools = fewer_tools(draw, conversation)
    return conversation


def tree_of(workspace: SimulatedWorkspace) -> dict[str, str]:
    """Content by path; folders end with a slash."""
    return {**{f"{folder}/": "" for folder in sorted(workspace.folders)}, **workspace.files}


def compare(before: dict[str, str], after: dict[str, str]) -> dict[str, str | None]:
    """What is new, other or gone (None)."""
    changes: dict[str, str | None] = {path: None for path in before if path not in after}
    changes.update({path: content for path, content in after.items() if before.get(path) != content})
    return changes


_OTHER_TOOLS = ["git_branch", "todo_update", "plan_complete_step", "memory_save", "memory_search", "vision", "web_search"]


def draw_tools(draw: Draw, drafts: list[tuple[str, Draft]]) -> tuple[str, ...]:
    """Mostly the agent's, in its order; sometimes with others among them, as other programs offer. What drafts add is always there."""
    added = dict.fromkeys(tool for _name, draft in drafts for tool in draft.more_tools)
    offered = (*TOOLS[:-1], *added, TOOLS[-1])
    if draw.chance(0.85):
        return offered
    chosen = [*dict.fromkeys([*offered, *draw.random.sample(_OTHER_TOOLS, draw.number(0, 4))])]
    if draw.chance(0.5):
        draw.random.shuffle(chosen)
    return tuple(chosen)


def fewer_tools(draw: Draw, conversation: Conversation) -> tuple[str, ...]:
    """Some of the conversation's tools, the called ones among them, as a program offers that has its own idea of what is needed."""
    called = {name for turn in conversation.turns for (name, _arguments), _result in turn.calls}
    others = [name for name in conversation.tools if name not in called]
    kept = called | {*draw.random.sample(others, draw.number(0, min(6, len(others))))}
    return tuple(name for name in conversation.tools if name in kept)


def say(draw: Draw, draft: Draft) -> str:
    """The request as it is typed."""
    slots = dict(draft.slots)
    if draft.request is not None:
        pieces, clause, is_open = list(draft.request), draft.intent.startswith("join."), False
        is_open = bool(pieces) and pieces[-1][1] and not _is_quoted(pieces[-1][0])
    else:
        wording = wordings.choose(draw, draft.intent, slots)
        pieces, clause = wordings.fill(draw, wording, slots), wording.is_clause
        is_open = "raw" in wording.slots
    if not draft.is_plain:
        return "".join(text for text, _given in pieces)
    return spelling.finish(draw, pieces, is_imperative=clause, is_open=is_open)


def _is_quoted(text: str) -> bool:
    return text[-1:] in "\"'`”’»"


def _draw_draft(draw: Draw, before: str | None, mix: Mix, composition: str) -> tuple[str, Draft]:
    if before is not None and FOLLOW_UPS and draw.chance(mix.follow_up):
        entries = list(FOLLOW_UPS.values())
        entry = draw.random.choices(entries, [one.weight for one in entries])[0]
        return entry.name, entry.make(draw, before)
    kind = draw.random.random()
    for count, share in ((2, mix.two), (3, mix.three), (4, mix.four)):
        if kind < share:
            return f"{count} parts", compose.joined(draw, count, composition=composition)
        kind -= share
    one = draw.random.choices(list(FAMILIES.values()), [entry.weight for entry in FAMILIES.values()])[0]
    return one.name, one.make(draw)


# As the model sees it


def to_segments(conversation: Conversation) -> list[Segment]:
    """Roles and texts, as `template.jinja` writes them."""
    segments: list[Segment] = [("tools", " ".join(conversation.tools))] if conversation.tools else []
    for turn in conversation.turns:
        if turn.shown is not None:
            segments += turn.shown
            continue
        segments.append(("user", turn.request))
        for call, result in turn.calls:
            segments.append(("assistant", call_text(call)))
            segments.append(("tool", result_text(result)))
        segments.append(("assistant", turn.answer.text))
    return segments


def call_text(call: Call) -> str:
    """A call as the model writes it."""
    name, arguments = call
    return "<tool_call>" + json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False) + "</tool_call>"


def result_text(result: Result) -> str:
    """A result as the agent sends it."""
    return json.dumps(result, ensure_ascii=False, separators=(",", ":"))


def render(segments: list[Segment], generate: bool = False) -> str:
    """The whole prompt; `generate` opens the model's next turn."""
    text = "".join(f"<|{SPEAKERS.get(role, role)}|>{content}<|end|>" for role, content in segments)
    return text + ("<|assistant|>" if generate else "")
