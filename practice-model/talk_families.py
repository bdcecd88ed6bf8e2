"""Two requests in one sentence, greetings, and what the model cannot do."""

from __future__ import annotations

from typing import Mapping

from episode import Family, Task
from phrases import Phrases
from workspace import SimulatedWorkspace

HELLO = (
    "Hello! I am a small practice model. "
    "Ask me to create, read, edit, list or search files, or to run a command."
)
CANNOT = (
    "I am only a small practice model, so I cannot help with that. "
    "I can create, read, edit, list or search files, or run a command."
)

#: Families whose requests can be joined, by weight.
_JOINABLE = [
    "create",
    "create",
    "mkdir",
    "read",
    "ls",
    "todo",
    "commit",
    "replace",
    "shell",
    "count",
    "time",
    "move",
    "delete",
    "glob",
    "grep",
]
#: Tools whose results depend on every file there is.
_LOOKING = ("ls", "glob", "grep")
_INDEPENDENT = ("todo_add", "git_commit", "get_time")
_WRAPPED = (
    *("Can", "Could", "Would", "Are", "Hi", "Hey", "Now", "Next", "OK", "I "),
    *("First", "Alright", "Your", "Please"),
)

_HELLO_REQUESTS = (
    "Hi|Hello|Hey|Hello there|Good morning|Who are you?|What can you do?|What are you?|Hi, what can you do?|help|Help"
    "|How can you help me?|Hello, who are you?|hi there|Good evening|What can I ask you?"
    "||Hey there|Greetings|Tell me what you can do|What are you able to do?"
)
_OUTSIDE_REQUESTS = (
    "What is the capital of #?|Write a poem about #|Who invented the #?|Explain # to me|Translate # into French"
    "|What do you think of #?|Why is the # so #?|Tell me a joke|How do I cook #?|Write an essay on # and #"
    "|What is # plus #?|How old is #?|Solve this: #|Give me advice about #|Summarise the history of #"
    "|Is # better than #?|Do you like #?|What is the meaning of #?|Tell me about #|Should I buy a #?"
    "|How does a # work?|Draw a #|# # #|#|I feel # today|Send an email to # about #|Book a # for me|Play # music"
    "||What's the weather in #?|Compose a song about #|How many # are in a #?|Recommend a good #"
    "|My # is #, what should I do?|Teach me #"
)


def two(phrases: Phrases, families: Mapping[str, Family]) -> Task:
    """Two requests, neither of which changes what the other finds."""
    while True:
        first, second = (families[phrases.random.choice(_JOINABLE)](phrases) for _ in range(2))
        if not _can_be_joined(first, second):
            continue
        workspace = _merge_workspaces(first, second)
        if first.steps[0][0] in _LOOKING:
            if second.steps[0][0] not in _INDEPENDENT:
                continue
            workspace = _copy_workspace(workspace)
        return Task(
            _join_requests(phrases, first.request, second.request),
            first.steps + second.steps,
            first.answer + " " + second.answer,
            first.facts + second.facts,
            workspace,
        )


def _can_be_joined(first: Task, second: Task) -> bool:
    if first.request[-1] == "?" or second.request[-1] == "?":
        return False
    if second.request == "ls" or "\n" in first.request + second.request:
        return False
    if second.workspace.canned or first.workspace.canned or second.steps[0][0] in _LOOKING:
        return False
    return not first.request.startswith(_WRAPPED) and not second.request.startswith(_WRAPPED)


def _merge_workspaces(first: Task, second: Task) -> SimulatedWorkspace:
    """The first one, with the files and the time of the second where it has none."""
    workspace = first.workspace
    for path, text in second.workspace.files.items():
        workspace.files.setdefault(path, text)
        workspace.add_parents(path)
    if "time" in second.workspace.extra:
        workspace.extra["time"] = second.workspace.extra["time"]
    return workspace


def _copy_workspace(workspace: SimulatedWorkspace) -> SimulatedWorkspace:
    copy = SimulatedWorkspace(workspace.files, workspace.folders, style=workspace.style)
    copy.extra.update(workspace.extra)
    return copy


def _join_requests(phrases: Phrases, first: str, second: str) -> str:
    a = first.rstrip(".")
    b = second[0].lower() + second[1:]
    lower = a[0].lower() + a[1:]
    return phrases.pick(
        f"{a} and then {b}|{a}, then {b}|{a} and {b}|{a}. Then {b}|{a}. After that, {b}"
        f"||{a}, and after that {b}|{a}; next, {b}|First {lower}, then {b}"
    )


def hello(phrases: Phrases) -> Task:
    request = phrases.pick(_HELLO_REQUESTS)
    request += phrases.random.choice(["", "", "!", "."] if request[-1] != "?" else [""])
    return Task(request, [], HELLO, ["practice model"], phrases.workspace())


def outside(phrases: Phrases) -> Task:
    """Anything that the model has no tool for."""
    request = phrases.pick(_OUTSIDE_REQUESTS)
    while "#" in request:
        topic = phrases.word() if phrases.chance(0.85) else phrases.word() + " " + phrases.word()
        request = request.replace("#", topic, 1)
    return Task(request, [], CANNOT, ["practice model"], phrases.workspace())
