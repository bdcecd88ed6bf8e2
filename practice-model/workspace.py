"""A simulated workspace that executes the tool calls of the generated dialogues.

Every tool result in the data is what this simulator returns, so a dialogue can never claim what did not happen.
"""

from __future__ import annotations

import fnmatch
from typing import Any, Callable, Mapping

Result = dict[str, Any]

#: The tools that the model knows, with their required arguments.
TOOLS: dict[str, list[str]] = {
    "write": ["path", "content"],
    "read": ["path"],
    "edit": ["path", "old", "new"],
    "ls": ["path"],
    "glob": ["pattern"],
    "grep": ["pattern", "path"],
    "mkdir": ["path"],
    "shell": ["command"],
    "git_status": [],
    "git_commit": ["message"],
    "todo_add": ["text"],
    "get_time": [],
}


def success(output: str) -> Result:
    """A result as the agent reports it."""
    return {"ok": True, "output": output}


def failure(error: str) -> Result:
    """A failed result as the agent reports it."""
    return {"ok": False, "error": error}


class SimulatedWorkspace:
    """Files and folders by relative path.

    `style` picks the wording of confirmations, since the real agent's may differ. `canned` maps commands to their
    output; `failures` maps tools to errors that their next calls return.
    """

    def __init__(
        self,
        files: Mapping[str, str] | None = None,
        folders: set[str] | list[str] | None = None,
        canned: Mapping[str, str] | None = None,
        style: int = 0,
        failures: Mapping[str, list[str]] | None = None,
    ) -> None:
        self.files = dict(files or {})
        self.folders = set(folders or [])
        self.canned = dict(canned or {})
        self.style = style
        self.failures = dict(failures or {})
        self.todos: list[str] = []
        self.commits: list[str] = []
        #: What single tools report: `status`, `time`, `hash` of a commit, `n` of a todo, `near` for a misspelt path.
        self.extra: dict[str, Any] = {}
        for path in list(self.files):
            self.add_parents(path)

    def add_parents(self, path: str) -> None:
        """Makes the folders above `path`."""
        parts = path.split("/")[:-1]
        for count in range(1, len(parts) + 1):
            self.folders.add("/".join(parts[:count]))

    def state(self) -> tuple[dict[str, str], set[str], list[str], list[str]]:
        """What a task is judged by."""
        return (self.files, self.folders, self.todos, self.commits)

    def run(self, name: str, arguments: Mapping[str, str]) -> Result:
        """Executes one call; anything wrong with it is a failed result."""
        try:
            if self.failures.get(name):
                return failure(self.failures[name].pop(0))
            tool: Callable[..., Result] = getattr(self, f"tool_{name}")
            return tool(**arguments)
        except Exception as error:  # a model may send anything
            return failure(f"bad call: {type(error).__name__}")

    def tool_write(self, path: str, content: str) -> Result:
        path = path.lstrip("./") if path.startswith("./") else path
        self.files[path] = content
        self.add_parents(path)
        size = len(content.encode())
        return self._confirm(
            f"wrote {size} bytes to {path}",
            f"Wrote {path} ({size} bytes)",
            "done",
            f"created {path}",
            "ok",
            f"{path} saved",
        )

    def tool_read(self, path: str) -> Result:
        if path in self.files:
            return success(self.files[path])
        messages = [
            f"no such file: {path}",
            f"ENOENT: no such file or directory, open '{path}'",
            f"file not found: {path}",
        ]
        near = self.extra.get("near", {}).get(path)
        return failure(messages[self.style % 3] + (f"; did you mean {near}?" if near else ""))

    def tool_edit(self, path: str, old: str, new: str) -> Result:
        if path not in self.files:
            return failure(f"no such file: {path}")
        if old not in self.files[path]:
            return failure(f"old text not found in {path}")
        self.files[path] = self.files[path].replace(old, new, 1)
        return self._confirm(
            f"edited {path}", "done", f"replaced 1 occurrence in {path}", "ok", f"{path}: 1 replacement"
        )

    def list_folder(self, path: str) -> list[str] | None:
        """Names in a folder, folders with a slash; None when there is no such folder."""
        prefix = "" if path in (".", "", "./") else path.rstrip("/") + "/"
        if prefix and prefix[:-1] not in self.folders:
            return None
        names = set()
        for file in self.files:
            if file.startswith(prefix):
                rest = file[len(prefix) :]
                names.add(rest.split("/")[0] + ("/" if "/" in rest else ""))
        for folder in self.folders:
            if folder.startswith(prefix) and folder != prefix[:-1]:
                names.add(folder[len(prefix) :].split("/")[0] + "/")
        return sorted(names)

    def tool_ls(self, path: str = ".") -> Result:
        names = self.list_folder(path)
        if names is None:
            return failure(f"no such folder: {path}")
        return success("\n".join(names) if names else "(empty)")

    def tool_glob(self, pattern: str) -> Result:
        base = pattern.replace("**/", "*")
        found = sorted(file for file in self.files if _matches(file, base, pattern))
        return success("\n".join(found) if found else "no matches")

    def tool_grep(self, pattern: str, path: str = ".") -> Result:
        hits = []
        for file in sorted(self.files):
            if path in (".", "") or file == path or file.startswith(path.rstrip("/") + "/"):
                for number, line in enumerate(self.files[file].split("\n"), start=1):
                    if pattern in line:
                        hits.append(f"{file}:{number}:{line}")
        return success("\n".join(hits) if hits else "no matches")

    def tool_mkdir(self, path: str) -> Result:
        path = path.rstrip("/")
        self.add_parents(path + "/x")
        return self._confirm(f"created folder {path}", "done", f"created {path}", "ok", f"made {path}/")

    def tool_shell(self, command: str) -> Result:
        if command in self.canned:
            return success(self.canned[command])
        words = command.split(" ")
        if words[0] == "wc" and words[1] == "-l" and len(words) == 3 and words[2] in self.files:
            return success(f"{len(self.files[words[2]].splitlines())} {words[2]}")
        if words[0] == "cat" and len(words) == 2 and words[1] in self.files:
            return success(self.files[words[1]])
        if words[0] == "echo":
            return success(" ".join(words[1:]).strip("\"'"))
        if words[0] == "mv" and len(words) == 3 and words[1] in self.files:
            self.files[words[2]] = self.files.pop(words[1])
            self.add_parents(words[2])
            return success("")
        if words[0] == "rm" and len(words) == 2 and words[1] in self.files:
            del self.files[words[1]]
            return success("")
        return failure(f"{words[0]}: command not found" if len(words) == 1 else f"exit code 1: {command}")

    def tool_git_status(self) -> Result:
        return success(self.extra.get("status", "nothing to commit, working tree clean"))

    def tool_git_commit(self, message: str) -> Result:
        self.commits.append(message)
        commit = self.extra.get("hash", "1a2b3c4")
        return self._confirm(f"[main {commit}] {message}", "committed", f"committed: {message}")

    def tool_todo_add(self, text: str) -> Result:
        self.todos.append(text)
        return self._confirm(f"added: {text}", "ok", f"#{self.extra.get('n', 1)} {text}")

    def tool_get_time(self) -> Result:
        return success(self.extra.get("time", "2026-01-02 03:04"))

    def _confirm(self, *wordings: str) -> Result:
        return success(wordings[self.style % len(wordings)])


def _matches(file: str, base: str, pattern: str) -> bool:
    if fnmatch.fnmatch(file, base):
        return True
    return pattern.startswith("**/") and fnmatch.fnmatch(file, pattern[3:])
