"""What the generator makes: conversations without contradictions, the same for the same seed. Needs no torch: `python3 -m unittest`."""

from __future__ import annotations

import collections
import functools
import hashlib
import inspect
import itertools
import json
import os
import subprocess
import sys
import unittest
import zlib
from dataclasses import dataclass, field
from typing import Any, Iterator
from unittest import mock

import tasks
from practice import draw as drawing
from practice import families as _families  # noqa: F401  registers them
from practice import spelling
from practice.conversation import TOOLS, Conversation, call_text, draw_conversation, play, render, result_text, to_segments
from practice.draw import Draw, is_unwanted
from practice.family import FAMILIES, FOLLOW_UPS, Answer, Course, Draft, call
from practice.wordings import Pieces
from practice.workspace import SimulatedWorkspace
from show import draw_one, find_problems

DRAWS_OF_A_FAMILY = 20
CONVERSATIONS = 60
#: Names and order of the arguments of each tool, and how many of them have to be there.
ARGUMENTS = {
    "read": (("path",), 1),
    "write": (("path", "content"), 2),
    "edit": (("path", "old", "new"), 3),
    "ls": (("path",), 1),
    "glob": (("pattern",), 1),
    "grep": (("pattern", "path"), 2),
    "mkdir": (("path",), 1),
    "shell": (("command",), 1),
    "git_status": ((), 0),
    "git_diff": (("path", "staged"), 0),
    "git_add": (("paths",), 1),
    "git_commit": (("message",), 1),
    "todo_add": (("text",), 1),
    "todo_complete": (("todo_id",), 1),
    "todo_list": ((), 0),
    "plan_propose": (("title", "steps"), 2),
    "plan_complete_step": (("step_id", "verification_notes", "failed"), 1),
    "delegate": (("objective", "deliverable_type", "deliverable_path", "deliverable_description", "data_hint"), 4),
    "get_time": ((), 0),
}
TEXTS = [
    'she said "yes" to \'it\' and `that`',
    "Grüße aus Łódź, 電車, مرحبا 👍",
    "one\ntwo\n\n  four\twith a tab",
    "a\\b \\n is no line end",
    '{"json": [1, null], "a b": "</tool_call>"}',
    "(a|b) {slot} [x] $HOME %s {}",
    "“curly” ‘quotes’ «and more» <<angles>>",
]


@dataclass
class Drawn:
    """Conversations, and what `spelling.finish` was given and returned for their requests."""

    conversations: list[Conversation] = field(default_factory=list)
    spelt: list[tuple[Pieces, str]] = field(default_factory=list)


@functools.cache
def draw_all() -> Drawn:
    """Each family for training and, with held-out words and wordings, for tests; and conversations."""
    drawn = Drawn()
    finish = spelling.finish

    def record(draw: Draw, pieces: Pieces, **options: bool) -> str:
        text = finish(draw, pieces, **options)
        drawn.spelt.append((list(pieces), text))
        return text

    with mock.patch.object(spelling, "finish", record):
        for draw in (Draw(1), Draw(2, "test", "held-out", spelling=2.0)):
            for name in [*FAMILIES, *FOLLOW_UPS]:
                drawn.conversations += [draw_one(draw, name, 1) for _ in range(DRAWS_OF_A_FAMILY)]
            drawn.conversations += [draw_conversation(draw, 1 + number % 8) for number in range(CONVERSATIONS)]
    return drawn


def calls_of(conversations: list[Conversation]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for conversation in conversations:
        for turn in conversation.turns:
            for (name, arguments), result in turn.calls:
                yield name, arguments, result


def digest(seed: int) -> str:
    draw = Draw(seed)
    text = "".join(render(to_segments(draw_conversation(draw, 1 + number % 4))) for number in range(80))
    return hashlib.sha256(text.encode()).hexdigest()


class TestSeeds(unittest.TestCase):
    def test_the_same_seed_gives_the_same_conversations(self) -> None:
        self.assertEqual(digest(7), digest(7))
        self.assertNotEqual(digest(7), digest(8))

    def test_another_process_makes_the_same(self) -> None:
        code = "import test_data; print(test_data.digest(7))"
        for hash_seed in ("1", "2"):
            environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
            run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
            self.assertEqual(run.stdout.strip(), digest(7))


class TestConversations(unittest.TestCase):
    def test_answers_hold_their_facts_and_no_call_is_wrong(self) -> None:
        problems = collections.Counter(problem for one in draw_all().conversations for problem in find_problems(one))
        self.assertEqual(dict(problems), {})

    def test_arguments_have_the_names_and_the_order_that_tools_declare(self) -> None:
        for name, (declared, _least) in ARGUMENTS.items():
            parameters = list(inspect.signature(getattr(SimulatedWorkspace, f"tool_{name}")).parameters)
            self.assertEqual(tuple(parameters[1:]), declared)
        for name, arguments, _result in calls_of(draw_all().conversations):
            declared, least = ARGUMENTS[name]
            given = list(arguments)
            self.assertEqual(given, [one for one in declared if one in given], name)
            self.assertGreaterEqual(len(given), least, name)

    def test_every_tool_is_called(self) -> None:
        called = {name for name, _arguments, _result in calls_of(draw_all().conversations)}
        self.assertEqual(set(ARGUMENTS) - called, set())
        self.assertEqual(set(TOOLS) - set(ARGUMENTS), set())

    def test_calls_and_results_are_JSON(self) -> None:
        for name, arguments, result in calls_of(draw_all().conversations):
            text = call_text((name, arguments)).removeprefix("<tool_call>").removesuffix("</tool_call>")
            self.assertEqual(json.loads(text), {"name": name, "arguments": arguments})
            self.assertEqual(json.loads(result_text(result)), result)
            self.assertIn("ok", result)

    def test_only_tools_that_are_offered_are_called(self) -> None:
        for conversation in draw_all().conversations:
            for name, _arguments, _result in calls_of([conversation]):
                self.assertIn(name, conversation.tools)

    def test_all_that_is_said_fits_its_place(self) -> None:
        for conversation in draw_all().conversations:
            for role, text in to_segments(conversation):
                self.assertNotEqual(text.strip(), "", role)
                self.assertNotRegex(text, r"<\|\w+\|>|[\x00-\x08]")


class TestTexts(unittest.TestCase):
    def test_quotes_line_ends_and_other_scripts_survive(self) -> None:
        def writing(text: str) -> Course:
            yield call("write", path="a b.txt", content=text)
            result = yield call("read", path="a b.txt")
            return Answer(result["output"], (text,))

        for text in TEXTS:
            draft = Draft("", {}, functools.partial(writing, text), request=[("write ", False), (text, True)], is_plain=False)
            conversation = play(Draw(1), [("writing", draft)])
            self.assertEqual(conversation.turns[0].request, f"write {text}")
            self.assertEqual(conversation.turns[0].answer.text, text)
            self.assertEqual(conversation.turns[0].changes, {"a b.txt": text})
            said = to_segments(conversation)[2][1].removeprefix("<tool_call>").removesuffix("</tool_call>")
            self.assertEqual(json.loads(said)["arguments"]["content"], text)

    def test_quotes_are_such_as_the_text_does_not_hold(self) -> None:
        draw = Draw(3)
        for text in [*TEXTS, *(draw.text() for _ in range(300))]:
            quoted = draw.quote(text)
            marks = quoted.split(text)
            self.assertEqual(len(marks), 2, quoted)
            self.assertTrue(all(mark and mark not in text for mark in marks), quoted)

    def test_what_is_given_stays_as_it_is_however_it_is_typed(self) -> None:
        for pieces, text in draw_all().spelt:
            at = 0
            for piece, is_given in pieces:
                if is_given:
                    found = text.find(piece, at)
                    self.assertGreaterEqual(found, 0, f"{piece!r} is not in {text!r}")
                    at = found + len(piece)

    def test_a_text_without_quotes_ends_its_request(self) -> None:
        draw = Draw(4, spelling=2.0)
        for text in ["the end", "is it?", "a.b", "x:"]:
            for _ in range(100):
                said = spelling.finish(draw, [("write ", False), (text, True)], is_imperative=True, is_open=True)
                self.assertTrue(said.endswith(text), said)

    def test_invented_words_hold_nothing_that_is_unwanted(self) -> None:
        with mock.patch.object(drawing, "_UNWANTED", frozenset({zlib.crc32(b"lami")})):
            self.assertTrue(is_unwanted("solamiro"))
            self.assertFalse(is_unwanted("solimiro"))
            draw = Draw(5)
            with mock.patch.object(Draw, "_syllable", side_effect=itertools.cycle(["la", "mi", "ro", "ta", "no"])):
                self.assertFalse([word for word in (draw.invented_word() for _ in range(50)) if "lami" in word])
        draw = Draw(6)
        self.assertFalse([word for word in (draw.invented_word() for _ in range(2000)) if is_unwanted(word)])


class TestTasks(unittest.TestCase):
    def test_tasks_have_the_form_that_the_evaluation_reads(self) -> None:
        made = [
            *tasks.by_family(1, "trained", 1),
            *tasks.by_family(2, "held-out", 1, spelling=2.0),
            *itertools.islice(tasks.in_parts(3), 3),
            *itertools.islice(tasks.in_conversations(4), 2),
        ]
        self.assertGreater(len(made), 100)
        for task in made:
            self.assertEqual(json.loads(json.dumps(task)), task)
            self.assertLessEqual(set(task), {"family", "files", "git", "changes", "exact", "turns"})
            self.check_files({**task["files"], **task.get("changes", {})})
            self.assertTrue(task["turns"])
            for turn in task["turns"]:
                self.assertLessEqual(set(turn), {"request", "files", "facts", "calls", "commit", "committed", "staged", "todos"})
                self.assertTrue(turn["request"].strip())
                self.check_files(turn["files"])
                self.assertTrue(all(isinstance(fact, str) and fact for fact in turn["facts"]))
                self.assertEqual(turn.get("calls", 0), 0)

    def test_what_is_staged_committed_and_listed_is_judged(self) -> None:
        by_family = {name: task for name in ("stage", "commit file", "todo add") for task in self.tasks_of(name)}
        self.assertTrue(by_family["stage"]["turns"][-1]["staged"])
        self.assertEqual(len(by_family["commit file"]["turns"][-1]["committed"]), 1)
        self.assertFalse(by_family["todo add"]["turns"][-1]["todos"][0]["done"])

    def tasks_of(self, family: str) -> list[dict[str, Any]]:
        draw = Draw(5, "test")
        drawn = (tasks.draw_real(draw, family) for _ in range(30))
        made = [tasks.to_task(one, family) for one in drawn if one is not None]
        return [task for task in made if "could not" not in str(task)]

    def check_files(self, files: dict[str, str | None]) -> None:
        for path, content in files.items():
            self.assertFalse(path.startswith("/") or ".." in path.split("/"), path)
            self.assertIsInstance(content, (str, type(None)))

    def test_a_repository_is_given_as_its_last_commit_and_what_came_after(self) -> None:
        tree = {"new.txt": "1", "other.txt": "2", "same.txt": "3"}
        committed = {"new.txt": None, "other.txt": "0", "gone.txt": "4", "same.txt": "3"}
        files, changes = tasks.split_by_commit(tree, committed)
        self.assertEqual(files, {"other.txt": "0", "same.txt": "3", "gone.txt": "4"})
        self.assertEqual(changes, {"new.txt": "1", "other.txt": "2", "gone.txt": None})


if __name__ == "__main__":
    unittest.main()
