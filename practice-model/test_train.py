"""Options, schedules and batches of a training run, and what a stopped run leaves. Parts that need numpy or torch are
left out where there is none: `python3 -m unittest`.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import data
import show
from options import (
    LAST,
    as_text,
    check_shape,
    count_cores,
    describe,
    keep_logged,
    list_changes,
    parse_longest_row,
    parse_options,
    parse_share,
    positive,
    sort_schedule,
    value_at,
    whole,
)
from practice.conversation import Turn
from practice.family import FAMILIES, FOLLOW_UPS, Answer, Draft
from practice.wordings import Pieces

HAS_NUMPY = importlib.util.find_spec("numpy") is not None
HAS_TORCH = HAS_NUMPY and importlib.util.find_spec("torch") is not None
#: A model that a test trains in no time.
TINY = ["--width", "16", "--heads", "2", "--layers", "1", "--feed-forward", "16", "--threads", "1", "--device", "cpu"]


class TestWithFolder(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def options(self, *more: str) -> argparse.Namespace:
        return parse_options(None, ["--data", str(self.folder), "--out", str(self.folder), *more])

    def complaint(self, *more: str) -> str:
        return complaint_of(lambda: self.options(*more))


def complaint_of(parse: Any) -> str:
    """What a program says before it ends for wrong options."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            parse()
        except SystemExit as end:
            return said.getvalue().splitlines()[-1] if end.code == 2 else ""
    return ""


class TestTypes(unittest.TestCase):
    def test_numbers_are_above_0_and_finite(self) -> None:
        self.assertEqual(positive("0.5"), 0.5)
        for value in ("0", "-1", "nan", "inf", "-inf", "x", ""):
            with self.assertRaises(argparse.ArgumentTypeError, msg=value):
                positive(value)

    def test_whole_numbers_have_a_least(self) -> None:
        self.assertEqual(whole(1)("1"), 1)
        self.assertEqual(whole(0)("0"), 0)
        for value in ("0", "-1", "1.5", "nan", ""):
            with self.assertRaises(argparse.ArgumentTypeError, msg=value):
                whole(1)(value)

    def test_a_share_of_rows_is_above_0_and_at_most_1(self) -> None:
        self.assertEqual(parse_share("0.5:0.25"), (0.5, 0.25))
        for value in ("0:0", "0:1.5", "0:nan", "nan:1", "-0.1:1", "1:0.5", "0.5", "0.5:", ":1", "0:1:2", "a:b"):
            with self.assertRaises(argparse.ArgumentTypeError, msg=value):
                parse_share(value)

    def test_rows_have_64_tokens_or_more(self) -> None:
        self.assertEqual(parse_longest_row("0.2:64"), (0.2, 64))
        for value in ("0:63", "0:0", "0:-900", "0:nan", "0:100.5", "nan:900", "2:900", "900"):
            with self.assertRaises(argparse.ArgumentTypeError, msg=value):
                parse_longest_row(value)

    def test_cores_are_counted_where_the_system_does_not_tell_which_may_be_used(self) -> None:
        self.assertGreaterEqual(count_cores(), 1)
        with mock.patch.object(os, "sched_getaffinity", None, create=True):
            with mock.patch.object(os, "cpu_count", return_value=6):
                self.assertEqual(count_cores(), 6)
            with mock.patch.object(os, "cpu_count", return_value=None):
                self.assertEqual(count_cores(), 1)


class TestSchedules(unittest.TestCase):
    def test_entries_are_sorted_by_time(self) -> None:
        schedule = sort_schedule("--hardest", [(0.5, 0.25), (0.0, 1.0)])
        self.assertEqual(schedule, [(0.0, 1.0), (0.5, 0.25)])
        values = [value_at(schedule, fraction) for fraction in (0, 0.49, 0.5, 0.99, 1.2)]
        self.assertEqual(values, [1, 1, 0.25, 0.25, 0.25])

    def test_a_clock_that_was_set_back_finds_the_first_value(self) -> None:
        self.assertEqual(value_at([(0.0, 320), (0.5, 640)], -0.01), 320)

    def test_the_start_has_to_be_given(self) -> None:
        with self.assertRaisesRegex(ValueError, r"--hardest 0\.5:0\.25 has nothing for the start; .* such as 0:0\.25"):
            sort_schedule("--hardest", [(0.5, 0.25)])

    def test_a_time_has_one_value(self) -> None:
        with self.assertRaisesRegex(ValueError, "two entries for 0.5"):
            sort_schedule("--hardest", [(0.0, 1.0), (0.5, 0.25), (0.5, 0.5)])

    def test_they_are_written_as_they_are_typed(self) -> None:
        self.assertEqual(as_text([(0.0, 1.0), (0.08, 640)]), "0:1 0.08:640")
        self.assertEqual([as_text(one) for one in (165.0, 0.0012, 8192)], ["165", "0.0012", "8192"])


class TestOptions(TestWithFolder):
    def test_the_defaults_are_in_order(self) -> None:
        options = self.options()
        self.assertEqual(options.hardest, [(0.0, 1.0)])
        self.assertEqual(options.longest_rows, [(0.0, 320), (0.08, 640), (0.2, 900), (0.75, 3200)])

    def test_what_cannot_be_is_refused_with_its_flag_and_its_value(self) -> None:
        flags = ("minutes", "warm-up-seconds", "checkpoint-minutes", "threads", "batch-tokens", "first-batch-tokens")
        for flag in (*flags, "rate", "muon-rate", "width", "layers", "heads", "feed-forward", "theta"):
            for value in ("0", "nan"):
                self.assertRegex(self.complaint(f"--{flag}", value), rf"--{flag}: {value} is not a")
        self.assertIn("--hardest: 0:nan: the share", self.complaint("--hardest", "0:nan"))
        self.assertIn("--hardest 0.5:0.25 has nothing", self.complaint("--hardest", "0.5:0.25"))
        self.assertIn("--longest-rows 0.3:640 has nothing", self.complaint("--longest-rows", "0.3:640"))
        self.assertIn("--longest-rows: 0:10: rows", self.complaint("--longest-rows", "0:10"))

    def test_heads_have_two_halves(self) -> None:
        self.assertEqual(self.complaint("--width", "96", "--heads", "6"), "")
        self.assertIn("--width 100 has to be a multiple of 16", self.complaint("--width", "100"))
        self.assertIn("--width 24 has to be a multiple of 16", self.complaint("--width", "24", "--heads", "8"))

    def test_a_stopped_run_is_gone_on_with_or_let_be(self) -> None:
        self.assertIn("leave --resume out", self.complaint("--resume"))
        (self.folder / LAST).touch()
        self.assertIn("use --resume, or another folder", self.complaint())
        self.assertEqual(self.complaint("--resume"), "")


class TestResume(TestWithFolder):
    def test_options_that_changed_are_told(self) -> None:
        stored = describe(self.options("--minutes", "165", "--hardest", "0:1"))
        now = describe(self.options("--minutes", "121", "--hardest", "0.5:0.25", "0:1"))
        told = ["--minutes is now 121 (was 165)", "--hardest is now 0:1 0.5:0.25 (was 0:1)"]
        self.assertEqual(list_changes(stored, now), told)
        self.assertEqual(list_changes(now, now), [])
        self.assertEqual(list_changes({}, now), [])

    def test_another_shape_is_refused(self) -> None:
        now = {"v": 2048, "d": 256, "l": 4, "h": 8, "kv": 8, "ff": 640, "theta": 10000.0, "bf16": 1}
        check_shape(now, now)
        check_shape({}, now)
        with self.assertRaisesRegex(ValueError, r"--width 128 \(not 256\), --theta 5000 \(not 10000\)"):
            check_shape({**now, "d": 128, "theta": 5000.0}, now)

    def test_a_half_written_line_of_the_log_is_left_out(self) -> None:
        lines = [json.dumps({"seconds": step, "step": step}) for step in (1, 2, 3)]
        self.assertEqual(keep_logged([*lines, '{"seconds": 9, "st'], 2), lines[:2])
        self.assertEqual(keep_logged(["", "7", "null", "[]", '{"step": null}', lines[0]], 2), lines[:1])


class TestData(unittest.TestCase):
    def test_seeds_share_no_shard(self) -> None:
        self.assertLess(data.seed_of(3, data.MAX_SHARDS - 1), data.seed_of(4, 0))
        options = data.parse_options(["--out", "x", "--first", "990", "--shards", "10"])
        self.assertEqual((options.first, options.shards), (990, 10))
        said = complaint_of(lambda: data.parse_options(["--out", "x", "--first", "990", "--shards", "11"]))
        self.assertIn("--first 990 --shards 11: the last would have number 1000", said)

    def test_what_cannot_be_is_refused(self) -> None:
        for flag, value in (("--tokens", "0"), ("--shards", "0"), ("--first", "-1"), ("--seed", "-1")):
            said = complaint_of(lambda: data.parse_options(["--out", "x", flag, value]))
            self.assertIn(f"{flag}: {value} is not a whole number", said)


class TestShow(unittest.TestCase):
    def problems(self, request: str, slots: dict[str, str], pieces: Pieces | None = None) -> list[str]:
        draft = Draft("", slots, mock.Mock(), request=pieces)
        return show.find_problems(mock.Mock(turns=[Turn("make", request, [], Answer("Done."), draft)]))

    def test_a_slot_that_was_not_filled_is_found(self) -> None:
        found = ["make: a slot was not filled: {path}"]
        self.assertEqual(self.problems("read {path}", {"text": "path"}), found)
        self.assertEqual(self.problems("read {path}", {}, [("read ", False), ("{path}", False)]), found)

    def test_brackets_that_the_task_gave_are_none(self) -> None:
        self.assertEqual(self.problems("write a {slot} b", {"text": "a {slot} b"}), [])
        self.assertEqual(self.problems("write {slot}", {}, [("write ", False), ("{slot}", True)]), [])
        self.assertEqual(self.problems('write {"a": 1} {}', {}), [])

    def test_only_families_that_there_are_can_be_asked_for(self) -> None:
        family, follow_up = next(iter(FAMILIES)), next(iter(FOLLOW_UPS))
        for name in (family, follow_up):
            self.assertEqual(complaint_of(lambda: self.run_show("0", "--family", name)), "")
        self.assertIn("--family: invalid choice", complaint_of(lambda: self.run_show("0", "--family", "nothing")))

    def run_show(self, *arguments: str) -> None:
        with mock.patch("sys.argv", ["show.py", *arguments]), contextlib.redirect_stdout(io.StringIO()):
            show.main()


def make_shard(lengths: list[int], learnt: list[bool] | None = None) -> Any:
    """Rows of these lengths whose last half is learnt; each token is the number of its row."""
    import numpy as np

    ids = np.concatenate([np.full(length, row + 1, np.uint16) for row, length in enumerate(lengths)])
    is_learnt = learnt or [True] * len(lengths)
    halves = [[0] * (length - length // 2) + [int(one)] * (length // 2) for length, one in zip(lengths, is_learnt)]
    return ids, np.concatenate(halves).astype(np.uint8), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def write_shards(folder: Path, lengths: list[int], count: int = 2) -> None:
    import numpy as np

    ids, mask, offsets = make_shard(lengths)
    for number in range(count):
        np.savez(folder / f"shard_{number:03d}.npz", ids=ids, mask=mask, off=offsets)


@unittest.skipUnless(HAS_NUMPY, "needs numpy")
class TestBatches(TestWithFolder):
    def batches(self, shard: Any, max_tokens: int, batch_tokens: int) -> list[Any]:
        import numpy as np

        from batches import iterate_batches

        return list(iterate_batches(shard, np.random.default_rng(0), max_tokens, batch_tokens))

    def test_rows_that_are_short_enough_are_in_one_batch_each(self) -> None:
        lengths = [10, 70, 30, 200, 64, 65, 12]
        batches = self.batches(make_shard(lengths), 100, 140)
        self.assertEqual(sorted(int(one) for batch in batches for one in batch.ids[:, 0]), [1, 2, 3, 5, 6, 7])
        self.assertEqual(sum(batch.tokens for batch in batches), sum(lengths) - 200)
        for batch in batches:
            self.assertEqual(batch.ids.shape, batch.mask.shape)
            self.assertEqual((batch.ids.shape[1] - 1) % 64, 0)
            self.assertTrue(len(batch.ids) == 1 or len(batch.ids) * max(batch.lengths) <= 140)
            self.assertEqual([int(one) for one in (batch.ids > 0).sum(1)], [int(one) for one in batch.lengths])

    def test_rows_of_which_nothing_is_learnt_are_left_out(self) -> None:
        batches = self.batches(make_shard([20, 20, 20], [True, False, True]), 100, 1000)
        self.assertEqual(sorted(int(one) for batch in batches for one in batch.ids[:, 0]), [1, 3])

    def test_some_rows_know_how_many_tokens_they_have(self) -> None:
        import numpy as np

        (batch,) = self.batches(make_shard([20, 30, 40]), 100, 1000)
        taken = batch.take(np.array([2, 0]))
        self.assertEqual((taken.ids.shape, taken.tokens), ((2, 65), int(batch.lengths[2] + batch.lengths[0])))

    def test_shards_without_a_batch_end_the_round(self) -> None:
        from batches import iterate_pools

        write_shards(self.folder, [100, 200])
        with self.assertRaisesRegex(ValueError, "no shard in .* --longest-rows"):
            next(iterate_pools(self.folder, 5, lambda shard: self.batches(shard, 64, 1000)))
        pools = iterate_pools(self.folder, 5, lambda shard: self.batches(shard, 100, 1000))
        self.assertEqual([next(pools)[0] for _ in range(5)], [5, 6, 7, 8, 9])


@unittest.skipUnless(HAS_TORCH, "needs torch")
class TestTrainer(TestWithFolder):
    def trainer(self, *more: str) -> Any:
        import torch

        import train

        torch.set_num_threads(1)
        torch.manual_seed(0)
        with contextlib.redirect_stdout(io.StringIO()):
            options = self.options(*TINY, *more)
            return train.Trainer(options, train.create_model(options))

    def setUp(self) -> None:
        super().setUp()
        write_shards(self.folder, [20, 30, 25, 40] * 4)

    def train_once(self, trainer: Any) -> tuple[Any, float]:
        pool, share = next(iter(trainer.pools()))
        trainer.train_on(pool, share)
        return pool, share

    def test_the_share_of_a_shard_is_asked_for_once(self) -> None:
        trainer = self.trainer("--hardest", "0:1", "0.5:0.25", "--first-batch-tokens", "80", "--batch-tokens", "80")
        shares = []
        for number, (_pool, share) in zip(range(12), trainer.pools()):
            shares.append((trainer.shard, share))
            if number == 1:
                trainer.started -= trainer.options.minutes * 60 * 0.6
        self.assertEqual(len({share for shard, share in shares if shard == 0}), 1)
        self.assertEqual({share for shard, share in shares if shard == 1}, {0.25})

    def test_all_that_is_looked_at_counts(self) -> None:
        trainer = self.trainer("--hardest", "0:0.5")
        with mock.patch.object(trainer, "step", wraps=trainer.step) as step:
            pool, share = self.train_once(trainer)
        self.assertEqual(share, 0.5)
        self.assertEqual(len(step.call_args.args[0].ids), len(pool.ids) // 2)
        self.assertEqual(trainer.tokens, pool.tokens)
        self.assertEqual([seen.tokens for seen in trainer.recent], [pool.tokens])

    def test_a_loss_that_is_no_number_ends_the_run(self) -> None:
        import torch

        for hardest in ("0:1", "0:0.5"):
            trainer = self.trainer("--hardest", hardest)
            self.train_once(trainer)
            with torch.no_grad():
                trainer.model.nf.fill_(float("nan"))
            with self.assertRaisesRegex(FloatingPointError, "step 2: the loss is nan"):
                self.train_once(trainer)

    def test_a_resumed_run_has_its_own_rates_and_what_the_stopped_one_learnt(self) -> None:
        first = self.trainer("--rate", "0.001", "--muon-rate", "0.01")
        self.train_once(first)
        first.save(LAST)
        (self.folder / "log.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"st', encoding="utf-8")
        second = self.trainer("--rate", "0.002", "--muon-rate", "0.01", "--weight-decay", "0.1", "--resume")
        said = self.resume(second)
        self.assertIn("--rate is now 0.002 (was 0.001)\n--weight-decay is now 0.1 (was 0.05)\ngoes on at step 1", said)
        bases = [group["base"] for optimizer in second.optimizers for group in optimizer.param_groups]
        self.assertEqual(bases, [0.01, 0.002])
        self.assertEqual(second.optimizers[0].param_groups[0]["weight_decay"], 0.1)
        self.assertEqual(second.tokens, first.tokens)
        for before, after in zip(first.optimizers, second.optimizers):
            self.assertTrue(after.state_dict()["state"])
            self.assert_same(before.state_dict()["state"], after.state_dict()["state"])
        self.assert_same(first.model.state_dict(), second.model.state_dict())
        self.assertEqual((self.folder / "log.jsonl").read_text(encoding="utf-8"), '{"step": 1}\n')
        self.train_once(second)

    def test_an_older_checkpoint_without_options_is_gone_on_with(self) -> None:
        import torch

        first = self.trainer()
        self.train_once(first)
        first.save(LAST)
        stored = torch.load(self.folder / LAST, weights_only=True)
        del stored["options"]
        torch.save(stored, self.folder / LAST)
        said = self.resume(self.trainer("--resume", "--minutes", "121"))
        self.assertRegex(said, r"\Agoes on at step 1, ")

    def test_a_resumed_run_has_the_shape_of_the_stopped_one(self) -> None:
        self.trainer().save(LAST)
        with self.assertRaisesRegex(ValueError, r"--feed-forward 16 \(not 32\), --theta 10000 \(not 500\)"):
            self.resume(self.trainer("--resume", "--feed-forward", "32", "--theta", "500"))

    def resume(self, trainer: Any) -> str:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            trainer.resume()
        return said.getvalue()

    def assert_same(self, one: Any, other: Any) -> None:
        """Of tensors in dictionaries."""
        if isinstance(one, dict):
            self.assertEqual(list(one), list(other))
            for key in one:
                self.assert_same(one[key], other[key])
        else:
            self.assertTrue(bool((one == other).all()) if hasattr(one, "all") else one == other)


if __name__ == "__main__":
    unittest.main()
