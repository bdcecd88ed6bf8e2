"""A simulated workspace that executes the tool calls of the generated dialogues.

Every tool result in the data is what this simulator returns, so a dialogue can never claim what did not happen. The
results are those of the real tools as the model gets them: `test/practice` runs the same calls with both.
"""

from __future__ import annotations

import copy
import json
from typing import Any, Callable, Mapping

from .command import NotSimulated
from .file_tools import FileTools
from .git import NO_REPOSITORY, Repository
from .paths import Refused
from .plan_tools import PlanTools
from .results import RESULT_BYTES, Result, cap, failure, keep_ends, success
from .shell import run_command

#: Bytes of a result of git beside its output.
_GIT_FRAME = 160


class SimulatedWorkspace(PlanTools, FileTools):
    """Files and folders by relative path, a todo list and, where there is a repository, what is in it."""

    def __init__(self) -> None:
        super().__init__()
        #: Exit code and output of commands that are not computed.
        self.canned: dict[str, tuple[int, str]] = {}
        #: What else the tools need, all of it optional:
        #: `time`: what get_time reports, such as `2026-01-02 03:04`;
        #: `git`: True for a repository whose last commit holds the starting files, `new` for one without a commit;
        #: `committed`: contents by path that the last commit has instead, None for a file that it lacks;
        #: `staged`: paths that are staged at the start; `branch`: its name; `hash`: the number of the next commits;
        #: `todos`: texts of the todos that there are at the start, and whether they are done;
        #: `failures`: errors by tool that its next calls return, `failures of NAME ARGUMENTS`: those of one call;
        #: `denied`: tools whose calls the user refuses, with or without what they say;
        #: `results`: whole results by tool that its next calls return;
        #: `near`: what a name that is not there probably meant; `tools`: names of the tools that there are.
        self.settings: dict[str, Any] = {}
        #: Texts of the todos; `completed` holds the numbers of those that are done, counted from 1.
        self.todos: list[str] = []
        self.completed: set[int] = set()
        self.commits: list[str] = []
        #: Of the files that the newest commit changed.
        self.committed_paths: list[str] = []
        self.repository: Repository | None = None

    def prepare(
        self, needs: Mapping[str, str], canned: Mapping[str, tuple[int, str]], settings: Mapping[str, Any]
    ) -> None:
        """Puts in what a task needs; what is there stays."""
        for path, content in needs.items():
            if path.endswith("/"):
                self.add_parents(path + "x")
            else:
                self.files.setdefault(path, content)
                self.add_parents(path)
        self.canned.update(canned)
        for text, is_completed in settings.get("todos", ()):
            self.todos.append(text)
            self.completed |= {len(self.todos)} if is_completed else set()
        for key, value in settings.items():
            if isinstance(value, dict) and isinstance(self.settings.get(key), dict):
                self.settings[key] = {**copy.deepcopy(value), **self.settings[key]}
            else:
                self.settings.setdefault(key, copy.deepcopy(value))

    def copy(self) -> SimulatedWorkspace:
        return copy.deepcopy(self)

    def todo_items(self) -> list[tuple[str, bool]]:
        """Texts of the todos, and whether they are done."""
        return [(text, number in self.completed) for number, text in enumerate(self.todos, start=1)]

    def staged_paths(self) -> list[str]:
        """Of the files that are staged otherwise than in the last commit; none without a repository."""
        return self.repository.staged_paths() if self.repository else []

    @property
    def time(self) -> str:
        return str(self.settings.get("time", "2026-01-02 03:04"))

    def run(self, name: str, arguments: Mapping[str, Any]) -> Result:
        """Executes one call; anything wrong with it is a failed result."""
        self._open_repository()
        results = self.settings.get("results", {}).get(name)
        if results:
            return cap(results.pop(0))
        tool: Callable[..., Result] | None = getattr(self, f"tool_{name}", None)
        if tool is None:
            tools = ", ".join(self.settings.get("tools", ()))
            return failure(f"There is no tool `{name}`. The tools are: {tools}.")
        denied = self.settings.get("denied", ())
        if name in denied:
            note = denied[name] if isinstance(denied, dict) else None
            return failure(f"denied by user: {note}" if note else "denied by user")
        key = f"failures of {name} {json.dumps(arguments)}"
        failures = self.settings.get(key) or self.settings.get("failures", {}).get(name)
        if failures:
            return failure(failures.pop(0))
        try:
            return cap(tool(**arguments))
        except Refused as refused:
            return cap(failure(str(refused)))
        except NotSimulated as what:
            return failure(f"bad call: {what} is not simulated, give its output in `canned`")
        except Exception as error:  # a model may send anything
            return failure(f"bad call: {type(error).__name__}")

    # Tools

    def tool_shell(self, command: str) -> Result:
        return run_command(self, command)

    def tool_git_status(self) -> Result:
        return success(self._git().status(self.files))

    def tool_git_diff(self, path: str = "", staged: bool = False) -> Result:
        text = self._git().diff(self.files, path, staged)
        return success(keep_ends(text, RESULT_BYTES - _GIT_FRAME, "name one path to see less at once"))

    def tool_git_add(self, paths: list[str]) -> Result:
        return success(self._git().add(paths, self.files, self.folders))

    def tool_git_commit(self, message: str) -> Result:
        repository = self._git()
        number = self.settings.get("hash") or repository.number_of(message)
        staged = repository.staged_paths()
        said = repository.commit(message, self.files, number)
        self.committed_paths = staged
        self.commits.append(message)
        return success(said)

    def tool_todo_add(self, text: str) -> Result:
        todo = text.strip()
        if todo == "":
            raise Refused("`text` is empty; say what is to be done")
        if len(todo) > 500:
            raise Refused(f"`text` has {len(todo)} characters, at most 500; say it shorter")
        self.todos.append(todo)
        return success(f"added: {todo}")

    def tool_todo_complete(self, todo_id: int) -> Result:
        number = int(todo_id)
        if not self.todos:
            raise Refused(f"no todo {number}: the list is empty")
        if not 1 <= number <= len(self.todos):
            raise Refused(f"no todo {number}; there are {', '.join(str(one + 1) for one in range(len(self.todos)))}")
        text = self.todos[number - 1]
        if number in self.completed:
            raise Refused(f"already completed: {text}")
        self.completed.add(number)
        done, total = len(self.completed), len(self.todos)
        progress = f"all {done} completed" if done == total else f"{done} of {total} completed"
        return success(f"completed: {text} ({progress})")

    def tool_todo_list(self) -> Result:
        lines = [
            f"{number}. [{'completed' if number in self.completed else 'pending'}] {text}"
            for number, text in enumerate(self.todos, start=1)
        ]
        return success("\n".join(lines) or "(empty)")

    def tool_get_time(self) -> Result:
        return success(self.time)

    def _git(self) -> Repository:
        if self.repository is None:
            raise Refused(NO_REPOSITORY)
        return self.repository

    def _open_repository(self) -> None:
        """Before the first call: the repository with the files as they are."""
        if self.repository is not None or not self.settings.get("git"):
            return
        committed = self.files if self.settings["git"] != "new" else {}
        head: dict[str, str | None] = {**committed, **self.settings.get("committed", {})}
        known = {path: content for path, content in head.items() if content is not None}
        index = {**known, **{path: self.files[path] for path in self.settings.get("staged", ())}}
        self.repository = Repository(known, index, self.settings.get("branch", "main"))
