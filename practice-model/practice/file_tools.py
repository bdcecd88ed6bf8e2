"""The simulated tools that read and change files."""

from __future__ import annotations

import re
from typing import Any, Callable

from .edits import apply_edit
from .file_tree import FileTree
from .paths import Refused, code_units, find_near_name, match_glob, parse_path
from .results import RESULT_BYTES, Result, cut_lines, size_of, success

#: Room for the line that says how to go on.
_READ_TRAILER = 100
_GREP_TRAILER = 60
_MAX_COLUMNS = 300


class FileTools(FileTree):
    """`settings["near"]`: what a name that is not there probably meant, where no file has one like it."""

    settings: dict[str, Any]

    def tool_write(self, path: str, content: str) -> Result:
        relative = self._writable(path)
        if self.is_folder(relative):
            raise Refused(f"cannot write {relative}: it is a folder")
        is_new = relative not in self.files
        self.files[relative] = content
        self.add_parents(relative)
        size, count = size_of(content), _count_lines(content)
        lines = f"{count} {'line' if count == 1 else 'lines'}"
        if is_new:
            return success(f"created {relative} ({size} bytes, {lines})")
        return success(f"wrote {size} bytes to {relative} ({lines})")

    def tool_read(self, path: str) -> Result:
        content = self.files[self._file(path)]
        if content == "":
            return success("(empty file)")
        most = RESULT_BYTES - _READ_TRAILER
        if size_of(content) <= most:
            return success(content)
        fitting = content.encode()[:most]
        end = fitting.rfind(b"\n")
        if end == -1:
            shown = fitting.decode(errors="ignore")
            return success(f"{shown}\n[line 1 is cut, the file has {size_of(content)} bytes]")
        shown = fitting[:end].decode()
        last = shown.count("\n") + 1
        more = _count_lines(content) - last
        return success(f"{shown}\n[{more} more {'line' if more == 1 else 'lines'}, use offset={last + 1}]")

    def tool_edit(self, path: str, old: str, new: str) -> Result:
        self._writable(path)
        relative = self._file(path)
        self.files[relative] = apply_edit(self.files[relative], old, new, relative)
        return success(f"replaced 1 occurrence in {relative}")

    def tool_ls(self, path: str = ".") -> Result:
        names = [name + ("/" if is_folder else "") for name, is_folder in self.list_folder(self._folder(path)) or []]
        return success(cut_lines(names, "names; use glob") if names else "(empty)")

    def tool_glob(self, pattern: str) -> Result:
        found = match_glob(pattern, [path for path in self.files if _is_searched(path)])
        return success(cut_lines(found, "files; narrow the pattern") if found else "no matches")

    def tool_grep(self, pattern: str, path: str = ".") -> Result:
        if pattern == "" or "\0" in pattern:
            raise Refused("`pattern` is empty or has a NUL character; give the text to look for")
        relative = self._reach(path)
        place = relative if relative in self.files else self._folder(path)
        paths = [place] if place in self.files else [
            one for one in self.files if _is_searched(one) and (place == "." or one.startswith(f"{place}/"))
        ]
        test = _to_search(pattern)
        lines, total = [], 0
        for file in sorted(paths, key=code_units):
            for number, line in enumerate(_text_lines(self.files[file]), start=1):
                if test(line):
                    lines.append(f"{file}:{number}:{_shorten_hit(line)}")
        kept = []
        for line in lines:
            total += size_of(line) + 1
            if total > RESULT_BYTES - _GREP_TRAILER:
                break
            kept.append(line)
        if len(kept) < len(lines):
            kept.append("[more matches; narrow the search]")
        return success("\n".join(kept) or "no matches")

    def tool_mkdir(self, path: str) -> Result:
        relative = self._writable(path)
        if relative in self.files:
            raise Refused(f"cannot make the folder {relative}: a file has this name")
        if self.is_folder(relative):
            return success(f"folder {relative} already exists")
        self.add_parents(f"{relative}/x")
        return success(f"created folder {relative}")

    def _reach(self, path: str) -> str:
        """A path of a call; fails where a file stands in its way."""
        relative = parse_path(path)
        parts = relative.split("/")
        for count in range(1, len(parts)):
            above = "/".join(parts[:count])
            if above in self.files:
                raise Refused(f"cannot reach {relative}: {above} is a file, not a folder")
        return relative

    def _writable(self, path: str) -> str:
        relative = parse_path(path)
        if relative.split("/")[0] == ".lmagent":
            raise Refused(f"`{relative}` refused: `.lmagent` holds the agent's own state and cannot be changed")
        return self._reach(path)

    def _no_such(self, kind: str, path: str) -> Refused:
        near = find_near_name(path, self.list_folder) or self.settings.get("near", {}).get(path)
        return Refused(f"no such {kind}: {path}" + (f"; did you mean {near}?" if near else ""))

    def _file(self, path: str) -> str:
        """The path of a file that is there."""
        relative = self._reach(path)
        if self.is_folder(relative):
            raise Refused(f"{relative} is a folder, not a file; use ls")
        if relative not in self.files:
            raise self._no_such("file", relative)
        return relative

    def _folder(self, path: str) -> str:
        relative = self._reach(path)
        if relative in self.files:
            raise Refused(f"no such folder: {relative}; it is a file")
        if not self.is_folder(relative):
            raise self._no_such("folder", relative)
        return relative


def _count_lines(text: str) -> int:
    return text.count("\n") + (0 if text == "" or text.endswith("\n") else 1)


def _text_lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _is_searched(path: str) -> bool:
    return not any(part in (".git", "node_modules", ".lmagent") for part in path.split("/"))


def _to_search(pattern: str) -> Callable[[str], bool]:
    try:
        compiled = re.compile(pattern)
    except re.error:
        return lambda line: pattern in line
    return lambda line: compiled.search(line) is not None


def _shorten_hit(line: str) -> str:
    if size_of(line) <= _MAX_COLUMNS:
        return line
    return line.encode()[:_MAX_COLUMNS].decode(errors="ignore") + " [... omitted end of long line]"
