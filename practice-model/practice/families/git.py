"""Requests about the repository: its state, its changes, staging and commits."""

from __future__ import annotations

from typing import Any

from ..draw import Draw
from ..family import Answer, Call, Course, Draft, call, family
from .commands import report
from .near_miss import NOT_UNDERSTOOD
from .talk import fixed_draft

_CLEAN = "nothing to commit, working tree clean"
_WORK = ["fix", "add", "update", "remove", "improve", "rename", "rewrite", "test", "clean up", "document", "revert", "Fix", "Add", "Update", "Refactor"]


@family("git status", weight=2)
def git_status(draw: Draw) -> Draft:
    kind = draw.random.random()
    fields = {} if kind < 0.06 else {"settings": {"git": True}} if kind < 0.22 else changed(draw, draw.pick([1, 1, 2, 2, 3, 4]), may_stage=True)

    def course() -> Course:
        result = yield call("git_status")
        if not result["ok"]:
            return Answer(f"I could not get the status: {result['error']}", ("could not", result["error"]))
        text = result["output"]
        if text == _CLEAN:
            return Answer(f"Git says: {_CLEAN}", (_CLEAN,))
        return Answer(f"Git says:\n{text}", (text,))

    return Draft("git.status", {}, course, **fields)


@family("git diff", weight=1.9)
def git_diff(draw: Draw) -> Draft:
    kind = draw.random.random()
    fields = {} if kind < 0.05 else {"settings": {"git": True}} if kind < 0.22 else _edited(draw, draw.pick([1, 1, 1, 2]))
    return Draft("git.diff", {}, lambda: _showing(call("git_diff")), **fields)


@family("git diff of a file", weight=1.2)
def git_diff_file(draw: Draw) -> Draft:
    fields = _edited(draw, 1)
    path = next(iter(fields["needs"]))
    if draw.chance(0.15):
        fields["settings"] = {"git": True}
    return Draft("git.diff_file", {"path": draw.show_path(path)}, lambda: _showing(call("git_diff", path=path)), subject=path, **fields)


@family("commit", weight=1.9)
def commit(draw: Draw) -> Draft:
    """Everything is staged first, as the request is about the changes and not about what is staged."""
    message = draw_message(draw)
    return Draft("git.commit", message_slots(draw, message), lambda: committing(["."], message, "the changes"), **_work(draw))


@family("commit file", weight=0.9)
def commit_file(draw: Draw) -> Draft:
    message, fields = draw_message(draw), changed(draw, 1, kinds=("new", "edited"))
    path = next(iter(fields["needs"]))
    slots = {**message_slots(draw, message), "path": draw.show_path(path)}
    return Draft("git.commit_file", slots, lambda: committing([path], message, path), subject=path, **fields)


@family("commit staged", weight=0.7)
def commit_staged(draw: Draw) -> Draft:
    message, fields = draw_message(draw), changed(draw, draw.number(1, 2), kinds=("new", "edited"))
    if draw.chance(0.88):
        fields["settings"]["staged"] = list(fields["needs"])
    return Draft("git.commit_staged", message_slots(draw, message), lambda: committing([], message, "the changes"), **fields)


@family("commit without message", weight=0.7)
def commit_without_message(draw: Draw) -> Draft:
    """The message is never made up."""
    return fixed_draft("git.no_message", NOT_UNDERSTOOD, "I did not understand")


@family("stage", weight=1)
def stage(draw: Draw) -> Draft:
    kind = draw.random.random()
    if kind < 0.35:
        return Draft("git.stage_all", {}, lambda: staging(["."], "all changes"), **_work(draw))
    fields = changed(draw, 2 if kind < 0.55 else 1, kinds=("new", "edited"))
    paths = list(fields["needs"])
    if len(paths) == 2:
        slots = {"path": draw.show_path(paths[0]), "other": draw.show_path(paths[1])}
        return Draft("git.stage_two", slots, lambda: staging(paths, f"{paths[0]} and {paths[1]}"), **fields)
    if kind > 0.95:
        fields = {"settings": {"git": True}}
    subject = paths[0] if "needs" in fields else None
    return Draft("git.stage", {"path": draw.show_path(paths[0])}, lambda: staging(paths, paths[0]), subject=subject, **fields)


@family("git log", weight=1)
def git_log(draw: Draw) -> Draft:
    count = draw.pick([1, 2, 3, 3, 5, 5, 5, 10, draw.number(2, 20)])
    shown = min(count, draw.number(1, 8))
    output = "".join(f"{''.join(draw.pick('0123456789abcdef') for _ in range(7))} {draw_message(draw)}\n" for _ in range(shown))
    if draw.chance(0.3):
        return _shell_draft("git.log", {}, "git log --oneline -n 5", output)
    slots = {"count": str(count)}
    return _shell_draft("git.log_last" if count == 1 else "git.log_count", slots, f"git log --oneline -n {count}", output)


@family("git branch", weight=0.9)
def git_branch(draw: Draw) -> Draft:
    name = draw.pick(["main", "main", "master", draw.word(), f"{draw.pick(['feature', 'fix', 'release'])}/{draw.word()}", f"{draw.word()}-{draw.word()}"])
    return _shell_draft("git.branch", {}, "git branch --show-current", f"{name}\n")


def _shell_draft(intent: str, slots: dict[str, str], line: str, output: str) -> Draft:
    def course() -> Course:
        result = yield call("shell", command=line)
        return report(result)

    return Draft(intent, slots, course, canned={line: (0, output)}, is_real=False)


def committing(paths: list[str], message: str, what: str) -> Course:
    """Stages `paths`, if any, and commits."""
    if paths:
        staged = yield call("git_add", paths=paths)
        if not staged["ok"]:
            return Answer(f"I could not commit: {staged['error']}", ("could not", staged["error"]))
    result = yield call("git_commit", message=message)
    if not result["ok"]:
        return Answer(f"I could not commit: {result['error']}", ("could not", result["error"]))
    return Answer(f"I committed {what} with the message: {message}", (message,))


def staging(paths: list[str], what: str) -> Course:
    result = yield call("git_add", paths=paths)
    if not result["ok"]:
        return Answer(f"I could not stage {what}: {result['error']}", ("could not", result["error"]))
    if result["output"] == "nothing new to stage":
        return Answer("There was nothing new to stage.", ("nothing new",))
    return Answer(f"I staged {what}.", (what,))


def _showing(diff: Call) -> Course:
    result = yield diff
    if not result["ok"]:
        return Answer(f"I could not get the changes: {result['error']}", ("could not", result["error"]))
    text = result["output"].rstrip("\n")
    if text == "no unstaged changes":
        return Answer("There are no changes.", ("no changes",))
    return Answer(f"The changes are:\n{text}", (text,))


def changed(draw: Draw, count: int, *, kinds: tuple[str, ...] = ("new", "new", "edited", "edited", "gone"), may_stage: bool = False) -> dict[str, Any]:
    """Fields of a draft: a repository with so many files that are new, edited or gone since the last commit."""
    needs: dict[str, str] = {}
    committed: dict[str, str | None] = {}
    for _ in range(count):
        path, kind = draw.path(0.2), draw.pick(kinds)
        committed[path] = None if kind == "new" else f"{draw.text(5)}\n"
        if kind != "gone":
            needs[path] = f"{draw.lines(1, 3, 5)}\n"
    settings: dict[str, Any] = {"git": True, "committed": committed}
    if may_stage and needs and draw.chance(0.3):
        settings["staged"] = [path for path in needs if draw.chance(0.7)]
    return {"needs": needs, "settings": settings}


def _edited(draw: Draw, count: int) -> dict[str, Any]:
    """Fields of a draft: a repository with files of which one line is other, new or gone."""
    needs: dict[str, str] = {}
    committed: dict[str, str] = {}
    for _ in range(count):
        path, lines = draw.path(0.15), draw.lines(1, 4 if count == 1 else 2, 5).split("\n")
        at = draw.number(0, len(lines) - 1)
        other = draw.pick([[draw.text(5)], [draw.text(5)], [lines[at], draw.text(5)], []])
        needs[path] = "".join(f"{line}\n" for line in [*lines[:at], *other, *lines[at + 1 :]])
        committed[path] = "".join(f"{line}\n" for line in lines)
    return {"needs": needs, "settings": {"git": True, "committed": committed}}


def _work(draw: Draw) -> dict[str, Any]:
    """Fields of a draft: mostly a repository with changes, sometimes one without, or none."""
    kind = draw.random.random()
    if kind < 0.05:
        return {}
    return {"settings": {"git": True}} if kind < 0.12 else changed(draw, draw.pick([1, 1, 2]))


def draw_message(draw: Draw) -> str:
    kind = draw.random.random()
    if kind < 0.5:
        return draw.text(7)
    if kind < 0.7:
        return f"{draw.pick(_WORK)} {draw.word()} {draw.pick(['', 'in', 'of', 'for', 'and', 'the'])} {draw.word()}".replace("  ", " ")
    if kind < 0.8:
        return f"{draw.pick(['feat', 'fix', 'docs', 'chore', 'test', f'fix({draw.word()})'])}: {draw.word()} {draw.word()}"
    if kind < 0.9:
        return f"{draw.pick(_WORK)} {draw.word()} (#{draw.number(1, 999)})"
    return draw.pick([f"v{draw.number(0, 9)}.{draw.number(0, 20)}.{draw.number(0, 9)}", "wip", "initial commit", f"{draw.pick(_WORK)} {draw.name()}", "first version"])


def message_slots(draw: Draw, message: str) -> dict[str, str]:
    return {"text": draw.quote(message), "raw": message}
