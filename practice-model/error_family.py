"""Requests whose calls fail: the model must report the error, or try what the error proposes."""

from __future__ import annotations

from episode import Task
from phrases import Phrases

_READ = (
    "What is in @?|What does @ say?|Read @|Show me @|Tell me what is in @|Read @ and tell me what it says"
    "||Display @|Give me the contents of @"
)


def error(phrases: Phrases) -> Task:
    kind = phrases.random.random()
    path = phrases.path()
    if kind < 0.25:
        return _missing_file(phrases, path)
    if kind < 0.5:
        return _misspelt_file(phrases, path)
    if kind < 0.65:
        return _refused_write(phrases, path)
    if kind < 0.8:
        return _failing_command(phrases)
    if kind < 0.9:
        return _missing_folder(phrases)
    return _text_not_there(phrases, path)


def _missing_file(phrases: Phrases, path: str) -> Task:
    workspace = phrases.workspace()
    workspace.files.pop(path, None)
    why = workspace.run("read", {"path": path})["error"]
    answer = f"I could not read {path}: {why}"
    request = _read_request(phrases, path)
    return Task(request, [("read", {"path": path})], answer, [path, "could not"], workspace)


def _misspelt_file(phrases: Phrases, path: str) -> Task:
    """The error names a file that is there: read that one."""
    near = phrases.path(0)
    workspace = phrases.workspace({near: phrases.lines(phrases.random.choice([1, 1, 2]))})
    workspace.files.pop(path, None)
    workspace.extra["near"] = {path: near}
    body = workspace.files[near]
    steps = [("read", {"path": path}), ("read", {"path": near})]
    answer = f"There is no {path}, but {near} says: {body}"
    return Task(_read_request(phrases, path), steps, answer, [near, body], workspace)


def _refused_write(phrases: Phrases, path: str) -> Task:
    text = phrases.text(5)
    reasons = [
        "denied by user",
        "permission denied",
        "the user declined",
        "read-only file system",
        "not allowed: " + path,
        phrases.word() + " " + phrases.word(),
    ]
    why = phrases.random.choice(reasons)
    workspace = phrases.workspace(failures={"write": [why]})
    verb = phrases.pick("Create|Make|Write")
    shown = phrases.quote_path(path)
    containing = phrases.pick("containing|with the text|that says")
    request = phrases.polite(f"{verb} a file called {shown} {containing} {phrases.quote(text)}")
    steps = [("write", {"path": path, "content": text})]
    return Task(request, steps, f"I could not write {path}: {why}", [why, "could not"], workspace)


def _failing_command(phrases: Phrases) -> Task:
    rng = phrases.random
    command = rng.choice([phrases.word(), phrases.letters(3, 6)])
    command += rng.choice(["", " " + phrases.word(), " " + phrases.path()])
    reasons = [
        "denied by user",
        f"{command.split()[0]}: command not found",
        "exit code " + str(rng.randint(1, 127)),
        phrases.word() + " " + phrases.word(),
    ]
    why = rng.choice(reasons)
    workspace = phrases.workspace(failures={"shell": [why]})
    request = phrases.polite(phrases.pick("Run|Execute|Run the command") + f" `{command}`")
    steps = [("shell", {"command": command})]
    return Task(request, steps, f"The command failed: {why}", [why, "failed"], workspace)


def _missing_folder(phrases: Phrases) -> Task:
    folder = phrases.folder()
    workspace = phrases.workspace()
    workspace.folders.discard(folder)
    request = phrases.pick("List the files in @|What files are in @?|List @").replace("@", folder)
    why = workspace.run("ls", {"path": folder}).get("error")
    if not why:
        return error(phrases)
    answer = f"I could not list {folder}: {why}"
    return Task(request, [("ls", {"path": folder})], answer, [folder, "could not"], workspace)


def _text_not_there(phrases: Phrases, path: str) -> Task:
    old, new = phrases.word(), phrases.word()
    workspace = phrases.workspace({path: phrases.lines(1, 3)})
    why = f"old text not found in {path}"
    if old in workspace.files[path]:
        return error(phrases)
    old_shown = phrases.quote(old)
    request = phrases.polite(f"Replace {old_shown} with {phrases.quote(new)} in {path}")
    steps = [("edit", {"path": path, "old": old, "new": new})]
    return Task(request, steps, f"I could not edit {path}: {why}", [path, "could not"], workspace)


def _read_request(phrases: Phrases, path: str) -> str:
    return phrases.pick(_READ).replace("@", phrases.quote_path(path))
