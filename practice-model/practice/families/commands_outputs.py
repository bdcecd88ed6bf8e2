"""What commands print: made-up outputs of the usual forms."""

from __future__ import annotations

from typing import Callable

from ..draw import Draw


def name_plainly(draw: Draw, extension: str | None = None) -> str:
    """A path that needs no quotes; the file need not be there."""
    name = f"{draw.word()}{draw.pick(['', '', '', '_' + draw.word(), '-' + draw.word(), str(draw.number(1, 99))])}.{extension or draw.extension()}"
    return f"{draw.pick(['src', 'tests', 'scripts', 'docs', draw.word()])}/{name}" if draw.chance(0.25) else name


def draw_output(draw: Draw, line: str) -> str:
    """What it prints: often something that fits the command, often anything, and now and then nothing."""
    if draw.chance(0.07):
        return ""
    fitting = _fitting(draw, line) if draw.chance(0.6) else None
    text = fitting or draw.pick(_OUTPUTS)(draw)
    return text + ("\n" if draw.chance(0.93) else "")


def _fitting(draw: Draw, line: str) -> str | None:
    """Output of the usual form of a well-known command."""
    program = line.split(" ")[0]
    if "version" in line or line.endswith((" -v", " -V")):
        number = f"{draw.number(0, 24)}.{draw.number(0, 30)}.{draw.number(0, 20)}"
        return draw.pick([f"v{number}", number, f"{program} {number}", f"{program.capitalize()} {number}", f"{program} version {number}"])
    if program in ("whoami", "hostname", "tty", "arch"):
        return draw.pick([draw.word(), draw.person().lower(), draw.letters(4, 10)])
    if program == "date":
        return _date(draw)
    if program == "pwd" or program == "which":
        return "/" + "/".join(draw.word() for _ in range(draw.number(1, 4)))
    if program in ("df", "free", "ps", "docker", "kubectl"):
        return _table(draw)
    if line.startswith("ls -l"):
        return _long_listing(draw)
    if program in ("ls", "find", "locate"):
        return "\n".join(name_plainly(draw) for _ in range(draw.number(1, 10)))
    if line.startswith(("git log", "git stash list", "git blame")):
        return "\n".join(f"{_hash(draw)} {draw.text(6)}" for _ in range(draw.number(1, 8)))
    if line.startswith("git branch"):
        return "\n".join(f"{'*' if index == 0 else ' '} {draw.word()}" for index in range(draw.number(1, 4)))
    if program in ("grep", "rg"):
        return "\n".join(f"{name_plainly(draw)}:{draw.number(1, 300)}:{draw.text(6)}" for _ in range(draw.number(1, 5)))
    if program in ("npm", "pytest", "make", "cargo", "go", "npx", "yarn", "tox", "bun"):
        return _tests(draw)
    if program in ("curl", "wget"):
        return draw.pick(["OK", '{"status":"ok"}', f'{{"{draw.word()}":"{draw.word()}","{draw.word()}":{draw.number(0, 999)}}}', draw.text(8), "HTTP/1.1 200 OK"])
    if program in ("wc", "du", "expr"):
        return f"{draw.number(0, 99999)}{draw.pick(['', 'K', 'M'])}\t{draw.word()}" if program == "du" else _figure(draw)
    return None


def _table(draw: Draw) -> str:
    """Columns with spaces between them."""
    widths = [draw.number(5, 14) for _ in range(draw.number(2, 5))]
    rows = [[draw.word().upper() for _ in widths]]
    for _ in range(draw.number(1, 5)):
        rows.append([draw.pick([draw.word(), _figure(draw), f"{draw.number(0, 100)}%", f"{draw.number(1, 99)}G"]) for _ in widths])
    return "\n".join(" ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _long_listing(draw: Draw) -> str:
    rows = [f"total {draw.number(4, 400)}"]
    for _ in range(draw.number(1, 4)):
        mode = draw.pick(["drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x"])
        owner = draw.pick(["root", draw.person().lower()])
        when = f"{draw.pick(['Jan', 'Mar', 'May', 'Aug', 'Nov'])} {draw.number(1, 28):2d} {draw.number(0, 23):02d}:{draw.number(0, 59):02d}"
        rows.append(f"{mode} {draw.number(1, 9)} {owner} {owner} {draw.number(0, 99999):5d} {when} {name_plainly(draw)}")
    return "\n".join(rows)


def _date(draw: Draw) -> str:
    day, month = draw.pick("Mon Tue Wed Thu Fri Sat Sun".split()), draw.pick("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
    clock = f"{draw.number(0, 23):02d}:{draw.number(0, 59):02d}:{draw.number(0, 59):02d}"
    return f"{day} {month} {draw.number(1, 28):2d} {clock} {draw.pick(['UTC', 'CET', 'PST'])} {draw.number(2024, 2033)}"


def _tests(draw: Draw) -> str:
    passed, failed = draw.number(0, 900), draw.number(0, 20)
    seconds = f"{draw.number(0, 90)}.{draw.number(0, 99):02d}s"
    return draw.pick([
        f"{passed} passed in {seconds}", f"{passed} passed, {failed} failed", f"Tests: {failed} failed, {passed} passed, {passed + failed} total", "All tests passed.",
        f"ok {draw.number(1, 40)} - {draw.text(4)}", f"Ran {passed} tests in {seconds}\n\nOK", f"> {draw.word()}@{draw.number(0, 9)}.{draw.number(0, 9)}.0 test\n> vitest run\n\n{passed} passed",
        f"Compiling {draw.word()}\nFinished in {seconds}", f"make: Nothing to be done for '{draw.word()}'.", f"gcc -o {draw.word()} {draw.word()}.c", f"Build succeeded in {seconds}",
        f"added {passed} packages in {draw.number(1, 60)}s", f"✓ {draw.text(4)}\n✗ {draw.text(4)}\n{passed} of {passed + failed}",
    ])


def _figure(draw: Draw) -> str:
    return draw.pick([
        str(draw.number(0, 99)), str(draw.number(0, 9999999)), f"{draw.number(0, 999)}.{draw.number(0, 99999)}", f"-{draw.number(1, 999)}", "3.14159", "1234567",
        f"{draw.number(1, 9)}e{draw.number(2, 30)}", f"0x{draw.number(0, 99999):x}", str(draw.number(10**9, 10**14)),
    ])


def _hash(draw: Draw) -> str:
    return "".join(draw.pick("0123456789abcdef") for _ in range(7))


def _numbered(draw: Draw) -> str:
    return "\n".join(f"{draw.number(1, 9999):7d} {draw.word()}" for _ in range(draw.number(1, 6)))


def _log(draw: Draw) -> str:
    return "\n".join(
        f"[{draw.number(0, 23):02d}:{draw.number(0, 59):02d}:{draw.number(0, 59):02d}] {draw.pick(['INFO', 'WARN', 'ERROR', 'DEBUG'])} {draw.text(6)}" for _ in range(draw.number(1, 5))
    )


def _settings(draw: Draw) -> str:
    return "\n".join(f"{draw.word().upper()}={draw.pick([draw.word(), _figure(draw), '/' + draw.word()])}" for _ in range(draw.number(1, 6)))


def _list_or_object(draw: Draw) -> str:
    return draw.pick([
        "[" + ", ".join(str(draw.number(0, 99)) for _ in range(draw.number(1, 8))) + "]", f'{{"{draw.word()}": {draw.number(0, 99)}, "{draw.word()}": "{draw.text(3)}"}}',
        f"['{draw.word()}', '{draw.word()}']", f"({_figure(draw)}, {_figure(draw)})", "True", "False", "None", "null", "undefined",
    ])


_OUTPUTS: list[Callable[[Draw], str]] = [
    *[lambda draw: draw.text(8)] * 8,
    *[_figure] * 3,
    *[lambda draw: draw.lines(2, 5)] * 4,
    lambda draw: draw.lines(6, 20, 4),
    lambda draw: draw.long_text(12, 35),
    lambda draw: draw.foreign_text(),
    *[_list_or_object] * 2,
    *[_table, _numbered, _log, _settings, _date],
    lambda draw: "\n".join(_figure(draw) for _ in range(draw.number(2, 8))),
]


def draw_failure(draw: Draw) -> str:
    word, path = draw.word(), name_plainly(draw)
    last = draw.pick([
        f"Error: Cannot find module './{word}'", f"error: unknown option '--{word}'", f"{path}: Permission denied", f"{path}: No such file or directory", f"fatal: {draw.text(6)}",
        f"ModuleNotFoundError: No module named '{word}'", f"make: *** No rule to make target '{word}'.  Stop.", f'npm error Missing script: "{word}"', f"SyntaxError: {draw.text(5)}",
        f"{draw.number(1, 30)} failed", f"ValueError: {draw.text(5)}", f"curl: (7) Failed to connect to localhost port {draw.number(80, 9999)}", f"Error: {draw.text(6)}", draw.text(8),
    ])
    return "\n".join([*(draw.text(6) for _ in range(draw.pick([0, 0, 0, 1, 2]))), last]) + "\n"
