"""One task being solved by a model, and how it is judged."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any

from dialogue import Episode, Segment, call_text, result_text, roll_out
from workspace import TOOLS

MAX_STEPS = 7


@dataclass(frozen=True)
class Reply:
    """What a model said: a call, a text, or a call that cannot be read (`bad`)."""

    text: str = ""
    call: tuple[str, dict[str, Any]] | None = None
    bad: bool = False


def parse_reply(text: str) -> Reply:
    if "<tool_call>" not in text:
        return Reply(text)
    body = text.split("<tool_call>", 1)[1].split("</tool_call>")[0]
    try:
        call = json.loads(body)
        return to_call(call["name"], call["arguments"], text)
    except (ValueError, KeyError, TypeError):
        return Reply(text, bad=True)


def to_call(name: str, arguments: Any, text: str) -> Reply:
    usable = name in TOOLS and isinstance(arguments, dict)
    return Reply(text, call=(name, arguments)) if usable else Reply(text, bad=True)


class Trial:
    """`before` is an earlier request of the same chat, with all that followed."""

    def __init__(self, episode: Episode, before: list[Segment]) -> None:
        self.episode = episode
        self.before = before
        self.right_segments, self.right_workspace = roll_out(episode.task)
        self.workspace = copy.deepcopy(episode.task.workspace)
        self.segments: list[Segment] = [("user", episode.task.request)]
        self.replies: list[Reply] = []
        self.answer: str | None = None

    def take(self, reply: Reply) -> None:
        """Executes a call, or ends the trial."""
        self.replies.append(reply)
        if reply.bad:
            self.answer = "<bad call> " + reply.text
        elif reply.call is None:
            self.answer = reply.text
            self.segments.append(("assistant", reply.text))
        else:
            name, arguments = reply.call
            result = self.workspace.run(name, arguments)
            self.segments += [("assistant", call_text(reply.call)), ("tool", result_text(result))]
            if len(self.replies) >= MAX_STEPS:
                self.answer = "<too many steps>"

    def score(self) -> dict[str, bool]:
        task = self.episode.task
        answer = self.answer or ""
        calls = [reply.call for reply in self.replies if reply.call]
        bad = any(reply.bad for reply in self.replies)
        first = self.replies[0]
        if task.steps:
            name = first.call is not None and first.call[0] == task.steps[0][0]
            arguments = name and first.call == task.steps[0]
        else:
            name = arguments = first.call is None and not first.bad
        facts = not bad and all(fact.lower() in answer.lower() for fact in task.facts)
        same = self.workspace.state() == self.right_workspace.state()
        done = same and facts and bool(task.steps) == bool(calls)
        return {
            "name": name,
            "args": arguments,
            "all": not bad and calls == task.steps,
            "task": done,
            "ans": done and answer.strip() == self.right_segments[-1][1].strip(),
            "bad": bad,
        }

    def describe(self) -> str:
        lines = [f"  - [{self.episode.family}] {self.episode.task.request!r}"]
        lines += [f"        {role} | {text}" for role, text in self.segments[1:]]
        lines.append(f"        got: {self.answer}")
        lines += [f"        want: {text}" for role, text in self.right_segments if role == "assistant"]
        return "\n".join(lines)
