"""Requests to run, stage or commit the file of the request before."""

from __future__ import annotations

import shlex

from ..draw import Draw
from ..family import Course, Draft, call, follow_up
from .commands import report
from .git import committing, draw_message, message_slots, staging

_RUNNERS = {"sh": "sh", "py": "python3", "js": "node"}


@follow_up("run or stage it", weight=1)
def run_or_stage_it(draw: Draw, path: str) -> Draft:
    """Scripts are run, with an output that is made up; other files are staged."""
    runner = _RUNNERS.get(path.rsplit(".", 1)[-1]) if "." in path else None
    if runner is None:
        return Draft("it.stage", {}, lambda: staging([path], path), settings={"git": True}, subject=path)
    line = f"{runner} {shlex.quote(path)}"

    def course() -> Course:
        result = yield call("shell", command=line)
        return report(result)

    output = draw.pick([draw.text(6), draw.text(6), draw.lines(2, 4, 5)])
    return Draft("it.run", {}, course, canned={line: (0, f"{output}\n")}, is_real=False, subject=path)


@follow_up("commit it", weight=0.9)
def commit_it(draw: Draw, path: str) -> Draft:
    message = draw_message(draw)
    return Draft("it.commit", message_slots(draw, message), lambda: committing([path], message, path), settings={"git": True}, subject=path)
