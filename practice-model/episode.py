"""What a family of requests produces, and the names that its module needs to say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from phrases import Phrases
from workspace import SimulatedWorkspace

Step = tuple[str, dict[str, str]]


@dataclass
class Task:
    """One request with its only right course of action."""

    request: str
    steps: list[Step]
    answer: str
    #: Facts that an answer must name for the task to count as solved.
    facts: list[str]
    workspace: SimulatedWorkspace


Family = Callable[[Phrases], Task]


def polite_unless_question(phrases: Phrases, request: str) -> str:
    """A question stays as it is."""
    return request if request[-1] == "?" else phrases.polite(request)
