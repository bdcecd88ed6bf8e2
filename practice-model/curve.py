"""Draws the learning curve of a run: loss and accuracy of the assistant's tokens against the tokens seen.

    python3 curve.py run/log.jsonl curve.png
    python3 curve.py first/log.jsonl second/log.jsonl curve.png      the second started with the weights of the first
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

#: Entries of the log whose mean is drawn as the line.
SMOOTHED = 9
BLUE, GREY = "#2a6fb0", "#b8c4d0"
#: Ticks of the tokens that were guessed wrongly.
WRONG = [0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path, nargs="+", help="log.jsonl of train.py")
    parser.add_argument("out", type=Path, help="the picture to write")
    options = parser.parse_args()
    entries: list[dict[str, float]] = []
    for log in options.log:
        before = entries[-1]["tokens"] if entries else 0
        added = read_log(log)
        if not added:
            parser.error(f"{log} has no entries")
        entries += [{**entry, "tokens": before + entry["tokens"]} for entry in added]
    draw_curve(entries, options.out)
    last = entries[-1]
    print(f"{options.out}: {last['tokens'] / 1e6:.1f} million tokens, loss {last['loss']}, accuracy {last['accuracy']}")


def read_log(path: Path) -> list[dict[str, float]]:
    """The entries in order of tokens; of a part that was trained twice after a stop, the later ones."""
    entries: list[dict[str, float]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            entry = json.loads(line)
            while entries and entries[-1]["tokens"] >= entry["tokens"]:
                entries.pop()
            entries.append(entry)
    return entries


def smooth(values: list[float]) -> list[float]:
    """The mean of each value and its neighbours, of fewer at the ends."""
    half = SMOOTHED // 2
    windows = [values[max(0, index - half) : index + half + 1] for index in range(len(values))]
    return [sum(window) / len(window) for window in windows]


def draw_curve(entries: list[dict[str, float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")  # no screen
    from matplotlib import pyplot

    tokens = [entry["tokens"] / 1e6 for entry in entries]
    figure, (top, bottom) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 7), constrained_layout=True)
    draw_line(top, tokens, [max(entry["loss"], 1e-6) for entry in entries])
    top.set_ylabel("loss")
    top.set_title("Learning curve of the practice model")
    # Accuracy as what is missing to 1, so that the step from 99 to 99.9 % shows.
    wrong = [max(1 - entry["accuracy"], 1e-4) for entry in entries]
    draw_line(bottom, tokens, wrong)
    bottom.set_yticks([tick for tick in WRONG if min(wrong) <= tick * 2 and tick <= max(wrong) * 2])
    bottom.yaxis.set_major_formatter(lambda value, _position: f"{100 * (1 - value):g} %")
    bottom.minorticks_off()
    bottom.invert_yaxis()
    bottom.set_ylabel("tokens guessed right")
    bottom.set_xlabel("million tokens")
    bottom.xaxis.set_major_formatter(lambda value, _position: f"{value:g}")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def draw_line(axes: Any, tokens: list[float], values: list[float]) -> None:
    axes.plot(tokens, values, color=GREY, linewidth=0.8)
    axes.plot(tokens, smooth(values), color=BLUE, linewidth=1.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(True, which="major", linewidth=0.4)


if __name__ == "__main__":
    main()
