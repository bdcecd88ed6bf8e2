"""What failed calls say. `{do}`, `{path}`, `{n}` and `{word}` are filled for the call that fails."""

from __future__ import annotations

#: These pass by themselves.
PASSING_ERRORS = [
    "cannot {do} {path}: EAGAIN",
    "cannot {do} {path}: EBUSY",
    "cannot {do} {path}: resource temporarily unavailable",
    "resource temporarily unavailable",
    "timed out",
    "the operation timed out",
    "timed out after {n} s",
    "cannot {do} {path}: ETIMEDOUT, timed out",
    "the disk is busy, try again",
    "temporarily unavailable",
    "connection timed out",
    "cannot {do} {path}: device or resource busy",
]
#: The same of commands.
PASSING_SHELL = [
    "exit code 1: fork: Resource temporarily unavailable",
    "exit code 254: sh: 1: Cannot fork: Resource temporarily unavailable",
    "timed out",
    "exit code 1: Connection timed out",
    "exit code 1: the device is busy, try again",
    "resource temporarily unavailable",
    "the sandbox timed out",
]
#: These stay.
LASTING_ERRORS = [
    "cannot {do} {path}: permission denied",
    "cannot {do} {path}: no space left on the disk",
    "cannot {do} {path}: the disk is read-only",
    "cannot {do} {path}: the disk quota is used up",
    "cannot {do} {path}: too many open files",
    "cannot {do} {path}: the name is too long",
    "cannot {do} {path}: EIO",
    "cannot {do} {path}: a part of the path is a file, not a folder",
    "refused: {word} is not allowed here",
    "{word} {word}",
]
#: The same of commands.
LASTING_SHELL = [
    "exit code 1: permission denied",
    "exit code 1: No space left on device",
    "exit code 2: {word}: cannot open",
    "exit code {n}",
    "stopped: it took longer than {n} s; `timeout` can be at most 600",
    "stopped: it used more than {n} MB of memory; `max_memory_mb` can be at most 16384",
    "stopped: it started too many processes",
    "exit code 137 (SIGKILL)",
    "refused: the command is not allowed",
    "exit code 1: {word} {word}",
]
#: The user does not allow the call; nearly always without a word about why.
DENIALS = [
    *["denied by user"] * 5,
    "denied by user: {word} {word}",
    "denied by user: not now",
    "denied by user: leave it as it is",
]
