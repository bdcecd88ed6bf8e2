"""Commands whose output is known beforehand, so that a real shell prints the same."""

from __future__ import annotations

import re
from typing import Callable

from ..draw import Draw
from .commands_canned import Command


def real_command(draw: Draw) -> Command:
    """A command that a real shell answers as written here."""
    return draw.pick(_KINDS)(draw)


def safe_text(draw: Draw, most: int = 6) -> str:
    """A line without anything that means something to a shell inside double quotes."""
    while True:
        text = draw.text(most)
        if not re.search(r'["\\$`\'!*?~]|^-|  ', text):
            return text


def _echo(draw: Draw) -> Command:
    text = safe_text(draw)
    if draw.chance(0.35):
        return Command(f'echo "{text}"', f"{text}\n", is_bare=False)
    if draw.chance(0.25):
        return Command(f"echo '{text}'", f"{text}\n", is_bare=False)
    plain = text if re.fullmatch(r"[\w .,:/+@%-]+", text) else draw.word()
    line = f"echo -n {plain}" if draw.chance(0.06) else f"echo {plain}"
    return Command(line, plain if line.startswith("echo -n") else f"{plain}\n", is_bare=" " not in plain)


def _echo_twice(draw: Draw) -> Command:
    first, second = draw.word(), draw.word()
    joint = draw.pick([" && ", "; ", " && "])
    if draw.chance(0.3):
        first, second = f'"{safe_text(draw, 3)}"', f'"{safe_text(draw, 3)}"'
    bare_text = f"{first}\n{second}\n".replace('"', "")
    return Command(f"echo {first}{joint}echo {second}", bare_text, is_bare=False)


def _printf(draw: Draw) -> Command:
    words = [draw.word() for _ in range(draw.number(1, 4))]
    if draw.chance(0.4):
        return Command(f"printf '%s\\n' {' '.join(words)}", "\n".join(words) + "\n", is_bare=False)
    if draw.chance(0.5):
        return Command("printf '" + "\\n".join(words) + "\\n'", "\n".join(words) + "\n", is_bare=False)
    number = draw.number(0, 99999)
    return Command(f"printf '%d {words[0]}\\n' {number}", f"{number} {words[0]}\n", is_bare=False)


def _seq(draw: Draw) -> Command:
    start, step = draw.number(0, 90), draw.pick([1, 1, 1, 2, 3, 5, 10])
    numbers = range(start, start + step * draw.number(1, 9) + 1, step)
    line = f"seq {start} {numbers[-1]}" if step == 1 else f"seq {start} {step} {numbers[-1]}"
    return Command(line, "".join(f"{number}\n" for number in numbers))


def _sum(draw: Draw) -> Command:
    a, b = draw.number(1, 9999), draw.number(1, 999)
    sign, value = draw.pick([("+", a + b), ("-", a - b), ("%", a % b)])
    if draw.chance(0.5):
        return Command(f"expr {a} {sign} {b}", f"{value}\n", exit_code=0 if value else 1)
    return Command(f"echo $(({a} {sign} {b}))", f"{value}\n", is_bare=False)


def _parts(draw: Draw) -> Command:
    folder, name = f"{draw.word()}/{draw.word()}", f"{draw.word()}.{draw.extension()}"
    if draw.chance(0.5):
        return Command(f"basename {folder}/{name}", f"{name}\n")
    return Command(f"dirname {folder}/{name}", f"{folder}\n")


def _upper(draw: Draw) -> Command:
    word = draw.invented_word()
    if draw.chance(0.5):
        return Command(f"echo {word} | tr a-z A-Z", f"{word.upper()}\n", is_bare=False)
    return Command(f"echo {word} | wc -c", f"{len(word) + 1}\n", is_bare=False)


def _on_file(draw: Draw) -> Command:
    """Something that reads a file of a few short words a line."""
    path = plain_path(draw)
    words = [draw.invented_word() for _ in range(draw.number(2, 7))]
    if draw.chance(0.4):
        words += draw.random.choices(words, k=draw.number(1, 3))
    lines = [word if draw.chance(0.6) else f"{word} {draw.number(1, 999)}" for word in words]
    content = "".join(f"{line}\n" for line in lines)
    count = draw.number(1, len(lines))
    wanted = draw.pick(words)
    hits = [(number, line) for number, line in enumerate(lines, start=1) if wanted in line]
    line, output = draw.pick([
        (f"cat {path}", content),
        (f"cat {path}", content),
        (f"head -n {count} {path}", "".join(f"{one}\n" for one in lines[:count])),
        (f"head -{count} {path}", "".join(f"{one}\n" for one in lines[:count])),
        (f"tail -n {count} {path}", "".join(f"{one}\n" for one in lines[-count:])),
        (f"wc -l {path}", f"{len(lines)} {path}\n"),
        (f"wc -w {path}", f"{len(content.split())} {path}\n"),
        (f"wc -c {path}", f"{len(content.encode())} {path}\n"),
        (f"cat {path} | wc -l", f"{len(lines)}\n"),
        (f"wc -l < {path}", f"{len(lines)}\n"),
        (f"grep {wanted} {path}", "".join(f"{one}\n" for _number, one in hits)),
        (f"grep -n {wanted} {path}", "".join(f"{number}:{one}\n" for number, one in hits)),
        (f"grep -c {wanted} {path}", f"{len(hits)}\n"),
        (f"test -f {path} && echo yes", "yes\n"),
        (f"test -f {path}", ""),
        (f"[ -f {path} ] && echo there || echo missing", "there\n"),
        (f"ls {path}", f"{path}\n"),
        (f"cat {path} > /dev/null", ""),
        (f"sed -n {count}p {path}", f"{lines[count - 1]}\n"),
        (f"cut -d ' ' -f 1 {path}", "".join(f"{one.split(' ')[0]}\n" for one in lines)),
    ])
    return Command(line, output, is_bare="|" not in line and "&&" not in line, needs=((path, content),))


def _sorted(draw: Draw) -> Command:
    """Plain lower-case words, which every locale sorts alike."""
    path = plain_path(draw)
    lines = [draw.invented_word() for _ in range(draw.number(2, 6))]
    lines += draw.random.choices(lines, k=draw.number(0, 3))
    draw.random.shuffle(lines)
    ordered, different = sorted(lines), sorted(set(lines))
    line, output = draw.pick([
        (f"sort {path}", ordered),
        (f"sort -r {path}", ordered[::-1]),
        (f"sort -u {path}", different),
        (f"cat {path} | sort", ordered),
        (f"sort {path} | uniq", different),
        (f"sort {path} | uniq -c", [f"{lines.count(one):7d} {one}" for one in different]),
        (f"cat {path} | sort | uniq -c", [f"{lines.count(one):7d} {one}" for one in different]),
        (f"sort {path} | head -n 1", ordered[:1]),
    ])
    content = "".join(f"{one}\n" for one in lines)
    return Command(line, "".join(f"{one}\n" for one in output), is_bare="|" not in line, needs=((path, content),))


def _missing(draw: Draw) -> Command:
    path = plain_path(draw)
    program = draw.pick(["cat", "cat", "wc -l"])
    return Command(f"{program} {path}", f"{program.split(' ')[0]}: {path}: No such file or directory\n", exit_code=1)


def _silent(draw: Draw) -> Command:
    return draw.pick([Command("true", ""), Command("false", "", exit_code=1), Command(f"test -d {draw.word()}/{draw.word()}", "", exit_code=1), Command(f"sleep 0.{draw.number(1, 3)}", "")])


def plain_path(draw: Draw) -> str:
    """A path of this conversation that needs no quotes."""
    while True:
        path = draw.path(nested=0.15)
        if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./-]*", path):
            return path


_KINDS: list[Callable[[Draw], Command]] = [
    *[_echo] * 7,
    *[_on_file] * 6,
    *[_sorted] * 2,
    *[_echo_twice, _printf, _seq, _seq, _sum, _parts, _upper],
    *[_missing, _silent],
]
