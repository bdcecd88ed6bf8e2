"""The wordings: that they can be read, are used, differ where the model has to act differently, and that what is held out stays out."""

from __future__ import annotations

import collections
import functools
import itertools
import re
import tempfile
import unittest
from pathlib import Path
from typing import Any, Iterator
from unittest import mock

from practice import compose, wordings
from practice.families import near_miss
from practice import families as _families  # noqa: F401  registers them
from practice.conversation import Mix, draw_conversation, say
from practice.draw import Draw
from practice.family import FAMILIES, FOLLOW_UPS
from practice.wordings import FOLDER, Wording, choose, fill, load_wordings
from practice.words import load_words

#: Of the forms that one line stands for, at most so many are looked at.
MOST_FORMS = 600
DRAWS_OF_A_FAMILY = 150
#: For slots that are filled in rare cases only.
MORE_DRAWS = 4000

#: Intents that are served the same way, so that they may share wordings.
ALIKE = (
    {"create.text", "create.long", "create.data"},
    {"near.missing", "near.verb", "near.vague", "near.single", "near.words", "git.no_message"},
    {"talk.hello", "talk.who", "talk.help"},
    {"time.now", "time.date"},
    {"extract", "extract.one"},
    {"ls.folder", "ls.dir"},
)  # fmt: skip
#: `limits.leave` and `limits.refuse` have answers of their own.
OWN_LIMITS = ("limits.leave", "limits.refuse")
#: What a slot is filled with, for the slots that cannot be told apart by what stands in them. A folder has no ending, and
#: `slashed` and `dir` end with a slash.
KINDS = {
    **dict.fromkeys(("path", "name", "path1", "path2", "target", "other"), "file"),
    **dict.fromkeys(("folder", "outer", "inner", "folder1", "folder2"), "folder"),
    **dict.fromkeys(("slashed", "dir"), "folder/"),
    **dict.fromkeys(("text", "old", "new", "one", "two", "three", "text1", "text2"), "quoted text"),
}
#: In these, `name` is a person.
WITH_PERSONS = ("limits", "near", "talk", "sentiment", "replace", "remove")
#: These are put into requests, and are none themselves.
NO_REQUESTS = ("join.", "extract.text", "extract.beside", "sentiment.")


def expand(pattern: str) -> Iterator[str]:
    """The forms of a line, without double spaces."""
    text = pattern.replace("\\(", "\x01").replace("\\)", "\x02").replace("\\|", "\x03")
    for form in itertools.islice(_expand(text), MOST_FORMS):
        yield re.sub(r" ([,.;?!])(?=\s|$)", r"\1", " ".join(form.split()))


def _expand(text: str) -> Iterator[str]:
    match = re.search(r"\(([^()]*)\)", text)
    if match is None:
        yield text
        return
    for choice in match[1].split("|"):
        yield from _expand(text[: match.start()] + choice + text[match.end() :])


def to_kinds(intent: str, form: str) -> str:
    """A form with the kinds of its slots instead of their names."""

    def replace(match: re.Match[str]) -> str:
        is_person = match[1] == "name" and intent.startswith(WITH_PERSONS)
        return "{person}" if is_person else "{" + KINDS.get(match[1], match[1]) + "}"

    return re.sub(r"\{(\w+)\}", replace, form)


def are_alike(intents: set[str]) -> bool:
    if all(intent.startswith("limits.") and intent not in OWN_LIMITS for intent in intents):
        return True
    return any(intents <= group for group in ALIKE)


@functools.cache
def record_choices() -> list[tuple[str, Wording, set[str]]]:
    """Intent, chosen wording and slots, each time that training draws a wording: of every family, and in conversations."""
    choices: list[tuple[str, Wording, set[str]]] = []

    def record(draw: Draw, intent: str, slots: dict[str, str], **options: Any) -> Wording:
        wording = choose(draw, intent, slots, **options)
        choices.append((intent, wording, set(slots)))
        return wording

    with mock.patch.object(wordings, "choose", record):
        draw = Draw(11)
        for entry in FAMILIES.values():
            for _ in range(DRAWS_OF_A_FAMILY):
                draw.taken.clear()
                say(draw, entry.make(draw))
        for follow_up in FOLLOW_UPS.values():
            for _ in range(DRAWS_OF_A_FAMILY):
                draw.taken.clear()
                say(draw, follow_up.make(draw, draw.path()))
        for _ in range(40):
            draw_conversation(draw, 2, mix=Mix(two=0.3, three=0.3, four=0.3))
    return choices


def is_filled_by_chance(intent: str, line: Wording) -> bool:
    """Whether a family ever makes a draft of this intent with all slots of this line."""
    draw = Draw(12)
    for entry in FAMILIES.values():
        draw.taken.clear()
        if intent not in {entry.make(draw).intent for _ in range(30)}:
            continue
        for _ in range(MORE_DRAWS):
            draw.taken.clear()
            draft = entry.make(draw)
            if draft.intent == intent and line.slots <= set(draft.slots):
                return True
    return False


class TestFiles(unittest.TestCase):
    def test_every_file_can_be_read(self) -> None:
        self.assertTrue(all(load_wordings().values()))
        self.assertTrue(list(FOLDER.glob("*.txt")))

    def test_what_cannot_be_read_is_named_with_its_place(self) -> None:
        for text, problem in [
            ("open {path}", r"x\.txt:1: .*before the first"),
            ("[a]\n(open {path}", r"x\.txt:2: brackets"),
            ("[a]\nwrite {raw} to {path}", r"x\.txt:2: \{raw\} has to end"),
        ]:
            with tempfile.TemporaryDirectory() as folder, mock.patch.object(wordings, "FOLDER", Path(folder)):
                (Path(folder) / "x.txt").write_text(text, encoding="utf-8")
                self.assertRaisesRegex(ValueError, problem, load_wordings.__wrapped__)

    def test_choices_and_signs_are_expanded(self) -> None:
        draw = Draw(1)
        wording = Wording(r"(say|write) {text} \(now\) ,please (|)", False, True)
        said = {"".join(text for text, _given in fill(draw, wording, {"text": '"( a  | b )"'})) for _ in range(30)}
        self.assertEqual(said, {f'{verb} "( a  | b )" (now), please'.replace(", p", " ,p") for verb in ("say", "write")})


class TestSections(unittest.TestCase):
    def test_every_section_is_used_by_a_family(self) -> None:
        used = {intent for intent, _wording, _slots in record_choices()}
        self.assertEqual(set(load_wordings()) - used, set())

    def test_words_that_mean_something_are_known_wherever_they_stand_first(self) -> None:
        lines = {"find": [Wording("((please|) look|search) for {word}", False, True)], "talk.ok": [Wording("(very |)good", False, False)]}
        lines["near.words"] = [Wording("boil {path}", False, False)]
        with mock.patch.object(wordings, "load_wordings", lambda: lines):
            self.assertEqual(wordings.words_in_use.__wrapped__("near."), {"please", "look", "search", "very", "good"})

    def test_no_near_miss_begins_with_a_word_that_means_something(self) -> None:
        draw = Draw(7)
        words = {near_miss._plain_word(draw) for _ in range(3000)}
        self.assertEqual(words & {"great", "later", "cat", "drop", "stage", "spell", "good"}, set())

    def test_every_intent_has_wordings_for_training_and_for_tests(self) -> None:
        for intent, lines in load_wordings().items():
            self.assertEqual({line.is_held_out for line in lines}, {True, False}, intent)

    def test_every_line_has_slots_that_a_family_fills(self) -> None:
        filled: dict[str, set[frozenset[str]]] = collections.defaultdict(set)
        for intent, _wording, slots in record_choices():
            filled[intent].add(frozenset(slots))
        for intent, lines in load_wordings().items():
            for line in lines:
                if not any(line.slots <= slots for slots in filled[intent]):
                    self.assertTrue(is_filled_by_chance(intent, line), f"{intent}: {line.pattern}")

    def test_no_wording_stands_for_two_things(self) -> None:
        intents: dict[str, dict[str, str]] = collections.defaultdict(dict)
        for intent, lines in load_wordings().items():
            if intent.startswith(NO_REQUESTS):
                continue
            for line in lines:
                for form in expand(line.pattern):
                    intents[to_kinds(intent, form).lower()].setdefault(intent, line.pattern)
        clashes = [f"{form}: {found}" for form, found in intents.items() if len(found) > 1 and not are_alike(set(found))]
        self.assertEqual(clashes, [], "\n".join(clashes))


class TestHeldOut(unittest.TestCase):
    def test_lines_that_are_held_out_are_never_drawn_in_training(self) -> None:
        self.assertEqual([(intent, line.pattern) for intent, line, _slots in record_choices() if line.is_held_out], [])

    def test_lines_that_are_held_out_are_drawn_where_they_are_wanted(self) -> None:
        draw = Draw(2, "test", "held-out")
        for intent in ("read", "delete", "talk.hello"):
            for _ in range(20):
                self.assertTrue(choose(draw, intent, {"path": "a.txt"}).is_held_out)

    def test_orders_of_families_that_are_held_out_are_never_joined_in_training(self) -> None:
        joined: list[list[str]] = []
        join = compose.join

        def record(draw: Draw, named: list[tuple[str, Any]]) -> Any:
            joined.append([name for name, _draft in named])
            return join(draw, named)

        with mock.patch.object(compose, "join", record):
            draw = Draw(3)
            for number in range(300):
                draw.taken.clear()
                compose.joined(draw, 2 + number % 3)
            self.assertEqual([names for names in joined if compose.is_held_out(names)], [])
            joined.clear()
            for _ in range(30):
                draw.taken.clear()
                compose.joined(draw, 2, composition="held-out")
                self.assertTrue(compose.is_held_out(joined[-1]), joined[-1])

    def test_words_that_are_held_out_are_never_drawn_in_training(self) -> None:
        lists = load_words()
        with mock.patch.object(Draw, "invented_word", return_value="invented"), mock.patch.object(Draw, "letters", return_value="xyz"):
            draw = Draw(4)
            drawn = {draw.word() for _ in range(3000)} | {draw.person() for _ in range(300)}
            parts = {part.lower() for _ in range(2000) for part in re.findall(r"[^\W\d_]+", draw.stem())}
        for name in ("common", "names", "foreign", "sentences", "topics"):
            trained, kept = set(getattr(lists["train"], name)), set(getattr(lists["test"], name))
            self.assertTrue(trained and kept, name)
            self.assertEqual(trained & kept, set(), name)
            self.assertEqual(drawn & kept, set(), name)
        self.assertEqual(parts & set(lists["test"].common) - set(lists["train"].everyday), set())


if __name__ == "__main__":
    unittest.main()
