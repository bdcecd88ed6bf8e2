"""What a family of requests produces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Generator, Generic, Mapping, TypeVar

from .draw import Draw
from .wordings import Pieces
from .workspace import Result

#: Name and arguments of one call.
Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Answer:
    """`facts` must occur in an answer for the task to count as solved."""

    text: str
    facts: tuple[str, ...] = ()


#: The right course of action: yields calls, is sent their results, returns the answer.
Course = Generator[Call, Result, Answer]


@dataclass
class Draft:
    """One request and how to serve it."""

    #: Section of the wordings.
    intent: str
    #: What fills the slots of the wording, as it is to be written in the request.
    slots: Mapping[str, str]
    #: Makes the course anew each time.
    course: Callable[[], Course]
    #: Files that have to be there at the start: content by path. A path that ends with a slash is an empty folder.
    needs: Mapping[str, str] = field(default_factory=dict)
    #: The file that "it" means in what is said next.
    subject: str | None = None
    #: Instead of a wording: the request itself.
    request: Pieces | None = None
    #: Whether a greeting, a please or a typo may be added to the request.
    is_plain: bool = True
    #: Results that are not computed, by shell command: exit code and output. Tasks with these are not executed by the real agent.
    canned: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    #: What else the simulated tools need, see `SimulatedWorkspace.settings`.
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: Whether the real agent can execute it with the same results.
    is_real: bool = True
    #: The only tools that are offered; None: all of the practice profile.
    tools: tuple[str, ...] | None = None
    #: Tools that are offered beside those of the practice profile.
    more_tools: tuple[str, ...] = ()
    #: Whether it may be one part of several.
    can_be_joined: bool = True


Family = Callable[[Draw], Draft]

#: Makes a draft about a file that was the subject of the request before.
FollowUp = Callable[[Draw, str], Draft]

Maker = TypeVar("Maker")


@dataclass(frozen=True)
class Entry(Generic[Maker]):
    name: str
    make: Maker
    #: How often it is drawn, compared with others: what people ask for most, and what is hardest to learn, gets more practice.
    weight: float


FAMILIES: dict[str, Entry[Family]] = {}


def family(name: str, weight: float) -> Callable[[Family], Family]:
    """Registers a family under its name."""

    def register(make: Family) -> Family:
        if name in FAMILIES:
            raise ValueError(f"two families are called {name}")
        FAMILIES[name] = Entry(name, make, weight)
        return make

    return register


FOLLOW_UPS: dict[str, Entry[FollowUp]] = {}


def follow_up(name: str, weight: float) -> Callable[[FollowUp], FollowUp]:
    """Registers a family of requests that only make sense after another, such as "now append x to it"."""

    def register(make: FollowUp) -> FollowUp:
        FOLLOW_UPS[name] = Entry(name, make, weight)
        return make

    return register


def call(name: str, **arguments: Any) -> Call:
    return name, arguments
