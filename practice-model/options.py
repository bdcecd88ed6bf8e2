"""The options of `train.py`: their types, the schedules of a run, and what a resumed run changes. Needs no torch."""

from __future__ import annotations

import argparse
import json
import math
import os
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Sequence, TypeVar

HERE = Path(__file__).parent
#: The checkpoint that `--resume` goes on from.
LAST = "last.pt"
#: Hardly one conversation of a hundred is shorter.
LEAST_ROW_TOKENS = 64
#: The longest rows by the share of the time: short ones first, from which copying is learnt sooner and in less time.
LONGEST_ROWS = ["0:320", "0.08:640", "0.2:900", "0.75:3200"]
#: Options that a resumed run normally has in common with the stopped one. The shape is in the checkpoint's `cfg`.
COMPARED = (
    *("seed", "minutes", "rate", "muon_rate", "weight_decay", "first_batch_tokens", "batch_tokens"),
    *("warm_up_seconds", "hardest", "longest_rows"),
)
#: What sets the entries of a model's `cfg`.
SHAPE = {
    "v": "a vocabulary (--tokenizer) of",
    "d": "--width",
    "l": "--layers",
    "h": "--heads",
    "ff": "--feed-forward",
    "theta": "--theta",
}

T = TypeVar("T")
#: From which share of the time on (from 0 to below 1) which value holds, sorted by time; the first starts at 0.
Schedule = list[tuple[float, T]]


def parse_options(description: str | None = None, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Ends the program with a message for options that cannot be right."""
    parser = create_parser(description)
    options = parser.parse_args(arguments)
    try:
        options.hardest = sort_schedule("--hardest", options.hardest)
        options.longest_rows = sort_schedule("--longest-rows", options.longest_rows)
        check_heads(options.width, options.heads)
        check_folder(options.out, options.resume)
    except ValueError as error:
        parser.error(str(error))
    return options


def create_parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="FOLDER", help="of shards, used one after the other")
    add("--tokenizer", type=Path, default=HERE / "tokenizer.json", metavar="FILE")
    add("--out", type=Path, default=Path("run"), metavar="FOLDER")
    add("--resume", action="store_true", help="go on from the last checkpoint in --out")
    add("--init", metavar="FILE", help="start from the weights of this checkpoint")
    add("--minutes", type=positive, default=70.0)
    add("--checkpoint-minutes", type=positive, default=5.0)
    add("--seed", type=whole(0), default=0)
    add("--threads", type=whole(1), default=count_cores())
    add("--device", help="such as cpu or cuda:1 (default cuda where there is one)")
    add_shape(parser.add_argument_group("shape of the model"))
    add_training(parser.add_argument_group("training"))
    return parser


def add_shape(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--width", type=whole(1), default=256, help="a multiple of twice the heads")
    group.add_argument("--layers", type=whole(1), default=4)
    group.add_argument("--heads", type=whole(1), default=8)
    group.add_argument("--feed-forward", type=whole(1), default=640)
    group.add_argument("--theta", type=positive, default=10000.0)


def add_training(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--rate", type=positive, default=3e-3, help="of AdamW")
    group.add_argument("--muon-rate", type=positive, default=0.02)
    group.add_argument("--weight-decay", type=float, default=0.05)
    group.add_argument("--first-batch-tokens", type=whole(1), default=4096)
    group.add_argument("--batch-tokens", type=whole(1), default=8192, help="reached after 40 %% of the time")
    group.add_argument("--warm-up-seconds", type=positive, default=60.0)
    group.add_argument(
        "--hardest",
        nargs="+",
        type=parse_share,
        default=[(0.0, 1.0)],
        metavar="SHARE:SHARE",
        help="from this share of the time on, train on this share of the rows, drawn by their loss (default 0:1)",
    )
    group.add_argument(
        "--longest-rows",
        nargs="+",
        type=parse_longest_row,
        default=[parse_longest_row(one) for one in LONGEST_ROWS],
        metavar="SHARE:TOKENS",
        help=f"from this share of the time on, longer conversations are left out (default {' '.join(LONGEST_ROWS)})",
    )


def count_cores() -> int:
    """Those that this process may use or, where the system does not tell (only Linux does), all."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


# Types of options


def positive(value: str) -> float:
    """Raises `ArgumentTypeError` for anything but a finite number above 0."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{value} is not a number above 0")
    return number


def whole(least: int) -> Callable[[str], int]:
    """The type of whole numbers from `least` on; raises `ArgumentTypeError` for others."""

    def parse(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"{value} is not a whole number of at least {least}")
        return number

    return parse


def parse_longest_row(value: str) -> tuple[float, int]:
    """From which share of the time on, and how many tokens. Raises `ArgumentTypeError` for anything else."""
    since, tokens = _parse_entry(value, int, "0.2:900")
    if tokens < LEAST_ROW_TOKENS:
        raise argparse.ArgumentTypeError(f"{value}: rows have to be given {LEAST_ROW_TOKENS} tokens or more")
    return since, tokens


def parse_share(value: str) -> tuple[float, float]:
    """From which share of the time on, and which share of the rows. Raises `ArgumentTypeError` for anything else."""
    since, share = _parse_entry(value, float, "0.5:0.25")
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{value}: the share of the rows has to be above 0 and at most 1")
    return since, share


def _parse_entry(value: str, parse: Callable[[str], T], example: str) -> tuple[float, T]:
    since, _colon, rest = value.partition(":")
    try:
        entry = float(since), parse(rest)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value} does not have the form of {example}") from None
    if not 0 <= entry[0] < 1:
        raise argparse.ArgumentTypeError(f"{value}: the share of the time has to be from 0 to below 1, as in {example}")
    return entry


def check_heads(width: int, heads: int) -> None:
    """Raises `ValueError` for heads that RoPE cannot turn: it needs two halves of each."""
    if width % (2 * heads):
        raise ValueError(f"--width {width} has to be a multiple of {2 * heads}, which is twice --heads")


def check_folder(out: Path, resume: bool) -> None:
    """Raises `ValueError` when a new run would overwrite a stopped one, or there is none to go on with."""
    exists = (out / LAST).exists()
    if exists and not resume:
        raise ValueError(f"--out {out} already holds {LAST}; use --resume, or another folder")
    if resume and not exists:
        raise ValueError(f"--resume: --out {out} holds no {LAST}; leave --resume out, or name the folder of the run")


# Schedules


def sort_schedule(flag: str, entries: Iterable[tuple[float, T]]) -> Schedule[T]:
    """By time. Raises `ValueError` when nothing is given for the start, or two values for one time."""
    schedule = sorted(entries, key=lambda entry: entry[0])
    since, value = schedule[0]
    if since > 0:
        start = f"0:{as_text(value)}"
        raise ValueError(f"{flag} {as_text(schedule)} has nothing for the start; add an entry for it, such as {start}")
    for (since, _value), (after, _other) in zip(schedule, schedule[1:]):
        if since == after:
            raise ValueError(f"{flag} {as_text(schedule)} has two entries for {since:g}; leave one out")
    return schedule


def value_at(schedule: Schedule[T], fraction: float) -> T:
    """What holds at this share of the time. The first value also where a clock was set back to before the start."""
    return next((value for since, value in reversed(schedule) if fraction >= since), schedule[0][1])


# What a resumed run finds


def as_text(value: Any) -> str:
    """A number or a schedule as it is typed."""
    if isinstance(value, list):
        return " ".join(f"{as_text(since)}:{as_text(one)}" for since, one in value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def describe(options: argparse.Namespace) -> dict[str, str]:
    """The options that matter for a resumed run, as they are typed."""
    return {f"--{name.replace('_', '-')}": as_text(getattr(options, name)) for name in COMPARED}


def list_changes(stored: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """A line for each option that has changed; what was not stored, as in older checkpoints, is passed over."""
    changed = [flag for flag in now if stored.get(flag, now[flag]) != now[flag]]
    return [f"{flag} is now {now[flag]} (was {stored[flag]})" for flag in changed]


def check_shape(stored: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises `ValueError` when a checkpoint's `cfg` is not that of the model."""
    changed = [key for key in SHAPE if stored.get(key, now[key]) != now[key]]
    if changed:
        wanted = ", ".join(f"{SHAPE[key]} {as_text(stored[key])} (not {as_text(now[key])})" for key in changed)
        raise ValueError(f"the checkpoint needs {wanted}; give the same to --resume, or start anew in another folder")


def keep_logged(lines: Iterable[str], steps: int) -> list[str]:
    """The lines of a log up to this step. What a stop has left half written is left out."""
    return [line for line in lines if 0 <= _step_of(line) <= steps]


def _step_of(line: str) -> int:
    """-1 for what is no entry."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return -1
