"""Commands of all kinds with made-up output: what a model has to copy, whatever it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from ..draw import Draw
from .commands_outputs import draw_failure, draw_output, name_plainly


@dataclass(frozen=True)
class Command:
    """A shell line and what it prints."""

    line: str
    output: str
    exit_code: int = 0
    #: Whether it may stand inside a sentence without quotes.
    is_bare: bool = True
    #: Files that have to be there: content by path.
    needs: tuple[tuple[str, str], ...] = ()


_PLAIN = """
date|whoami|hostname|pwd|id|uptime|uname -a|uname -r|env|df -h|df -h /|free -m|ps|ps aux|ls|ls -l|ls -la|ls -lah|ls -a|make|make test|make build
make clean|make all|npm test|npm run build|npm run lint|npm start|npm install|npm ls|npm outdated|npm --version|node --version|node -v|python --version
python3 --version|python3 -V|pip list|pip --version|pytest|pytest -q|pytest -x|go version|go test ./...|go build|cargo build|cargo test|cargo --version
rustc --version|gcc --version|java -version|git log|git log --oneline|git log --oneline -n 5|git log -1|git branch|git remote -v|git --version
git stash list|git tag|docker ps|docker images|docker --version|tree|cal|history|printenv PATH|which node|which python3|which git|top -b -n 1|du -sh|du -sh .
lscpu|lsblk|nproc|groups|last|w|locale|mount|ip addr|ifconfig|netstat -tlnp|arch|tty|jobs|crontab -l|yarn test|yarn build|pnpm install|deno --version
bun test|ruby -v|php -v|perl -v|dotnet --info|mvn test|gradle build|cmake --version|tsc --noEmit|eslint .|prettier --check .|npx tsc|npx vitest run
mypy .|ruff check|black --check .|flake8|tox|terraform plan|kubectl get pods|helm list|systemctl status|journalctl -n 5|dmesg|sensors|vmstat|iostat
echo $HOME|echo $PATH|echo $USER|echo $SHELL|cat /etc/hostname|cat /etc/os-release|cat /proc/cpuinfo|ls /tmp|ls ~|ls ..|find . -type f|find . -name "*.md"
""".replace("\n", "|").split("|")
PLAIN = [one for one in _PLAIN if one]
PROGRAMS = (
    "cat head tail sort uniq python3 python node bash git npm npx du wc make cargo go docker ruby perl php curl find grep sed awk diff stat file tar "
    "java pip pytest deno bun ls kubectl ssh ping rsync jq tsc mvn"
).split()
_RUNNERS = ["python3", "python", "node", "bash", "sh", "ruby", "perl", "php", "deno run", "bun", "npx tsx", "go run", "java -jar"]


def canned_command(draw: Draw) -> Command:
    """A command whose output nobody can foresee."""
    kind = draw.random.random()
    if kind < 0.3:
        line, bare = draw.pick(PLAIN), True
    elif kind < 0.85:
        line, bare = draw.pick(_KINDS)(draw)
    else:
        line, bare = _combined(draw)
    if " > " in line:
        return Command(line, "", 0, bare)
    if draw.chance(0.06):
        return Command(line, draw_failure(draw), draw.pick([1, 1, 1, 2, 3, 64, 126]), bare)
    return Command(line, draw_output(draw, line), 0, bare)


def unknown_program(draw: Draw) -> Command:
    """A program that does not exist."""
    name = draw.invented_word() if draw.chance(0.7) else draw.letters(4, 8) + "x"
    line = name + draw.pick(["", "", f" -{draw.letters(1, 1)}", f" --{draw.word()}", f" {draw.word()}", " --version"])
    return Command(line, f"/bin/sh: 1: {name}: not found\n", 127)


# Lines

Line = tuple[str, bool]


def _program(draw: Draw) -> Line:
    program = draw.pick([draw.word(), draw.letters(2, 5), draw.pick(PROGRAMS), draw.pick(PROGRAMS)])
    return " ".join([program, *(_argument(draw) for _ in range(draw.number(1, 3)))]), True


def _script(draw: Draw) -> Line:
    runner = draw.pick(_RUNNERS)
    extension = {"python3": "py", "python": "py", "node": "js", "bash": "sh", "sh": "sh", "ruby": "rb"}.get(runner)
    path = name_plainly(draw, extension)
    arguments = [_argument(draw) for _ in range(draw.pick([0, 0, 0, 1, 1, 2]))]
    return " ".join([runner, path, *arguments]), True


def _local_program(draw: Draw) -> Line:
    path = name_plainly(draw, draw.pick(["sh", "sh", "py", "out"]))
    return " ".join([f"./{path}", *(_argument(draw) for _ in range(draw.pick([0, 0, 1])))]), True


def _one_liner(draw: Draw) -> Line:
    """Code on the command line."""
    a, b, word = draw.number(1, 999), draw.number(1, 99), draw.word()
    return draw.pick([
        f'python3 -c "print({a} * {b})"', f"python3 -c 'print({a} + {b})'", f"node -e 'console.log({a} % {b})'",
        f"python3 -c \"print('{word}')\"", f'node -p "{a} * {b}"', f"perl -e 'print {a} / {b}'", f"awk 'BEGIN {{print {a}-{b}}}'",
        f'echo "{a} * {b}" | bc', f"expr {a} + {b}", f"echo $(({a} + {b}))", f"date +%Y-%m-%d", f"date '+%H:%M'", f"node -p process.version",
        f"bash -c 'echo {word}; echo {draw.word()}'", f"for i in 1 2 3; do echo {word}; done", f"ruby -e 'puts \"{word}\"'",
    ]), False


def _search(draw: Draw) -> Line:
    word, path = draw.word(), name_plainly(draw)
    return draw.pick([
        f"grep -rn {word} .", f"grep -i {word} {path}", f"grep -c {word} {path}", f"grep -rl {word} {draw.word()}", f'grep "{word}" *.{draw.extension()}',
        f"find . -name '*.{draw.extension()}'", f"find {draw.word()} -type f", f"find . -name {word}.{draw.extension()}", f"rg {word}", f"rg -n {word} {draw.word()}",
        f"ls {draw.word()}", f"ls -l {path}", f"ls *.{draw.extension()}", f"locate {word}", f"which {word}", f"stat {path}", f"file {path}", f"du -sh {draw.word()}",
        f"wc -l *.{draw.extension()}", f"wc {path}", f"diff {path} {name_plainly(draw)}", f"md5sum {path}", f"sha256sum {path}", f"tree {draw.word()}",
    ]), True


def _web(draw: Draw) -> Line:
    host = draw.pick(["localhost:8080", "localhost:3000", "127.0.0.1:5000", f"localhost:{draw.number(1000, 9999)}", "example.com", f"{draw.word()}.example.org"])
    path = draw.pick(["", "/health", "/api/status", f"/{draw.word()}", f"/api/{draw.word()}/{draw.number(1, 99)}", f"/{draw.word()}?id={draw.number(1, 999)}"])
    return draw.pick([
        f"curl {host}{path}", f"curl -s {host}{path}", f"curl -s http://{host}{path}", f"curl -I https://{host}{path}", f'curl -X POST "http://{host}{path}"',
        f"wget -qO- http://{host}{path}", f"ping -c 1 {host.split(':')[0]}", f"nc -z {host.replace(':', ' ')}",
    ]), True


def _git(draw: Draw) -> Line:
    count, path, word = draw.number(1, 20), name_plainly(draw), draw.word()
    return draw.pick([
        f"git log --oneline -n {count}", f"git log -n {count}", f"git log --oneline -{count}", f"git log -- {path}", f"git blame {path}", f"git show HEAD~{count}",
        "git show --stat", "git shortlog -sn", f"git branch {word}", f"git checkout -b {word}", f"git switch {word}", f"git diff --stat", f"git rev-parse HEAD",
        f"git tag v{draw.number(0, 9)}.{draw.number(0, 20)}", f"git log --author={draw.person()}", f"git grep {word}", "git remote show origin", "git stash",
        f"git merge {word}", "git fetch --all", "git pull", f"git reset {path}", "git init", f"git config user.name", "git rev-list --count HEAD",
    ]), True


def _packages(draw: Draw) -> Line:
    word = draw.word()
    return draw.pick([
        f"npm run {word}", f"npm install {word}", f"npm view {word} version", f"npx {word}", f"npm test -- {word}", f"pip install {word}", f"pip show {word}",
        f"pytest tests/test_{word}.py", f"pytest -k {word}", f"python3 -m {word}", "python3 -m pytest", "python3 -m unittest", f"cargo run -- {word}", f"cargo add {word}",
        f"make {word}", f"make -j{draw.number(2, 16)} {word}", f"docker run {word}", f"docker logs {word}", f"docker compose up {word}", f"kubectl logs {word}",
        f"go get {word}", f"go run {word}.go", f"yarn add {word}", f"apt list {word}", f"brew install {word}", f"gem list {word}", f"node {word}.js --{draw.word()}={draw.number(1, 99)}",
    ]), True


_KINDS: list[Callable[[Draw], Line]] = [_program, _program, _script, _script, _local_program, _one_liner, _search, _web, _git, _packages]


def _combined(draw: Draw) -> Line:
    """Pipes and commands in a row."""
    path, word = name_plainly(draw), draw.word()
    first = draw.pick([draw.pick(PLAIN), _script(draw)[0], _program(draw)[0], f"cat {path}"])
    return draw.pick([
        f"cat {path} | sort | uniq -c", f"cat {path} | wc -l", f"{first} | head -n {draw.number(1, 20)}", f"{first} | tail -{draw.number(1, 20)}", f"{first} | grep {word}",
        f"{first} | sort", f"{first} && {_program(draw)[0]}", f"{first} && echo {word}", f"{first} || echo {word}", f"{first}; {draw.pick(PLAIN)}", f"cd {word} && {first}",
        f"{first} > {path}", f"{first} 2>&1", f"{word.upper()}={draw.number(1, 99)} {first}", f"ls -la | awk '{{print ${draw.number(1, 9)}}}'", f"cut -d, -f{draw.number(1, 5)} {path}",
        f"sort -k {draw.number(1, 4)} {path} | head", f"sed -n {draw.number(1, 5)},{draw.number(6, 20)}p {path}", f"sed 's/{word}/{draw.word()}/' {path}", f"time {first}",
        f"{first} | grep -v \"{word} {draw.word()}\"", f"ps aux | grep {word}", f"find . -name '*.{draw.extension()}' | wc -l", f"tr a-z A-Z < {path}", f"cat {path} | jq .{word}",
    ]), draw.chance(0.3)


def _argument(draw: Draw) -> str:
    return draw.pick([
        draw.word(), draw.word(), f"-{draw.letters(1, 1)}", f"-{draw.letters(2, 3)}", f"--{draw.word()}", f"--{draw.word()}-{draw.word()}",
        f"--{draw.word()}={draw.word()}", f"--{draw.word()}={draw.number(1, 9999)}", name_plainly(draw), name_plainly(draw), str(draw.number(1, 999)),
        f"{draw.word()}/", ".", f"{draw.number(0, 9)}.{draw.number(0, 99)}",
    ])
