"""Everything random in the generated text comes from one seeded source: words, names, paths, texts and how they are quoted."""

from __future__ import annotations

import random
import string
import zlib
from typing import Literal, Sequence, TypeVar

from .words import Words, load_words

Split = Literal["train", "test"]
T = TypeVar("T")

_COMMON_EXTENSIONS = ["txt"] * 6 + ["md"] * 4 + ["py", "js", "ts", "json", "csv", "log", "html"]
EXTENSIONS: dict[Split, list[str]] = {
    "train": [*_COMMON_EXTENSIONS, "css", "yaml", "sh", "cfg", "xml", "c", "java", "sql", "bak", "dat"],
    "test": [*_COMMON_EXTENSIONS, "toml", "rst", "ini"],
}
_CONSONANTS = "bdfglmnprstvz"
_VOWELS = "aeiou"
#: Checksums of parts of words that better do not turn up.
_UNWANTED = frozenset(
    {
        4228108, 208799393, 340766871, 538360727, 562784985, 606340646, 732209142, 847373622, 908363492, 1014855813,
        1087821968, 1154590232, 1292422589, 1358023728, 1377220283, 1619473152, 1635303011, 1712683642, 1751453627, 1758392904,
        1769848633, 1772566535, 1911520823, 2077426789, 2078541282, 2093985287, 2175620989, 2250760701, 2368465913, 2384401664,
        2406932303, 2653163951, 2838971942, 2866792244, 2914124589, 2989930006, 3090404359, 3145792061, 3203638454, 3227747740,
        3237346393, 3352923673, 3444024083, 3579830152, 3640370209, 3688834237, 4056041276, 4066591269, 4246895990, 4268377080,
    }
)
QUOTES = ['"{}"', '"{}"', '"{}"', "'{}'", "'{}'", "`{}`", "“{}”", "‘{}’", "«{}»"]


def is_unwanted(word: str) -> bool:
    """Whether an invented word holds what nobody wants to read."""
    parts = (word[start : start + length] for length in (4, 5, 6) for start in range(len(word) - length + 1))
    return any(zlib.crc32(part.encode()) in _UNWANTED for part in parts)


class Draw:
    """Draws from one split: `test` uses words and names that training never sees; endings of files are partly shared.

    `wordings` says which lines of the wordings are drawn: `trained`, `held-out` (where a section has any) or `all`.
    """

    def __init__(
        self,
        seed: int,
        split: Split = "train",
        wordings: Literal["trained", "held-out", "all"] = "trained",
        words: Words | None = None,
        spelling: float = 0.5,
    ) -> None:
        self.random = random.Random(seed)
        self.split: Split = split
        self.wordings = wordings
        self.words = (words or load_words())[split]
        #: How often a request is written carelessly.
        self.spelling = spelling
        #: Names of this conversation, so that two tasks never fight over one.
        self.taken: set[str] = set()

    # Chance

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, choices: Sequence[T]) -> T:
        return self.random.choice(choices)

    def number(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    # Words and names

    def word(self) -> str:
        """A word of the list, or now and then one that nobody has ever written."""
        return self.invented_word() if self.chance(0.25) else self.pick(self.words.common)

    def invented_word(self) -> str:
        """A word that can be spoken, such as `lamiro`."""
        while True:
            word = "".join(self._syllable() for _ in range(self.number(2, 3)))
            if not is_unwanted(word):
                return word

    def _syllable(self) -> str:
        return self.pick(_CONSONANTS) + self.pick(_VOWELS) + (self.pick("lmnrst") if self.chance(0.25) else "")

    def letters(self, low: int = 2, high: int = 9) -> str:
        """A meaningless string of letters and, now and then, digits."""
        digits = self.chance(0.4)
        return "".join(
            self.pick(string.digits if digits and self.chance(0.3) else string.ascii_lowercase)
            for _ in range(self.number(low, high))
        )

    def person(self) -> str:
        return self.pick(self.words.names)

    def stem(self) -> str:
        """The name of a file without its ending."""
        kind = self.random.random()
        if kind < 0.38:
            return self.word()
        if kind < 0.44:
            return self.pick(self.words.everyday)
        if kind < 0.56:
            return f"{self.word()}_{self.word()}"
        if kind < 0.66:
            return f"{self.word()}-{self.word()}"
        if kind < 0.73:
            return f"{self.word()}{self.number(1, 2099)}"
        if kind < 0.78:
            return self.word().capitalize()
        if kind < 0.82:
            return self.word() + self.word().capitalize()
        if kind < 0.85:
            return self.word().upper()
        if kind < 0.90:
            return self.letters(1, 1) if self.chance(0.25) else self.letters(2, 8)
        if kind < 0.93:
            return f"{self.word()} {self.word()}"
        if kind < 0.95:
            return self.pick(self.words.foreign)
        if kind < 0.97:
            return f"{self.number(2019, 2033)}-{self.number(1, 12):02d}-{self.number(1, 28):02d}"
        return str(self.number(1, 9999))

    def extension(self) -> str:
        if self.split == "train" and self.chance(0.06):
            return "".join(self.pick(string.ascii_lowercase) for _ in range(self.number(1, 4)))
        return self.pick(EXTENSIONS[self.split])

    def name(self, extension: str | None = None) -> str:
        """The name of a file, nearly always with an ending."""
        if extension is None and self.chance(0.02):
            return self.pick(["Makefile", "LICENSE", "README", "notes", "todo", "draft", self.word()])
        return f"{self.stem()}.{extension or self.extension()}"

    def folder(self, deep: float = 0.15) -> str:
        """A folder that no other task of the conversation uses; `deep` is the chance of a second level."""
        while True:
            name = self.word() if self.chance(0.75) else self.stem()
            path = f"{name}/{self.word()}" if self.chance(deep) else name
            if self._take(path.split("/")[0]):
                return path

    def path(self, nested: float = 0.25, extension: str | None = None) -> str:
        """A file that no other task of the conversation uses."""
        while True:
            name = self.name(extension)
            path = f"{self.folder()}/{name}" if self.chance(nested) else name
            if self._take(path):
                return path

    def _take(self, path: str) -> bool:
        if path.lower() in self.taken:
            return False
        self.taken.add(path.lower())
        return True

    # Texts

    def text(self, most: int = 8) -> str:
        """One line of 1 to `most` words: plain words, a sentence, a number, other scripts, marks and quotes."""
        kind = self.random.random()
        if kind < 0.12:
            return self.text_word()
        if kind < 0.38:
            return self._plain(self.number(1, most))
        if kind < 0.48:
            return self.phrase(most)
        if kind < 0.64:
            return self.sentence(most)
        if kind < 0.78:
            return self._fit(self.pick(self.words.sentences), most)
        if kind < 0.84:
            return self._with_numbers(most)
        if kind < 0.89:
            return f"{self.word()}{self.pick([': ', ' = ', '=', ' - ', ', ', ' -> ', '/'])}{self._plain(self.number(1, 3))}"
        if kind < 0.93:
            return self.foreign_text()
        if kind < 0.96:
            return f'{self.word()} {self.pick(QUOTES[:4]).format(self.word())} {self.word()}'
        if kind < 0.98:
            return self._plain(self.number(1, 3)) + self.pick(["?", "!", "...", " :)", " & co", " (draft)", " 100%", " #1"])
        return self.letters(4, 16)

    def phrase(self, most: int = 8) -> str:
        """What people write to try something out, as it is or with a word of their own."""
        kind = self.random.random()
        if kind < 0.6:
            return self._fit(self.pick(self.words.phrases), most)
        if kind < 0.85:
            form = self.pick(["hello {}", "Hello {}!", "hello from {}", "Hello from {}", "hi {}", "Hi, {}.", "# {}", "my {}", "this is {}", "TODO: {}"])
            return form.format(self.person() if self.chance(0.3) else self.word())
        return f"{self.pick(['hello from', 'Hello from', 'hello to', 'this is', 'written by', 'greetings from'])} {self._plain(self.number(1, 3))}"

    def text_word(self) -> str:
        """A word of a text: also one that would be a strange name."""
        return self.pick(self.words.everyday) if self.chance(0.2) else self.word()

    def sentence(self, most: int = 10) -> str:
        """Words with a capital letter and, mostly, a full stop."""
        text = self._plain(self.number(min(2, most), most))
        return text[0].upper() + text[1:] + ("." if self.chance(0.7) else "")

    def long_text(self, least: int = 12, most: int = 60) -> str:
        """One paragraph of up to 60 words."""
        wanted = self.number(least, most)
        parts: list[str] = []
        while sum(len(part.split()) for part in parts) < wanted:
            parts.append(self.pick(self.words.sentences) if self.chance(0.4) else self.sentence(10))
        return " ".join(" ".join(parts).split(" ")[:wanted])

    def foreign_text(self) -> str:
        return " ".join(self.pick(self.words.foreign) for _ in range(self.number(1, 4)))

    def lines(self, least: int = 1, most: int = 5, words: int = 6) -> str:
        """Several lines, the last without a line end."""
        return "\n".join(self.text(words) for _ in range(self.number(least, most)))

    def content(self) -> str:
        """What a file holds: mostly little, sometimes up to 30 lines; half of the files end with a line end."""
        kind = self.random.random()
        if kind < 0.2:
            body = "\n".join(self._plain(self.number(1, 2)) for _ in range(self.number(1, 6)))
        elif kind < 0.66:
            body = self.text(9)
        elif kind < 0.93:
            body = self.lines(2, 5)
        elif kind < 0.965:
            body = self.long_text(12, 40)
        else:
            body = self.lines(7, 30, 5)
        return body + ("\n" if self.chance(0.4) else "")

    def _plain(self, count: int) -> str:
        return " ".join(self.text_word() for _ in range(count))

    def _with_numbers(self, most: int) -> str:
        pieces = [
            str(self.number(0, 99999)),
            f"{self.number(0, 999)}.{self.number(0, 99):02d}",
            f"{self.number(0, 23):02d}:{self.number(0, 59):02d}",
            f"{self.number(2019, 2033)}-{self.number(1, 12):02d}-{self.number(1, 28):02d}",
            f"{self.number(1, 100)}%",
            f"${self.number(1, 900)}",
            f"v{self.number(0, 9)}.{self.number(0, 20)}.{self.number(0, 9)}",
        ]
        words = [self.word() for _ in range(self.number(1, max(1, most - 1)))]
        words.insert(self.number(0, len(words)), self.pick(pieces))
        return " ".join(words)

    def _fit(self, text: str, most: int) -> str:
        return " ".join(text.split(" ")[:most])

    # How things are written in a request

    def quote(self, text: str) -> str:
        """The text in quotes that do not occur in it."""
        fitting = [form for form in QUOTES if form[0] not in text and form[-1] not in text]
        return self.pick(fitting or ["<<{}>>"]).format(text)

    def show_path(self, path: str) -> str:
        """A path, quoted where it holds a space."""
        if " " in path or self.chance(0.12):
            fitting = [form for form in ('"{}"', "'{}'", "`{}`") if form[0] not in path]
            return self.pick(fitting or ['"{}"']).format(path)
        return path
