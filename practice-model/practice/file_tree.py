"""Files and folders by relative path."""

from __future__ import annotations

import posixpath

from .paths import code_units


class FileTree:
    """`files`: contents by path; `folders`: paths. The workspace itself is `.` or nothing."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.folders: set[str] = set()

    def is_folder(self, path: str) -> bool:
        return path in ("", ".") or path in self.folders

    def exists(self, path: str) -> bool:
        return path in self.files or self.is_folder(path)

    def has_parent(self, path: str) -> bool:
        """Whether the folder is there that a path lies in."""
        return self.is_folder(posixpath.dirname(path))

    def add_parents(self, path: str) -> None:
        """Makes the folders above `path`."""
        parts = path.split("/")[:-1]
        for count in range(1, len(parts) + 1):
            self.folders.add("/".join(parts[:count]))

    def copy_tree(self, path: str, place: str) -> None:
        """Copies a file, or a folder with all that is in it."""
        if path in self.files:
            self.files[place] = self.files[path]
            return
        self.folders |= {place + folder[len(path) :] for folder in self.folders if f"{folder}/".startswith(f"{path}/")}
        for file in [file for file in self.files if file.startswith(f"{path}/")]:
            self.files[place + file[len(path) :]] = self.files[file]

    def remove_tree(self, path: str) -> None:
        """Removes a file, or a folder with all that is in it."""
        self.files.pop(path, None)
        self.folders = {folder for folder in self.folders if not f"{folder}/".startswith(f"{path}/")}
        for file in [file for file in self.files if file.startswith(f"{path}/")]:
            del self.files[file]

    def list_folder(self, path: str) -> list[tuple[str, bool]] | None:
        """Names in a folder, folders first, each with whether it is one; None when there is no such folder."""
        if not self.is_folder(path):
            return None
        prefix = "" if path in ("", ".") else f"{path}/"
        names = {(one[len(prefix) :], False) for one in self.files if one.startswith(prefix)}
        names |= {(one[len(prefix) :], True) for one in self.folders if one.startswith(prefix)}
        here = [entry for entry in names if "/" not in entry[0]]
        return sorted(here, key=lambda entry: (not entry[1], code_units(entry[0])))
