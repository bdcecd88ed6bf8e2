"""Small talk and questions about the model itself: fixed answers without a call."""

from __future__ import annotations

from ..draw import Draw
from ..family import Answer, Course, Draft, family

HELLO = (
    "Hello! I am LMAgent's practice model. "
    "I can create, read, edit, copy, move, list and search files, run commands, use git and keep todos."
)
WHICH = (
    "I am LMAgent's practice model, a very small language model of 3.5 million parameters, "
    "made for LMAgent. I run on your own computer, send nothing anywhere and cost nothing."
)
REAL_MODEL = (
    "For real work use a real model: start LM Studio or Ollama, or run \"lmagent download\", "
    "and choose the model with --model and, for another server, --base-url."
)
HOW = (
    "Tell me in one sentence what to do, for example: "
    'create notes.txt with "hello", read notes.txt, list the files, or run the command date.'
)
LANGUAGE = "I only understand English."

#: Answer, what must occur in it, and how often it is drawn, by section of the wordings.
_ANSWERS: dict[str, tuple[str, str, float]] = {
    "talk.hello": (HELLO, "Hello! I am", 5),
    "talk.who": (HELLO, "Hello! I am", 3),
    "talk.help": (HELLO, "Hello! I am", 4),
    "talk.how": (HOW, "Tell me in one sentence", 2),
    "talk.which": (WHICH, "a very small language model", 3),
    "talk.real": (REAL_MODEL, "For real work use a real model: start", 3),
    "talk.language": (LANGUAGE, "English", 2),
    "talk.thanks": ("You are welcome.", "welcome", 2),
    "talk.praise": ("Thank you, I am glad to help.", "glad to help", 2),
    "talk.complaint": ("I am sorry. Please say it again in other words.", "sorry", 2),
    "talk.ok": ("OK. What shall I do next?", "next", 1.5),
    "talk.bye": ("Goodbye!", "Goodbye", 1.5),
    "talk.how_are_you": ("I am fine, thank you. What shall I do?", "fine", 1.5),
}


def fixed(answer: str, *facts: str) -> Course:
    """A course without a call."""
    return Answer(answer, facts)
    yield  # makes this a generator


def fixed_draft(intent: str, answer: str, *facts: str, slots: dict[str, str] | None = None) -> Draft:
    """A request that is always answered by the same sentence, without a call and alone."""
    return Draft(intent, slots or {}, lambda: fixed(answer, *facts), can_be_joined=False)


@family("talk", weight=14.6)
def talk(draw: Draw) -> Draft:
    weights = [weight for _answer, _fact, weight in _ANSWERS.values()]
    intent = draw.random.choices(list(_ANSWERS), weights)[0]
    answer, fact, _weight = _ANSWERS[intent]
    return fixed_draft(intent, answer, fact, slots={"name": draw.person(), "topic": draw.pick(draw.words.topics)})
