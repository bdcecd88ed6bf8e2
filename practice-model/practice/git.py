"""A small model of a git repository: the last commit, what is staged, and what git says about them and the files."""

from __future__ import annotations

import copy
import hashlib
import re
from typing import Collection, Mapping

from .difference import file_difference, quote_odd
from .paths import Refused, parse_path

Files = Mapping[str, str]

NO_REPOSITORY = "not a git repository; `git init` in the shell makes one"


class Repository:
    """`head`: files of the last commit; `index`: files as staged. Both map paths to contents."""

    def __init__(self, head: Files, index: Files, branch: str = "main") -> None:
        self.head = dict(head)
        self.index = dict(index)
        self.branch = branch

    def __deepcopy__(self, memo: object) -> Repository:
        return Repository(copy.copy(self.head), copy.copy(self.index), self.branch)

    def status(self, files: Files) -> str:
        """Short form, one file a line: changes of known files by name, then new files and folders."""
        marks = {path: [" ", " "] for path in {*self.head, *self.index}}
        shown = {path: _quote(path) for path in marks}
        for path in marks:
            marks[path][0] = _mark(self.head.get(path), self.index.get(path), added="A")
            if path in self.index:
                marks[path][1] = _mark(self.index[path], files.get(path), added="M")
        for old, new, _similarity in find_renames(self.head, self.index):
            del marks[old]
            marks[new][0] = "R"
            shown[new] = f"{_quote(old)} -> {_quote(new)}"
        lines = [f"{a}{b} {shown[path]}" for path, (a, b) in sorted(marks.items()) if a + b != "  "]
        lines += [f"?? {_quote(path)}" for path in self._untracked(files)]
        return "\n".join(lines) or "nothing to commit, working tree clean"

    def diff(self, files: Files, path: str = "", staged: bool = False) -> str:
        """What `git diff` prints."""
        before: Files = self.head if staged else self.index
        after: Files = self.index if staged else {known: files[known] for known in self.index if known in files}
        wanted = [one for one in sorted({*before, *after}) if _is_below(one, path)]
        renamed = {}
        if staged:
            renames = find_renames(_part(before, wanted), _part(after, wanted))
            renamed = {new: (old, similarity) for old, new, similarity in renames}
            wanted = [one for one in wanted if one not in {old for old, _ in renamed.values()}]
        parts = []
        for one in wanted:
            old, similarity = renamed.get(one, (one, 0))
            parts.append(file_difference(old, one, before.get(old), after.get(one), similarity))
        return "".join(parts) or f"no {'staged' if staged else 'unstaged'} changes"

    def add(self, paths: list[str], files: Files, folders: Collection[str] = ()) -> str:
        """Stages files and what is in folders."""
        named = [path for path in paths if path.strip()]
        if not named:
            raise Refused('`paths` is empty; name files, or "." for all')
        places = []
        for path in named:
            place = parse_path(path)
            is_there = place in (".", *folders) or any(_is_below(one, place) for one in {*files, *self.index})
            if not is_there:
                is_pattern = re.search(r"[*?[]|^:", path)
                hint = "; patterns are not expanded, name files or folders" if is_pattern else ""
                raise Refused(f"pathspec '{path}' did not match any files{hint}")
            places.append("" if place == "." else place)
        chosen = [one for one in sorted({*files, *self.index}) if any(_is_below(one, place) for place in places)]
        known = [one for one in chosen if one in self.index]
        said = []
        for one in [*known, *(one for one in chosen if one not in self.index)]:
            if one not in files:
                del self.index[one]
                said.append(f"remove '{one}'")
            elif self.index.get(one) != files[one]:
                self.index[one] = files[one]
                said.append(f"add '{one}'")
        return "\n".join(said) or "nothing new to stage"

    def staged_paths(self) -> list[str]:
        """Of the files that the index holds otherwise than the last commit."""
        return sorted(path for path in {*self.head, *self.index} if self.head.get(path) != self.index.get(path))

    def commit(self, message: str, files: Files, number: str) -> str:
        """Commits what is staged; `number` stands for the commit's own."""
        if message.strip() == "":
            raise Refused("`message` is empty; say what the commit does")
        if self.index == self.head:
            is_clean = self.head and self.status(files).startswith("nothing")
            clean = "nothing to commit, working tree clean"
            raise Refused(clean if is_clean else "nothing is staged; use git_add first")
        self.head = dict(self.index)
        lines = [line.rstrip() for line in message.strip().split("\n")]
        subject = " ".join(lines[: lines.index("")] if "" in lines else lines)
        return f"[{self.branch} {number}] {subject}"

    def number_of(self, message: str) -> str:
        """A number for the next commit, as git would make it: no two alike."""
        state = repr((sorted(self.index.items()), sorted(self.head.items()), message))
        return hashlib.sha1(state.encode("utf-8", "surrogatepass")).hexdigest()[:7]

    def _untracked(self, files: Files) -> list[str]:
        tracked = {path[:at] for path in self.index for at in range(len(path)) if path[at] == "/"}
        found = set()
        for path in files:
            if path in self.index:
                continue
            slashes = [at for at in range(len(path)) if path[at] == "/"]
            new_folders = [path[:at] for at in slashes if path[:at] not in tracked]
            found.add(f"{new_folders[0]}/" if new_folders else path)
        return sorted(found)


def _mark(before: str | None, after: str | None, added: str) -> str:
    if before == after:
        return " "
    return added if before is None else "D" if after is None else "M"


def _is_below(path: str, folder: str) -> bool:
    return folder in ("", ".", path) or path.startswith(f"{folder}/")


def _part(files: Files, paths: list[str]) -> dict[str, str]:
    return {path: files[path] for path in paths if path in files}


def _quote(path: str) -> str:
    """As git writes a name in its status."""
    return f'"{path}"' if " " in path and quote_odd(path) == path else quote_odd(path)


# Renames


def find_renames(before: Files, after: Files) -> list[tuple[str, str, int]]:
    """Old name, new name and similarity in percent of files that were moved: at least half alike."""
    gone = sorted(path for path in before if path not in after)
    new = sorted(path for path in after if path not in before)
    scored = []
    for one in new:
        for other in gone:
            similarity = _similarity(before[other], after[one])
            if similarity >= 50:
                scored.append((-similarity, one.split("/")[-1] != other.split("/")[-1], one, other))
    found: list[tuple[str, str, int]] = []
    for score, _is_other_name, one, other in sorted(scored):
        if all(other != old and one != name for old, name, _ in found):
            found.append((other, one, -score))
    return found


def _similarity(old: str, new: str) -> int:
    if old == new:
        return 100
    old_bytes, new_bytes = old.encode(), new.encode()
    larger, smaller = max(len(old_bytes), len(new_bytes)), min(len(old_bytes), len(new_bytes))
    if smaller == 0 or larger < (larger - smaller) * 2:
        return 0
    chunks = _chunks(old_bytes)
    shared = 0
    for chunk in _chunks(new_bytes):
        if chunk in chunks:
            chunks.remove(chunk)
            shared += len(chunk)
    return shared * 60000 // larger * 100 // 60000


def _chunks(data: bytes) -> list[bytes]:
    """Lines, cut where they have more than 64 bytes."""
    return re.findall(rb"[^\n]{0,63}\n|[^\n]{64}|[^\n]+", data)
