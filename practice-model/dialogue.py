"""Dialogues as the model sees them: requests, calls, results and answers."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass

import command_families
import error_family
import file_families
import search_families
import talk_families
from episode import Family, Step, Task
from phrases import HeldOut, Phrases, Split
from workspace import Result, SimulatedWorkspace
from words import Words

#: Longest conversation that another request may follow, in characters.
MAX_CONVERSATION_CHARS = 900

Segment = tuple[str, str]

#: How often each family is drawn.
MIX: dict[str, float] = {
    "create": 14,
    "mkfile": 5,
    "mkdir": 3,
    "replace": 7,
    "append": 5,
    "read": 9,
    "ls": 6,
    "glob": 5,
    "grep": 7,
    "shell": 8,
    "count": 3,
    "copy": 6,
    "move": 3,
    "delete": 2,
    "commit": 3,
    "status": 2,
    "todo": 3,
    "time": 1.5,
    "error": 7,
    "two": 13,
    "hello": 2.5,
    "outside": 6,
}

_MODULES = {
    file_families: ["create", "mkfile", "mkdir", "replace", "append", "read", "copy", "move", "delete"],
    search_families: ["ls", "glob", "grep", "count"],
    command_families: ["shell", "commit", "status", "todo", "time"],
    error_family: ["error"],
    talk_families: ["hello", "outside"],
}
FAMILIES: dict[str, Family] = {name: getattr(module, name) for module, names in _MODULES.items() for name in names}
FAMILIES["two"] = lambda phrases: talk_families.two(phrases, FAMILIES)


@dataclass
class Episode:
    """A task and the family it came from."""

    family: str
    task: Task


class Generator:
    """Draws episodes from a seed: the same seed, words and settings give the same episodes."""

    def __init__(self, words: Words, seed: int, split: Split = "train", held_out: HeldOut | None = None) -> None:
        self.phrases = Phrases(words, seed, split, held_out)

    def episode(self, family: str | None = None) -> Episode:
        if family is None:
            family = self.phrases.random.choices(list(MIX), list(MIX.values()))[0]
        return Episode(family, FAMILIES[family](self.phrases))

    def conversation(self, more: float = 0.25) -> list[Segment]:
        """One or more requests in a row; `more` is the chance of each further one."""
        # Some agents serialise results as {"ok":true}, others as {"ok": true}.
        spaced = self.phrases.chance(0.35)
        segments = roll_out(self.episode().task, spaced)[0]
        while self.phrases.chance(more) and len(render(segments)) < MAX_CONVERSATION_CHARS:
            segments += roll_out(self.episode().task, spaced)[0]
        return segments


def roll_out(task: Task, spaced: bool = False) -> tuple[list[Segment], SimulatedWorkspace]:
    """Executes the right calls; returns the dialogue and the workspace they leave behind."""
    workspace = copy.deepcopy(task.workspace)
    segments = [("user", task.request)]
    for name, arguments in task.steps:
        result = workspace.run(name, arguments)
        segments.append(("assistant", call_text((name, arguments))))
        segments.append(("tool", result_text(result, spaced)))
    segments.append(("assistant", task.answer))
    return segments, workspace


def call_text(step: Step) -> str:
    """A call as the model writes it."""
    name, arguments = step
    return "<tool_call>" + json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False) + "</tool_call>"


def result_text(result: Result, spaced: bool = False) -> str:
    """A result as an agent sends it."""
    return json.dumps(result, ensure_ascii=False, separators=None if spaced else (",", ":"))


def render(segments: list[Segment], generate: bool = False) -> str:
    """The whole prompt; `generate` opens the model's next turn. The same as `template.jinja`."""
    text = "".join(f"<|{role}|>{content}<|end|>" for role, content in segments)
    return text + ("<|assistant|>" if generate else "")
