"""Small contents as one finds them in data and code files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Callable

from ..draw import Draw


@dataclass(frozen=True)
class Snippet:
    #: What the file's name ends with; None: anything.
    extension: str | None
    content: str


def draw_snippet(draw: Draw, *, several_lines: bool) -> Snippet:
    extension, make = draw.pick(_SEVERAL_LINES if several_lines else _ONE_LINE)
    return Snippet(extension, make(draw))


_KEYS = "name age id title version port host enabled size user city price color count".split()


def _value(draw: Draw) -> str | int | float | bool | None:
    kind = draw.random.random()
    if kind < 0.5:
        return draw.text(3) if draw.chance(0.4) else draw.word()
    if kind < 0.8:
        return draw.number(0, 5000)
    if kind < 0.87:
        return round(draw.number(1, 9999) / 100, 2)
    return draw.pick([True, False, None])


def _key(draw: Draw) -> str:
    return draw.pick(_KEYS) if draw.chance(0.5) else draw.word()


def _object(draw: Draw) -> dict[str, object]:
    made: dict[str, object] = {_key(draw): _value(draw) for _ in range(draw.number(1, 4))}
    if draw.chance(0.1):
        made[_key(draw)] = [draw.word() for _ in range(draw.number(1, 3))]
    return made


def _json_line(draw: Draw) -> str:
    if draw.chance(0.15):
        return json.dumps([_value(draw) for _ in range(draw.number(1, 4))], ensure_ascii=False)
    separators = (",", ":") if draw.chance(0.35) else (", ", ": ")
    return json.dumps(_object(draw), ensure_ascii=False, separators=separators)


def _json_lines(draw: Draw) -> str:
    return json.dumps(_object(draw), ensure_ascii=False, indent=draw.pick([2, 2, 4]))


def _csv_line(draw: Draw) -> str:
    return draw.pick([",", ",", ",", ";"]).join(str(_value(draw)) for _ in range(draw.number(2, 5)))


def _cell(draw: Draw) -> str:
    return draw.pick([draw.word(), draw.person(), str(draw.number(1, 900))])


def _csv_lines(draw: Draw) -> str:
    count = draw.number(2, 4)
    rows = [[_key(draw) for _ in range(count)]]
    rows += [[_cell(draw) for _ in range(count)] for _ in range(draw.number(1, 5))]
    mark = draw.pick([",", ",", ",", ";"])
    return "\n".join(mark.join(row) for row in rows)


def _string(draw: Draw, most: int = 4) -> str:
    """A text in the quotes of a programming language."""
    text = draw.text(most).replace('"', "").replace("'", "").replace("\\", "") or draw.word()
    return draw.pick(['"{}"', "'{}'"]).format(text)


def _python_line(draw: Draw) -> str:
    return draw.pick(
        [
            f"print({_string(draw)})",
            f"print({_string(draw)})",
            f"{draw.word()} = {draw.number(0, 999)}",
            f"{draw.word()} = {_string(draw)}",
            f"import {draw.pick(['os', 'sys', 'json', 're', 'math', 'random'])}",
            f"print({draw.number(1, 99)} {draw.pick('+-*')} {draw.number(1, 99)})",
            f"for i in range({draw.number(2, 20)}): print(i)",
            f"{draw.word()} = [{draw.number(1, 9)}, {draw.number(1, 9)}, {draw.number(1, 9)}]",
        ]
    )


def _python_lines(draw: Draw) -> str:
    name, first, second = draw.word(), draw.pick("abcnx"), draw.pick("ymz")
    return draw.pick(
        [
            f"def {name}({first}, {second}):\n    return {first} {draw.pick('+-*')} {second}",
            f"def {name}():\n    print({_string(draw)})\n\n{name}()",
            f"import {draw.pick(['os', 'sys', 'json'])}\n\n{name} = {_string(draw)}\nprint({name})",
            f"for {first} in range({draw.number(2, 50)}):\n    print({first})",
            f"class {name.capitalize()}:\n    {second} = {draw.number(0, 99)}",
        ]
    )


def _script_line(draw: Draw) -> str:
    name = draw.word()
    return draw.pick(
        [
            f"console.log({_string(draw)});",
            f"console.log({_string(draw)})",
            f"const {name} = {draw.number(0, 999)};",
            f"let {name} = {_string(draw)};",
            f"export const {name} = {_string(draw, 2)};",
            f"function {name}() {{ return {draw.number(0, 99)}; }}",
            f"alert({_string(draw)})",
        ]
    )


def _script_lines(draw: Draw) -> str:
    name = draw.word()
    return draw.pick(
        [
            f"function {name}(a, b) {{\n  return a {draw.pick('+-*')} b;\n}}",
            f"const {name} = {_string(draw)};\nconsole.log({name});",
            f"export function {name}() {{\n  console.log({_string(draw)});\n}}",
        ]
    )


def _shell_line(draw: Draw) -> str:
    return draw.pick(
        [
            f"echo {draw.word()} {draw.word()}",
            f"echo {_string(draw)}",
            f"cd {draw.word()} && ls",
            f"export {draw.word().upper()}={draw.word()}",
        ]
    )


def _shell_lines(draw: Draw) -> str:
    return f"#!/bin/{draw.pick(['sh', 'bash'])}\n" + "\n".join(_shell_line(draw) for _ in range(draw.number(1, 3)))


def _html_line(draw: Draw) -> str:
    tag = draw.pick(["h1", "h1", "h2", "p", "p", "title", "li", "div", "b"])
    inner = draw.text(5)
    return draw.pick(
        [
            f"<{tag}>{inner}</{tag}>",
            f"<{tag}>{inner}</{tag}>",
            f"<html><body>{inner}</body></html>",
            f'<p class="{draw.word()}">{draw.word()}</p>',
            f'<a href="{draw.word()}.html">{draw.word()}</a>',
            f'<img src="{draw.word()}.png">',
        ]
    )


def _html_lines(draw: Draw) -> str:
    inner = [f"<li>{draw.text(3)}</li>" for _ in range(draw.number(1, 3))]
    return draw.pick(
        [
            "<ul>\n  " + "\n  ".join(inner) + "\n</ul>",
            f"<html>\n<body>\n<h1>{draw.text(3)}</h1>\n<p>{draw.text(6)}</p>\n</body>\n</html>",
            f"<h1>{draw.text(3)}</h1>\n<p>{draw.text(6)}</p>",
        ]
    )


def _css_line(draw: Draw) -> str:
    colour = draw.pick(["red", "blue", "green", "#ff0000", "#333", "black", "white", "orange"])
    margin = f".{draw.word()} {{ margin: {draw.number(0, 40)}px; }}"
    return draw.pick([f"body {{ color: {colour}; }}", margin, f"h1 {{ color: {colour}; }}"])


def _setting_line(draw: Draw) -> str:
    value = draw.pick([draw.word(), str(draw.number(0, 9000)), "true", "false"])
    return draw.pick(["{}={}", "{}={}", "{} = {}"]).format(_setting_key(draw), value)


def _setting_key(draw: Draw) -> str:
    return draw.pick([draw.word(), draw.word().upper(), f"{draw.word()}_{draw.word()}", f"{draw.word()}.{draw.word()}"])


def _setting_lines(draw: Draw) -> str:
    head = f"[{draw.word()}]\n" if draw.chance(0.4) else ""
    return head + "\n".join(_setting_line(draw) for _ in range(draw.number(2, 4)))


def _yaml_line(draw: Draw) -> str:
    return f"{_key(draw)}: {draw.pick([draw.word(), str(draw.number(0, 9000)), 'true'])}"


def _yaml_lines(draw: Draw) -> str:
    lines = [_yaml_line(draw) for _ in range(draw.number(1, 3))]
    if draw.chance(0.5):
        return "\n".join([*lines, f"{draw.word()}:", f"  - {draw.word()}", f"  - {draw.word()}"])
    return "\n".join([*lines, _yaml_line(draw)])


def _sql_line(draw: Draw) -> str:
    table = draw.word()
    return draw.pick(
        [
            f"SELECT * FROM {table};",
            f"SELECT {draw.word()} FROM {table} WHERE {draw.word()} = {draw.number(0, 99)};",
            f"INSERT INTO {table} VALUES ({draw.number(1, 99)}, '{draw.word()}');",
            f"DELETE FROM {table} WHERE id = {draw.number(1, 999)};",
        ]
    )


def _markdown_line(draw: Draw) -> str:
    return draw.pick(
        [
            f"# {draw.text(4)}",
            f"## {draw.text(4)}",
            f"- [ ] {draw.text(4)}",
            f"**{draw.text(2)}** {draw.word()}",
            f"[{draw.word()}](https://{draw.word()}.com)",
        ]
    )


def _markdown_lines(draw: Draw) -> str:
    items = "\n".join(f"- {draw.text(4)}" for _ in range(draw.number(1, 4)))
    title = draw.text(3)
    return draw.pick([f"# {title}\n\n{items}", f"# {title}\n\n{draw.sentence(8)}", f"## {title}\n{items}"])


def _address_line(draw: Draw) -> str:
    return draw.pick(
        [
            f"https://{draw.word()}.{draw.pick(['com', 'org', 'net'])}/{draw.word()}",
            f"{draw.word()}@{draw.word()}.{draw.pick(['com', 'org'])}",
            f"/{draw.word()}/{draw.word()}/{draw.name()}",
            f"+{draw.number(1, 99)} {draw.number(100, 999)} {draw.number(1000, 9999)}",
            f"{draw.number(1, 255)}.{draw.number(0, 255)}.{draw.number(0, 255)}.{draw.number(1, 255)}",
        ]
    )


_Kind = tuple[str | None, Callable[[Draw], str]]
_ONE_LINE: list[_Kind] = [
    *[("json", _json_line)] * 5,
    *[("csv", _csv_line)] * 2,
    *[("py", _python_line)] * 4,
    *[("js", _script_line)] * 2,
    ("ts", _script_line),
    *[("sh", _shell_line)] * 2,
    *[("html", _html_line)] * 3,
    ("css", _css_line),
    *[("env", _setting_line), ("ini", _setting_line), ("cfg", _setting_line), ("txt", _setting_line)],
    ("yaml", _yaml_line),
    ("sql", _sql_line),
    *[("md", _markdown_line)] * 2,
    *[("txt", _address_line)] * 2,
]
_SEVERAL_LINES: list[_Kind] = [
    *[("json", _json_lines)] * 3,
    *[("csv", _csv_lines)] * 4,
    *[("py", _python_lines)] * 3,
    *[("js", _script_lines)] * 2,
    ("sh", _shell_lines),
    *[("html", _html_lines)] * 2,
    *[("ini", _setting_lines), ("env", _setting_lines), ("yaml", _yaml_lines), ("yml", _yaml_lines)],
    *[("md", _markdown_lines)] * 2,
]
