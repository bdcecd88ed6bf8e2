"""Writes the tasks that `npm run eval:practice` gives to the real agent: names, words and texts that training never sees.

    python3 tasks.py            writes tasks/*.jsonl

Each line is one conversation: the files at the start, and for each request what it must change and what its answer must name.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any, Callable, Iterator, Literal

from options import whole
from practice import compose
from practice import families as _families  # noqa: F401  registers them
from practice.conversation import TOOLS, Conversation, Mix, Turn, draw_conversation, play, render, to_segments, tree_of
from practice.draw import Draw
from practice.family import FAMILIES, FOLLOW_UPS, Draft

HERE = Path(__file__).parent
Wordings = Literal["trained", "held-out", "all"]
ALONE = Mix(two=0, three=0, four=0, follow_up=0)
#: Drafts to draw for each task; most families need one.
TRIES = 20
#: Characters of conversations that fill some 2,000 to 3,000 tokens.
LONG_CONVERSATION, LONGEST_CONVERSATION = 4500, 7000
#: What is mostly asked first, so that there is something to show.
BEFORE = {"todo list": "todo add several"}
TODO_TOOLS = {"todo_add", "todo_complete"}
#: Families whose results or tools the evaluation does not have: made-up output and errors, refusals, other tools, plan mode.
UNMEASURED = {
    *("shell alone", "git log", "git branch", "time", "failing", "passing", "denied"),
    *("missing_tool", "no_tools", "delegate", "plan", "todo complete", "todo complete by text"),
}
Task = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "tasks", metavar="FOLDER")
    parser.add_argument("--seed", type=whole(0), default=9000)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    makers: dict[str, Callable[[int], Iterator[Task]]] = {
        "trained": lambda seed: by_family(seed, "trained", 50),
        "held-out": lambda seed: by_family(seed, "held-out", 20),
        "careless": lambda seed: by_family(seed, "trained", 5, spelling=2.0),
        "parts": in_parts,
        "conversations": in_conversations,
    }
    for number, (split, make) in enumerate(makers.items()):
        tasks = [{**task, "id": f"{split}-{index}", "split": split} for index, task in enumerate(make(options.seed + number))]
        lines = [json.dumps(task, ensure_ascii=False) for task in tasks]
        (options.out / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(split, len(tasks))


def by_family(seed: int, wordings: Wordings, count: int, spelling: float = 0.5) -> Iterator[Task]:
    """Requests of every family that the real agent can execute: `count` of each."""
    draw = Draw(seed, "test", wordings, spelling=spelling)
    for name in [*FAMILIES, *FOLLOW_UPS]:
        if name in UNMEASURED:
            continue
        drawn = (draw_real(draw, name) for _ in range(count * TRIES))
        found = list(itertools.islice((one for one in drawn if one is not None), count))
        if len(found) < count:
            raise ValueError(f"{name}: {len(found)} of {count} tasks found that the real agent can execute")
        yield from (to_task(conversation, name) for conversation in found)


def draw_real(draw: Draw, name: str) -> Conversation | None:
    draw.taken.clear()
    if name in FAMILIES:
        before = [BEFORE[name]] if name in BEFORE and draw.chance(0.8) else []
        drafts = [(one, FAMILIES[one].make(draw)) for one in [*before, name]]
    else:
        first = draw.random.choice(list(FAMILIES.values()))
        draft = first.make(draw)
        if draft.subject is None or has_own_tools(draft):
            return None
        drafts = [(first.name, draft), (name, FOLLOW_UPS[name].make(draw, draft.subject))]
    return play(draw, drafts) if all(can_execute(draft) and is_worded(draw, draft) for _name, draft in drafts) else None


def can_execute(draft: Draft) -> bool:
    return draft.is_real and not has_own_tools(draft) and "staged" not in draft.settings


def has_own_tools(draft: Draft) -> bool:
    return draft.tools not in (None, TOOLS)


def is_worded(draw: Draw, draft: Draft) -> bool:
    """Held-out wordings need a wording: what is sent in a fixed form has none."""
    return draw.wordings != "held-out" or draft.is_plain


def in_parts(seed: int) -> Iterator[Task]:
    """Requests of two, three and four parts, in orders of families that training never joins."""
    draw = Draw(seed, "test", "trained")
    for count, wanted in ((2, 100), (3, 60), (4, 60)):
        made = 0
        while made < wanted:
            draw.taken.clear()
            draft = compose.joined(draw, count, composition="held-out")
            if can_execute(draft):
                yield to_task(play(draw, [(f"{count} parts", draft)]), f"{count} parts")
                made += 1


def in_conversations(seed: int) -> Iterator[Task]:
    """Eight requests in a row: as they come, and such as fill the context that the model was trained on."""
    draw = Draw(seed, "test", "trained")
    for family, shortest in (("8 requests", 0), ("8 long requests", LONG_CONVERSATION)):
        made = 0
        while made < 50:
            conversation = draw_conversation(draw, 8, mix=Mix(two=0.1, three=0.03, four=0, follow_up=0.25))
            is_real = all(can_execute(turn.draft) for turn in conversation.turns)
            if is_real and shortest <= len(render(to_segments(conversation))) <= LONGEST_CONVERSATION:
                yield to_task(conversation, family)
                made += 1


def to_task(conversation: Conversation, family: str) -> Task:
    settings = conversation.start.settings
    files, changes = split_by_commit(tree_of(conversation.start), settings.get("committed", {}))
    task: Task = {"family": family, "files": files, "exact": True}
    if settings.get("git"):
        task["git"] = True
    if changes:
        task["changes"] = changes
    task["turns"] = [to_turn(turn) for turn in conversation.turns]
    return task


def to_turn(turn: Turn) -> Task:
    called = {name for (name, _arguments), _result in turn.calls}
    messages = [arguments["message"] for (name, arguments), result in turn.calls if name == "git_commit" and result["ok"]]
    return {
        "request": turn.request,
        "files": turn.changes,
        "facts": [fact for fact in turn.answer.facts if is_steady(fact, turn.calls)],
        **({} if turn.calls else {"calls": 0}),
        **({"commit": messages[-1], "committed": turn.committed} if messages else {}),
        **({"staged": turn.staged} if "git_add" in called else {}),
        **({"todos": [{"text": text, "done": done} for text, done in turn.todos]} if called & TODO_TOOLS else {}),
    }


def split_by_commit(
    tree: dict[str, str], committed: dict[str, str | None]
) -> tuple[dict[str, str], dict[str, str | None]]:
    """What the last commit holds, and what has been changed since then; `committed`: where it differs from what is there."""
    files = {path: content for path, content in {**tree, **committed}.items() if content is not None}
    return files, {path: tree.get(path) for path in committed if tree.get(path) != committed[path]}


def is_steady(fact: str, calls: list[Any]) -> bool:
    """Whether a fact is the same in every run: the time is not."""
    return not any(name == "get_time" and fact in result.get("output", "") for (name, _arguments), result in calls)


if __name__ == "__main__":
    main()
