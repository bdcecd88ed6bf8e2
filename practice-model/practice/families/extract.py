"""Data out of a short text, and its sentiment; both answered as JSON without a call.

The fixed forms of the request, which programs can send:

    Extract as JSON with the keys name, age: Anna is 34 years old.    -> {"name": "Anna", "age": 34}
    What is the sentiment of this text: I love this phone.           -> {"sentiment": "positive", "confidence": 0.9}

The object has the keys in the order of the request, strings and numbers as they stand in the text, and null for what
the text does not say. The confidence is 0.9 where the text is clear and 0.6 where praise and blame are mixed
(`neutral`).
"""

from __future__ import annotations

import json

from .. import wordings
from ..draw import Draw
from ..family import Draft, family
from ..words import is_held_out
from .extract_values import VALUES, Value
from .talk import fixed

#: Names of keys by what they ask for; the first ones are drawn most.
KEYS: dict[str, tuple[str, ...]] = {
    "person": ("name", "name", "name", "person", "customer", "full_name", "who", "Name"),
    "age": ("age", "age", "age", "years", "Age", "age_in_years"),
    "city": ("city", "city", "city", "town", "place", "location", "City"),
    "country": ("country", "country", "nation", "Country"),
    "job": ("job", "job", "profession", "occupation", "role", "job_title"),
    "company": ("company", "company", "employer", "firm", "organization", "Company"),
    "product": ("product", "product", "item", "article", "Product", "product_name"),
    "price": ("price", "price", "cost", "Price"),
    "quantity": ("quantity", "quantity", "count", "pieces", "Quantity"),
    "colour": ("color", "color", "colour", "Color"),
    "date": ("date", "date", "day", "Date"),
    "time": ("time", "time", "start_time", "Time"),
    "email": ("email", "email", "mail", "email_address", "Email", "e-mail"),
    "phone": ("phone", "phone", "phone_number", "telephone", "tel", "Phone"),
    "order": ("order", "order_number", "order_id"),
    "street": ("street", "address", "street"),
}
#: Kinds that could be taken for each other: where the text has one of them, another is not asked for in vain.
_ALIKE = (
    {"city", "country", "street"},
    {"quantity", "price", "order", "phone", "age"},
    {"date", "time"},
    {"person", "company", "email"},
)
_SENTIMENTS = {
    "sentiment.positive": ("positive", 0.9),
    "sentiment.negative": ("negative", 0.9),
    "sentiment.neutral": ("neutral", 0.9),
    "sentiment.mixed": ("neutral", 0.6),
}


@family("extract", weight=13.5)
def extract(draw: Draw) -> Draft:
    values = {kind: make(draw) for kind, make in VALUES.items()}
    text, found = _draw_text(draw, values)
    kinds = _draw_kinds(draw, found)
    keys = {kind: draw.pick(KEYS[kind]) for kind in kinds}
    data = {key: values[kind].data if kind in found else None for kind, key in keys.items()}
    answer = json.dumps(data, ensure_ascii=False)
    names = list(keys.values())
    slots = {"keys": _write_keys(draw, names), "raw": text, "text": draw.quote(text), "first": names[0]}
    if draw.chance(0.4):
        return _fixed_form(f"Extract as JSON with the keys {', '.join(names)}: ", text, answer)
    return _draft("extract.one" if len(names) == 1 and draw.chance(0.5) else "extract", slots, answer)


def _draw_text(draw: Draw, values: dict[str, Value]) -> tuple[str, list[str]]:
    """One or two sentences, and the kinds of values in them, in their order."""
    slots = {kind: value.text for kind, value in values.items()}
    wording = wordings.choose(draw, "extract.text", slots)
    found = list(wording.slots)
    parts = ["".join(part for part, _given in wordings.fill(draw, wording, slots))]
    if draw.chance(0.2):
        other = wordings.choose(draw, "extract.beside", {})
        beside = "".join(part for part, _given in wordings.fill(draw, other, {}))
        parts.insert(draw.number(0, 1), beside)
    return " ".join(parts), sorted(found, key=lambda kind: wording.pattern.index("{" + kind + "}"))


def _draw_kinds(draw: Draw, found: list[str]) -> list[str]:
    """One to five kinds to ask for: mostly what the text says, sometimes one that it does not."""
    kinds = draw.random.sample(found, draw.number(1, min(5, len(found))))
    if draw.chance(0.5):
        kinds.sort(key=found.index)
    if draw.chance(0.25) and len(kinds) < 5:
        said = set(found).union(*(group for group in _ALIKE if group & set(found)))
        kept = set(KEYS) - said
        if kept:
            kinds.insert(draw.number(0, len(kinds)), draw.pick(sorted(kept)))
    return kinds


def _write_keys(draw: Draw, names: list[str]) -> str:
    if len(names) == 1:
        return draw.pick([names[0], names[0], f'"{names[0]}"'])
    form = draw.random.random()
    if form < 0.5:
        return ", ".join(names)
    if form < 0.8:
        return ", ".join(names[:-1]) + " and " + names[-1]
    if form < 0.9:
        return ", ".join(f'"{name}"' for name in names)
    return draw.pick([json.dumps(names), " ".join(names), "/".join(names), ",".join(names)])


@family("sentiment", weight=6.9)
def sentiment(draw: Draw) -> Draft:
    section = draw.random.choices(list(_SENTIMENTS), [3, 3, 2, 1.5])[0]
    label, confidence = _SENTIMENTS[section]
    text = _draw_opinion(draw, section)
    if section in ("sentiment.positive", "sentiment.negative") and draw.chance(0.15):
        text += " " + _draw_opinion(draw, section)
    if draw.chance(0.12):
        text = text.lower()
    answer = json.dumps({"sentiment": label, "confidence": confidence})
    if draw.chance(0.4):
        return _fixed_form("What is the sentiment of this text: ", text, answer)
    return _draft("sentiment", {"raw": text, "text": draw.quote(text)}, answer)


def _draw_opinion(draw: Draw, section: str) -> str:
    things = [thing for thing in _THINGS if is_held_out(thing) == (draw.split == "test")]
    slots = {"thing": draw.pick(things), "name": draw.person(), "n": str(draw.number(2, 30))}
    pieces = wordings.fill(draw, wordings.choose(draw, section, slots), slots)
    text = "".join(part for part, _given in pieces)
    return text[:1].upper() + text[1:]


def _fixed_form(before: str, text: str, answer: str) -> Draft:
    draft = _draft("extract", {}, answer)
    draft.request, draft.is_plain = [(before, False), (text, True)], False
    return draft


def _draft(intent: str, slots: dict[str, str], answer: str) -> Draft:
    return Draft(intent, slots, lambda: fixed(answer, answer), can_be_joined=False)


_THINGS = (
    *("phone", "laptop", "chair", "lamp", "camera", "kettle"),
    *("backpack", "headset", "mattress", "jacket", "printer", "tent"),
    *("book", "film", "song", "restaurant", "hotel", "soup"),
    *("pizza", "coffee", "cake", "museum", "concert", "game", "app"),
    *("keyboard", "watch", "bike", "blender", "sofa", "umbrella"),
    *("toaster", "monitor", "guitar", "novel", "series", "course"),
    *("hairdryer", "vacuum cleaner", "coffee machine", "desk"),
    *("washing machine", "garden hose", "pair of shoes", "suitcase"),
)
