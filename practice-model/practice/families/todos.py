"""Requests about the todo list, and about the time."""

from __future__ import annotations

import re

from ..draw import Draw
from ..family import Answer, Course, Draft, call, family
from .write import is_unmistakable, show_text

_DUTIES = ["buy", "call", "write", "send", "check", "fix", "clean", "read", "pay", "book", "update", "review", "water", "order", "test", "ask", "visit", "plan", "print", "finish"]


@family("todo add", weight=2.3)
def todo_add(draw: Draw) -> Draft:
    text = _duty(draw)

    def course() -> Course:
        result = yield call("todo_add", text=text)
        if not result["ok"]:
            return Answer(f"I could not add it to the list: {result['error']}", ("could not", result["error"]))
        return Answer(f"I added to the list: {text}", (text,))

    return Draft("todo.add", {"text": show_text(draw, text), "raw": text}, course)


@family("todo add several", weight=1.5)
def todo_add_several(draw: Draw) -> Draft:
    texts = [_duty(draw) for _ in range(draw.pick([2, 2, 3]))]

    def course() -> Course:
        for text in texts:
            result = yield call("todo_add", text=text)
            if not result["ok"]:
                return Answer(f"I could not add it to the list: {result['error']}", ("could not", result["error"]))
        return Answer(f"I added to the list: {', '.join(texts[:-1])} and {texts[-1]}", tuple(texts))

    form = draw.pick(['"{}"', '"{}"', "'{}'"])
    quoted = [form.format(text) if form[0] not in text else draw.quote(text) for text in texts]
    shown = texts if all(map(is_unmistakable, texts)) and draw.chance(0.4) else quoted
    slots = dict(zip(("one", "two", "three"), shown))
    return Draft("todo.add_two" if len(texts) == 2 else "todo.add_three", slots, course)


@family("todo complete", weight=1.3)
def todo_complete(draw: Draw) -> Draft:
    todos = _todos(draw)
    number = draw.number(1, len(todos)) if draw.chance(0.88) else draw.number(len(todos) + 1, 30)

    def course() -> Course:
        return (yield from _completing(number))

    slots = {"id": str(number), "nth": _nth(number)}
    return Draft("todo.complete", slots, course, settings={"todos": todos}, is_real=False)


@family("todo complete by text", weight=1.1)
def todo_complete_by_text(draw: Draw) -> Draft:
    """The number is looked up in the list."""
    todos = _todos(draw)
    wanted = draw.pick(todos)[0] if draw.chance(0.9) else _duty(draw)

    def course() -> Course:
        result = yield call("todo_list")
        if not result["ok"]:
            return Answer(f"I could not read the list: {result['error']}", ("could not", result["error"]))
        found = next((match[1] for match in re.finditer(r"^(\d+)\. \[\w+\] (.*)$", result["output"], re.M) if match[2] == wanted), None)
        if found is None:
            return Answer(f"There is no such todo: {wanted}", ("no such todo", wanted))
        return (yield from _completing(int(found)))

    return Draft("todo.complete_text", {"text": show_text(draw, wanted), "raw": wanted}, course, settings={"todos": todos}, is_real=False)


@family("todo list", weight=1.3)
def todo_list(draw: Draw) -> Draft:
    todos = [] if draw.chance(0.2) else _todos(draw)

    def course() -> Course:
        result = yield call("todo_list")
        if not result["ok"]:
            return Answer(f"I could not read the list: {result['error']}", ("could not", result["error"]))
        if result["output"] == "(empty)":
            return Answer("Your todo list is empty.", ("empty",))
        return Answer(f"Your todos are:\n{result['output']}", (result["output"],))

    return Draft("todo.list", {}, course, settings={"todos": todos} if todos else {}, is_real=not todos)


@family("time", weight=1.5)
def time(draw: Draw) -> Draft:
    def course() -> Course:
        result = yield call("get_time")
        if not result["ok"]:
            return Answer(f"I could not get the time: {result['error']}", ("could not", result["error"]))
        return Answer(f"It is {result['output']}.", (result["output"],))

    now = f"{draw.number(2024, 2039)}-{draw.number(1, 12):02d}-{draw.number(1, 28):02d} {draw.number(0, 23):02d}:{draw.number(0, 59):02d}"
    return Draft(draw.pick(["time.now", "time.now", "time.date"]), {}, course, settings={"time": now}, is_real=False)


def _completing(number: int) -> Course:
    result = yield call("todo_complete", todo_id=number)
    if not result["ok"]:
        return Answer(f"I could not complete todo {number}: {result['error']}", ("could not", result["error"]))
    done = result["output"].removeprefix("completed: ")
    return Answer(f"I completed todo {number}: {done}", (done,))


def _duty(draw: Draw) -> str:
    if draw.chance(0.5):
        return draw.text(7)
    return f"{draw.pick(_DUTIES)} {draw.pick(['', '', 'the ', 'my ', 'some ', draw.person() + ' about '])}{draw.word()}{draw.pick(['', '', f' {draw.word()}', f' at {draw.number(1, 12)}', ' tomorrow', f' for {draw.person()}'])}"


def _todos(draw: Draw) -> list[tuple[str, bool]]:
    """1 to 6 todos, all different, and whether they are done."""
    texts = list(dict.fromkeys(_duty(draw) for _ in range(draw.number(1, 6))))
    return [(text, draw.chance(0.2)) for text in texts]


def _nth(number: int) -> str:
    words = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
    if number <= len(words):
        return words[number - 1]
    return f"{number}{'th' if number % 100 in (11, 12, 13) else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
