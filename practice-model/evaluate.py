"""Measures a model on tasks with unseen names; every call is executed.

    python3 evaluate.py --words WORDS --checkpoint run/final.pt          with torch
    python3 evaluate.py --words WORDS --chat http://127.0.0.1:8080       an OpenAI-compatible server, with real tools
    python3 evaluate.py --words WORDS --completion http://127.0.0.1:8080 llama-server on the rendered prompt

For each family: `name` the first tool is right; `args` its call is exactly right; `all` every call is; `task` the
workspace ends as it should and the answer names the facts; `ans` also the answer is word for word; `bad` a call was
malformed.
"""

from __future__ import annotations

import argparse
import time

from backends import Backend, chat_backend, checkpoint_backend, completion_backend
from dialogue import MIX, Generator, roll_out
from phrases import HeldOut
from trial import Trial
from words import Words, load_words

SCORES = ["name", "args", "all", "task", "ans", "bad"]


def main() -> None:
    options = parse_options()
    words = load_words(options.words)
    backend = choose_backend(options)
    families = options.families or list(MIX)
    held_out: HeldOut = options.held_out or True
    rounds: list[tuple[str, HeldOut, bool, int]] = [
        ("unseen names, trained wordings", False, False, options.count),
        ("unseen names, unseen wordings", held_out, False, options.count),
        ("second request in a chat, trained wordings", False, True, max(3, options.count // 3)),
    ]
    for title, wordings, second, count in rounds:
        started = time.time()
        trials = create_trials(words, options.seed, wordings, families, count, second)
        drive(trials, backend)
        report(trials, title, options.show)
        print(f"   ({time.time() - started:.0f}s)", flush=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", required=True, metavar="FILE", help="word list, one word a line")
    backend = parser.add_mutually_exclusive_group(required=True)
    backend.add_argument("--checkpoint", metavar="FILE")
    backend.add_argument("--chat", metavar="URL")
    backend.add_argument("--completion", metavar="URL")
    parser.add_argument("--tokenizer", default="tokenizer.json", metavar="FILE", help="with --checkpoint")
    parser.add_argument("--threads", type=int, default=2, help="with --checkpoint")
    parser.add_argument("--grammar", metavar="FILE", help="with --completion")
    parser.add_argument("--count", type=int, default=20, help="tasks per family (default %(default)s)")
    parser.add_argument("--families", nargs="+", choices=list(MIX), metavar="NAME")
    parser.add_argument("--held-out", choices=["even", "odd"], help="only one half of the unseen wordings")
    parser.add_argument("--seed", type=int, default=9001)
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N failed tasks")
    return parser.parse_args()


def choose_backend(options: argparse.Namespace) -> Backend:
    if options.chat:
        return chat_backend(options.chat)
    if options.completion:
        return completion_backend(options.completion, options.grammar)
    return checkpoint_backend(options.checkpoint, options.tokenizer, options.threads)


def create_trials(
    words: Words, seed: int, held_out: HeldOut, families: list[str], count: int, second: bool
) -> list[Trial]:
    """`second` puts another request of any family before the one that is judged."""
    generator = Generator(words, seed, "test", held_out)
    trials = []
    for family in families:
        for _ in range(count):
            episode = generator.episode(family)
            before = roll_out(generator.episode().task)[0] if second else []
            trials.append(Trial(episode, before))
    return trials


def drive(trials: list[Trial], backend: Backend) -> None:
    """Turn by turn until every trial has its answer."""
    while active := [trial for trial in trials if trial.answer is None]:
        for trial, reply in zip(active, backend(active)):
            trial.take(reply)


def report(trials: list[Trial], title: str, show: int) -> None:
    by_family: dict[str, list[dict[str, bool]]] = {}
    for trial in trials:
        by_family.setdefault(trial.episode.family, []).append(trial.score())
    print(f"== {title}: n={len(trials)}")
    for family, scores in by_family.items():
        print_line(family, {key: percent(scores, key) for key in SCORES})
    every = [score for scores in by_family.values() for score in scores]
    print_line("MEAN", {key: percent(every, key) for key in SCORES})
    weight = sum(MIX[family] for family in by_family)
    weighted = {
        key: sum(percent(scores, key) * MIX[family] for family, scores in by_family.items()) / weight
        for key in SCORES
    }
    print_line("weighted", weighted)
    for trial in [trial for trial in trials if not trial.score()["task"]][:show]:
        print(trial.describe())


def percent(scores: list[dict[str, bool]], key: str) -> float:
    return 100 * sum(score[key] for score in scores) / len(scores)


def print_line(label: str, values: dict[str, float]) -> None:
    print(f"  {label:9s}" + " ".join(f"{key} {value:5.1f}" for key, value in values.items()), flush=True)


if __name__ == "__main__":
    main()
