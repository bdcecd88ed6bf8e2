"""The atoms of a request: names, paths, texts, quotes and politeness, all drawn from one seeded random source.

The order in which random numbers are drawn is part of the format: the same seed must give the same dialogues for ever.
"""

from __future__ import annotations

import random
import string
from typing import Any, Literal

from words import Words
from workspace import SimulatedWorkspace

Split = Literal["train", "test"]

#: Wordings behind `||` are kept out of training. `True` uses all of them, `"even"` and `"odd"` one half each.
HeldOut = bool | Literal["even", "odd"]

_COMMON_EXTENSIONS = ["txt"] * 6 + ["md"] * 4 + ["py", "js", "ts", "json", "csv", "log", "html"]
EXTENSIONS: dict[Split, list[str]] = {
    "train": [*_COMMON_EXTENSIONS, "css", "yaml", "sh", "cfg", "xml"],
    "test": [*_COMMON_EXTENSIONS, "toml", "rst", "ini"],
}


class Phrases:
    """Draws words, names and texts of one split."""

    def __init__(self, words: Words, seed: int, split: Split = "train", held_out: HeldOut | None = None) -> None:
        self.random = random.Random(seed)
        self.split = split
        self.words = words[split]
        self.held_out: HeldOut = (split == "test") if held_out is None else held_out

    def pick(self, spec: str) -> str:
        """One of `a|b||x|y`: a and b occur in training, x and y only among held-out wordings."""
        trained, _, unseen = spec.partition("||")
        if unseen and self.held_out and self.random.random() < 0.5:
            choices = self._unseen_half(unseen.split("|"))
            if choices:
                return self.random.choice(choices)
        return self.random.choice(trained.split("|"))

    def _unseen_half(self, choices: list[str]) -> list[str]:
        if self.held_out == "even":
            return choices[0::2]
        if self.held_out == "odd" and len(choices) > 1:
            return choices[1::2]
        return choices if self.held_out is True else []

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def word(self) -> str:
        return self.random.choice(self.words)

    def letters(self, low: int = 2, high: int = 9) -> str:
        """A meaningless string of letters and, now and then, digits."""
        # The length is drawn first, then for each character whether digits take part, then the character.
        return "".join(self._character() for _ in range(self.random.randint(low, high)))

    def _character(self) -> str:
        return self.random.choice(string.ascii_lowercase + (string.digits if self.chance(0.5) else ""))

    def stem(self) -> str:
        """The name of a file without its extension."""
        kind = self.random.random()
        if kind < 0.45:
            return self.word()
        if kind < 0.57:
            return self.word() + "_" + self.word()
        if kind < 0.67:
            return self.word() + "-" + self.word()
        if kind < 0.75:
            return self.word() + str(self.random.randint(1, 2099))
        if kind < 0.80:
            return self.word().capitalize()
        if kind < 0.84:
            return self.word() + self.word().capitalize()
        if kind < 0.88:
            return self.word().upper()
        if kind < 0.97:
            return self.letters(2, 8)
        return str(self.random.randint(1, 9999))

    def name(self) -> str:
        if self.chance(0.04):
            return self.stem()
        if self.split == "train" and self.chance(0.12):
            stem = self.stem()
            length = self.random.randint(1, 4)
            return stem + "." + "".join(self.random.choice(string.ascii_lowercase) for _ in range(length))
        return self.stem() + "." + self.random.choice(EXTENSIONS[self.split])

    def folder(self, deep: float = 0.15) -> str:
        """`deep` is the chance of a second level."""
        name = self.word() if self.chance(0.75) else self.stem()
        return name + "/" + self.word() if self.chance(deep) else name

    def path(self, nested: float = 0.3) -> str:
        return (self.folder() + "/" + self.name()) if self.chance(nested) else self.name()

    def text(self, long: int = 8) -> str:
        """A line of text; `long` is the most words of the plainest kind."""
        text = self._repeat_word(self._plain_text(long))
        kind = self.random.random()
        if kind < 0.3:
            text = text[0].upper() + text[1:]
        elif kind < 0.33:
            text = text.upper()
        kind = self.random.random()
        if kind < 0.12:
            return text + "."
        if kind < 0.17:
            return text + "!"
        return text + "?" if kind < 0.19 else text

    def _plain_text(self, long: int) -> str:
        rng = self.random
        kind = rng.random()
        if kind < 0.55:
            return " ".join(self.word() for _ in range(rng.randint(1, long)))
        if kind < 0.63:
            return self.letters(3, 14)
        if kind < 0.70:
            return " ".join(self.letters(1, 7) for _ in range(rng.randint(2, 4)))
        if kind < 0.80:
            start = rng.choice(["the", "my", "our", "a", "this", "buy", "call", "see"])
            first = self.word()
            joint = rng.choice(["is", "and", "with", "for", "at", "in"])
            second = self.word()
            return f"{start} {first} {joint} {second} {rng.choice(['and ', '', self.word() + ' '])}{self.word()}"
        if kind < 0.86:
            return ", ".join(self.word() for _ in range(rng.randint(2, 4)))
        if kind < 0.92:
            key = self.word()
            sign = rng.choice([": ", " = ", "=", " - ", ":"])
            return f"{key}{sign}{rng.choice([self.word(), str(rng.randint(0, 99999)), self.letters()])}"
        if kind < 0.96:
            return str(rng.randint(0, 10 ** rng.randint(1, 7)))
        return f"{self.word()}({rng.choice([self.word(), str(rng.randint(0, 99))])})"

    def _repeat_word(self, text: str) -> str:
        """Now and then the same word more than once, so that copying is more than finding the first match."""
        if not self.chance(0.04):
            return text
        word = self.word()
        return f"{word} {text} {word}" if self.chance(0.5) else f"{word} {word} {text}"

    def lines(self, count: int | None = None, long: int = 4) -> str:
        count = count or self.random.choice([1, 1, 2, 2, 3, 4])
        return "\n".join(self.text(long) for _ in range(count))

    def quote(self, text: str) -> str:
        """Quotes a text as users do."""
        kind = self.random.random()
        if "'" in text or kind < 0.6:
            return f'"{text}"'
        if kind < 0.82:
            return f"'{text}'"
        if kind < 0.88:
            return f"`{text}`"
        return f"“{text}”" if kind < 0.92 else f'"{text}"'

    def quote_path(self, path: str) -> str:
        kind = self.random.random()
        if kind < 0.8:
            return path
        if kind < 0.87:
            return f"`{path}`"
        return f'"{path}"' if kind < 0.95 else f"'{path}'"

    def workspace(self, files: dict[str, str] | None = None, **options: Any) -> SimulatedWorkspace:
        """`files` among up to two others; `options` as of `SimulatedWorkspace`."""
        content: dict[str, str] = {}
        for _ in range(self.random.choice([0, 0, 1, 2])):
            # The text is drawn before the path it goes to.
            text = self.lines()
            content[self.path()] = text
        content.update(files or {})
        result = SimulatedWorkspace(content, style=self.style(), **options)
        result.extra.update(hash=self.letters(7, 7), n=self.random.randint(1, 9))
        return result

    def style(self) -> int:
        return self.random.randint(0, 29)

    def polite(self, request: str) -> str:
        """Wraps a request that starts with a capital verb, sometimes."""
        kind = self.random.random()
        lower = request[0].lower() + request[1:]
        if kind < 0.5:
            pass
        elif kind < 0.62:
            request = "Please " + lower
        elif kind < 0.72:
            request = self.pick("Can you|Could you|Would you||Are you able to") + " " + lower
        elif kind < 0.78:
            request = self.pick("I want you to|I need you to|I would like you to||Your job is to") + " " + lower
        elif kind < 0.82:
            request = self.pick("Hi, |Hey, |Now |Next, |OK, ||First, |Alright, ") + lower
        elif kind < 0.86:
            request = lower
        elif kind < 0.92:
            return request + self.pick(" please| for me|, please|, thanks||, if you can| now")
        if kind < 0.95 and self.chance(0.6) and request[-1] not in "?.!":
            request += "?" if request.startswith(("Can", "Could", "Would", "Are")) else "."
        return request
