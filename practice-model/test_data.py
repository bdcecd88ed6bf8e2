"""Needs no torch: `python3 -m unittest` in this folder."""

from __future__ import annotations

import hashlib
import itertools
import json
import string
import unittest

from data import count_contradictions
from dialogue import FAMILIES, MIX, Generator, render, roll_out
from trial import MAX_STEPS, Trial, parse_reply
from words import split_words
from workspace import TOOLS, SimulatedWorkspace

#: Made up, so that the test needs no word list.
WORDS = split_words(["".join(letters) for letters in itertools.product("bdklmn", "aeiou", "prst", "aeio", "nx")])


class TestGenerator(unittest.TestCase):
    def test_the_same_seed_gives_the_same_conversations(self) -> None:
        first, second = (Generator(WORDS, 7) for _ in range(2))
        self.assertEqual([first.conversation() for _ in range(50)], [second.conversation() for _ in range(50)])
        self.assertNotEqual(Generator(WORDS, 8).conversation(), Generator(WORDS, 7).conversation())

    def test_the_conversations_of_a_seed_never_change(self) -> None:
        digest = hashlib.sha256()
        for split in ("train", "test"):
            generator = Generator(WORDS, 1, split)
            for _ in range(300):
                digest.update(render(generator.conversation()).encode())
        self.assertEqual(digest.hexdigest()[:16], "4749ed99cc6c9738")

    def test_every_family_makes_tasks_with_known_tools(self) -> None:
        self.assertEqual(set(FAMILIES), set(MIX))
        generator = Generator(WORDS, 2, "test")
        for family in FAMILIES:
            for _ in range(30):
                task = generator.episode(family).task
                for name, arguments in task.steps:
                    self.assertEqual(sorted(arguments), sorted(TOOLS[name]))

    def test_right_answers_name_their_facts(self) -> None:
        contradictions = count_contradictions(Generator(WORDS, 3), 2000)
        self.assertLess(sum(contradictions.values()), 20, contradictions)

    def test_held_out_words_never_occur_in_training(self) -> None:
        self.assertFalse(set(WORDS["train"]) & set(WORDS["test"]))
        self.assertRaises(ValueError, split_words, ["Upper", "with space", "ok", "caf\u00e9"])


class TestWorkspace(unittest.TestCase):
    def test_results_follow_from_the_files(self) -> None:
        workspace = SimulatedWorkspace({"a.txt": "one\ntwo", "docs/b.md": "two"})
        self.assertEqual(workspace.run("ls", {"path": "."})["output"], "a.txt\ndocs/")
        hits = workspace.run("grep", {"pattern": "two", "path": "."})["output"]
        self.assertEqual(hits, "a.txt:2:two\ndocs/b.md:1:two")
        self.assertEqual(workspace.run("glob", {"pattern": "**/*.md"})["output"], "docs/b.md")
        self.assertTrue(workspace.run("edit", {"path": "a.txt", "old": "one", "new": "1"})["ok"])
        self.assertEqual(workspace.run("read", {"path": "a.txt"})["output"], "1\ntwo")
        self.assertEqual(workspace.run("shell", {"command": "wc -l a.txt"})["output"], "2 a.txt")

    def test_whatever_a_model_sends_is_a_result(self) -> None:
        workspace = SimulatedWorkspace()
        for name, arguments in [("nothing", {}), ("read", {}), ("read", {"path": 7}), ("edit", {"path": "x"})]:
            self.assertFalse(workspace.run(name, arguments)["ok"])


class TestTrial(unittest.TestCase):
    def test_the_right_calls_score_in_full_and_wrong_ones_do_not(self) -> None:
        generator = Generator(WORDS, 4, "test")
        for family in FAMILIES:
            episode = generator.episode(family)
            trial = Trial(episode, [])
            for role, text in roll_out(episode.task)[0]:
                if role == "assistant":
                    trial.take(parse_reply(text))
            score = trial.score()
            self.assertTrue(score["name"] and score["args"] and score["all"] and score["ans"], (family, score))
        silent = Trial(generator.episode("create"), [])
        silent.take(parse_reply("I created it."))
        self.assertFalse(silent.score()["task"])

    def test_broken_calls_are_told_from_text(self) -> None:
        self.assertIsNone(parse_reply("hello").call)
        call = '{"name":"ls","arguments":{"path":"."}}'
        self.assertEqual(parse_reply(f"<tool_call>{call}</tool_call>").call, ("ls", {"path": "."}))
        unknown = ['{"name":"fly","arguments":{}}', '{"name":[],"arguments":{}}']
        for body in ["", "{", "[]", '"ls"', '{"name":"ls"}', *unknown]:
            self.assertTrue(parse_reply(f"<tool_call>{body}</tool_call>").bad, body)

    def test_a_model_that_never_stops_is_stopped(self) -> None:
        trial = Trial(Generator(WORDS, 5).episode("time"), [])
        call = "<tool_call>" + json.dumps({"name": "get_time", "arguments": {}}) + "</tool_call>"
        for _ in range(MAX_STEPS):
            self.assertIsNone(trial.answer)
            trial.take(parse_reply(call))
        self.assertEqual(trial.answer, "<too many steps>")
        self.assertFalse(any(character not in string.printable for character in trial.describe()))


if __name__ == "__main__":
    unittest.main()
