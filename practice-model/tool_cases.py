"""Calls whose simulated results are compared with those of the real tools, in workspaces of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Scenario:
    """Calls in a row. `files`: content by path, a folder has a slash at its end; `settings`: of the workspace."""

    name: str
    calls: list[Call]
    files: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def read(path: str) -> Call:
    return "read", {"path": path}


def write(path: str, content: str) -> Call:
    return "write", {"path": path, "content": content}


def edit(path: str, old: str, new: str) -> Call:
    return "edit", {"path": path, "old": old, "new": new}


def ls(path: str) -> Call:
    return "ls", {"path": path}


def glob(pattern: str) -> Call:
    return "glob", {"pattern": pattern}


def grep(pattern: str, path: str = ".") -> Call:
    return "grep", {"pattern": pattern, "path": path}


def mkdir(path: str) -> Call:
    return "mkdir", {"path": path}


def shell(command: str) -> Call:
    return "shell", {"command": command}


def git_add(*paths: str) -> Call:
    return "git_add", {"paths": list(paths)}


def git_commit(message: str) -> Call:
    return "git_commit", {"message": message}


STATUS: Call = ("git_status", {})
DIFF: Call = ("git_diff", {})
STAGED: Call = ("git_diff", {"staged": True})

_FILES = {
    "readme.md": "# Hi\n\nBuy milk today.\n",
    "notes/todo list.txt": "b\na",
    "notes/café.txt": "été “où” 日本\n",
    "notes/it's.txt": "it's \"quoted\" \\ here\n",
    "src/app.py": "print(1)\nprint(2)\n",
    "empty.txt": "",
    "blank.txt": "\n",
    "void/": "",
    "Zed.txt": "A.b\n",
    ".hidden.txt": "milk\n",
    "10.txt": "m",
    "9.txt": "m",
    "a-b.txt": "x",
    "a/x.txt": "milk\n",
}
_LONG = "".join(f"line {number} of a long file with \"quotes\"\n" for number in range(1, 120))

FILE_SCENARIOS = [
    Scenario(
        "read",
        [
            *map(read, ["readme.md", "./readme.md", "notes/café.txt", "notes/it's.txt", "notes/todo list.txt"]),
            *map(read, ["blank.txt", "empty.txt", "readm.md", "README.md", "zzz.md", "notes", "notes/", "app.py"]),
            *map(read, ["no/app.py", "no/x.md", "../x.txt", "/etc/passwd", "~/x", "readme.md/x", "todo_list.txt"]),
            *map(read, ["notes/cafe.txt", "https://a.b/c"]),
        ],
        _FILES,
    ),
    Scenario("read long files", [read("long.txt"), read("wide.txt"), read("full.txt")], {
        "long.txt": _LONG, "wide.txt": "wörd " * 500, "full.txt": "a \"b\"\n" * 270,
    }),
    Scenario(
        "write",
        [
            write("new.txt", "hello"),
            write("new.txt", "hello\nyou\n"),
            write("deep/er/x y.txt", "é\n"),
            write("./dot.txt", ""),
            write("naïve \"q\".txt", "“x”\n\n"),
            read("new.txt"),
            write("notes", "x"),
            write("../out.txt", "x"),
            write("/tmp/out.txt", "x"),
            write("readme.md/x.txt", "x"),
            write(".lmagent/x", "x"),
            ls("."),
            ls("deep"),
        ],
        {"readme.md": "a\n", "notes/a.txt": "a"},
    ),
    Scenario(
        "edit",
        [
            edit("readme.md", "milk", "bread and “jam”"),
            read("readme.md"),
            edit("readme.md", "cheese", "x"),
            edit("readme.md", "milk", "bread and “jam”"),
            edit("src/app.py", "print", "echo"),
            edit("nope.txt", "a", "b"),
            edit("readme.md", "Hi", "Hi"),
            edit("readme.md", "", "b"),
            edit("notes", "a", "b"),
            edit("readme.md", "Buy  bread", "b"),
            edit("src/app.py", "print(3)", "print(2)"),
            edit("empty.txt", "a", "b"),
        ],
        _FILES,
    ),
    Scenario(
        "look around",
        [
            *map(ls, [".", "notes", "notes/", "void", "zork", "note", "readme.md", ".."]),
            *map(glob, ["**/*.md", "*.txt", "notes/*.txt", "notes/**", "*.zzz", "**/app.py", "*todo*", "src/"]),
            *map(glob, ["?.txt", "no/*", "[0-9]*.txt", "{src,a}/*", "*", "notes", "../*"]),
            *map(grep, ["milk", "PRINT", "print(", "print(1)", "a.b", "été", "", "it's", "?"]),
            *[grep("print", "src"), grep("print", "src/app.py"), grep("milk", "none"), grep("milk", "note")],
            *[grep("“où”", "notes/café.txt"), grep("a", "notes/todo list.txt")],
        ],
        _FILES,
    ),
    Scenario("long listings", [ls("."), glob("*.txt"), grep("same")], {
        f"a rather long name of a file {number}.txt": "the same line again and again\n" for number in range(60)
    }),
    Scenario(
        "folders",
        [
            *map(mkdir, ["new", "new", "a/b/c", "readme.md", "../q", "readme.md/x", "./k/", "my folder", "été"]),
            ls("."),
        ],
        {"readme.md": "a\n"},
    ),
]

TODO_SCENARIO = Scenario(
    "todos and time",
    [
        ("todo_list", {}),
        ("todo_complete", {"todo_id": 1}),
        ("todo_add", {"text": "buy “milk” at 5"}),
        ("todo_add", {"text": " call bob "}),
        ("todo_list", {}),
        ("todo_complete", {"todo_id": 1}),
        ("todo_complete", {"todo_id": 1}),
        ("todo_complete", {"todo_id": 9}),
        ("todo_complete", {"todo_id": 2}),
        ("todo_list", {}),
        ("todo_add", {"text": " "}),
        ("get_time", {}),
    ],
    settings={"time": "2031-11-05 07:09"},
)

_STEPS = [{"description": "Write a.txt"}, {"description": "Read it", "verification": "it says hi"}]
_PLAN: Call = ("plan_propose", {"title": "Say hi", "steps": _STEPS})
PLAN_SCENARIOS = [
    Scenario(
        "a plan",
        [
            ("plan_complete_step", {"step_id": 1}),
            _PLAN,
            ("plan_complete_step", {"step_id": 7}),
            ("plan_complete_step", {"step_id": 1}),
            ("plan_complete_step", {"step_id": 1}),
            ("plan_complete_step", {"step_id": 2}),
            ("plan_complete_step", {"step_id": 2}),
        ],
    ),
    Scenario("a rejected plan", [_PLAN], settings={"plan rejected": "not now"}),
    Scenario("a plan rejected without a word", [_PLAN], settings={"plan rejected": ""}),
]

DENIED_SCENARIOS = [
    Scenario(
        "denied calls",
        [write("a.txt", "x"), shell("rm b.txt"), mkdir("c"), read("b.txt"), git_commit("x")],
        {"b.txt": "b\n"},
        {"denied": ["write", "shell", "mkdir", "git_commit"]},
    ),
    Scenario("denied with a word", [edit("b.txt", "b", "c")], {"b.txt": "b\n"}, {"denied": {"edit": "leave it"}}),
    Scenario("a tool that is not there", [("fly", {"to": "the moon"})]),
]

_GIT_FILES = {
    "a.txt": "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
    "b b.txt": "x",
    "é.txt": "q\n",
    "d/c.txt": "z\n",
    "d/e.txt": "z\n",
    "empty.txt": "",
}
_LINES = "".join(f"line {number}\n" for number in range(30))
GIT_SCENARIOS = [
    Scenario("no repository", [STATUS, DIFF, git_add("a.txt"), git_commit("x")], {"a.txt": "1\n"}),
    Scenario(
        "a new repository",
        [
            *[STATUS, DIFF, git_commit("x"), git_add("a.txt"), STATUS, STAGED],
            *[git_commit("First"), STATUS, git_commit("Again")],
        ],
        {"a.txt": "1\n"},
        {"git": "new"},
    ),
    Scenario(
        "a repository",
        [
            *[STATUS, DIFF, STAGED, git_commit("x")],
            *[git_add("a.txt"), git_add("nope.txt"), git_add("*.txt"), git_add()],
            *[write("a.txt", "1\n2\n3\nfour\n5\n6\n7\n8\n9\n"), write("b b.txt", "y"), write("é.txt", "q\nr\n")],
            *[write("new.txt", "n\n"), write("nd/new 1.txt", "n\n"), shell("rm d/c.txt")],
            *[STATUS, DIFF, ("git_diff", {"path": "a.txt"}), git_commit("x"), git_add("a.txt"), STATUS],
            *[git_add("new.txt", "nd"), STATUS, STAGED, git_add("d/c.txt"), STATUS],
            *[git_commit("Change a, “add” \"new\""), STATUS, DIFF, git_add("."), STATUS],
            *[git_commit("All the\nrest\n\nbody"), STATUS, git_commit("none"), git_commit(" "), git_add(".")],
            *[shell("mv a.txt moved.txt"), STATUS, git_add("."), STATUS, STAGED, git_commit("Move")],
            *[write("moved.txt", "all new\n"), git_add("moved.txt"), write("moved.txt", "all newer\n"), STATUS, DIFF],
            *[shell("rm moved.txt"), STATUS, git_add("moved.txt"), STATUS],
            *[write("empty.txt", "x\n"), write("nd/new 1.txt", ""), DIFF, mkdir("hollow"), STATUS, git_add("hollow")],
            *[write("x/y/z.txt", ""), write("d/y/z.txt", ""), STATUS, git_add("a.txt", "x")],
        ],
        _GIT_FILES,
        {"git": True},
    ),
    Scenario(
        "a repository with changes",
        [STATUS, DIFF, STAGED, git_add("a.txt"), STAGED, git_commit("Both"), STATUS, git_add("."), STATUS],
        {"a.txt": f"{_LINES}end\n", "b.txt": "new\n", "c d.txt": "c\n", "say \"x\".txt": "1"},
        {
            "git": True,
            "committed": {"a.txt": _LINES, "b.txt": "old\n", "c d.txt": None, "gone.txt": "g"},
            "staged": ["b.txt"],
        },
    ),
    Scenario(
        "long differences",
        [DIFF],
        {"a.txt": "".join(f"this is the new line {number}\n" for number in range(60))},
        {"git": True, "committed": {"a.txt": "".join(f"this is the old line {number}\n" for number in range(60))}},
    ),
]

_SHELL_FILES = {**_FILES, "d/sub/x.txt": "1\n2\n3\n", "run.sh": "echo hi\n", "my file.txt": "one\ntwo\nthree\n"}
#: None that print both a result and an error: which of them comes first is chance.
_READING_COMMANDS = r"""
wc -l readme.md
wc -l 'notes/todo list.txt'
wc -l nope.txt
wc -l 'no pe.txt'
wc -w readme.md
cat readme.md
cat 'notes/todo list.txt'
cat nope.txt
cat 'no pe.txt'
cat notes
cat empty.txt
echo hi there
echo 'a  b “c”'
echo -n x
printf hello
echo
pwd
date
true
false
exit 3
head -n 2 readme.md
head -2 readme.md
head readme.md
tail -n 1 'my file.txt'
head nope
tail 'no pe'
sort 'notes/todo list.txt'
sort -r d/sub/x.txt
sort nope
ls
ls notes
ls nope
ls void
ls readme.md
ls 'my file.txt'
frobnicate
frobnicate --all x
./build.sh
./run.sh
echo 'open
ls notes | wc -l
cat readme.md | wc -l
wc -l < readme.md
sort 'my file.txt' | head -n 1
cat notes/it\'s.txt
echo a && echo b
false && echo b
awk 'END {print NR}' 'my file.txt'
awk 'END {print NR}' 'notes/todo list.txt'
awk 'END {print NR}' nope.txt
awk 'END {print NR}' 'no pe.txt'
awk 'END {print NR}' empty.txt
head notes
sort notes
"""
_CHANGING_COMMANDS = r"""
cp readme.md copy.md
cp nope.txt x.txt
cp readme.md no/x.md
cp readme.md notes
cp readme.md no/
cp notes n2
cp -r notes n2
cp readme.md readme.md
cp 'no pe.txt' x.txt
cp 'nope'\''s.txt' x.txt
cp 'nopé.txt' x.txt
cp 'notes/it'\''s.txt' q.txt
cp 'my file.txt' 'your file.txt'
cat q.txt
mv copy.md moved.md
mv nope.txt x.txt
mv moved.md no/x.md
mv moved.md notes/
mv n2 n3
mv n3 notes
mv readme.md readme.md
mv q.txt no/
mv 'my file.txt' 'a new name.txt'
mv a a/b
ls notes/n3
ls
rm q.txt
rm nope.txt
rm notes
rm -r notes/n3
rm -r nope
rm -f nope
rm -rf nope
rm 'no pe'
rm 9.txt nope 10.txt
rmdir void
rmdir d
rmdir nope
mkdir -p q/w/e
mkdir q
mkdir z/y
mkdir 'a b'
touch t.txt
touch no/t.txt
echo hi > out.txt
echo 'and more' >> out.txt
cat out.txt
echo hi >> no/out.txt
echo hi > notes
rm -r d
ls q
ls
"""


def shells(lines: str) -> list[Call]:
    """One call a line."""
    return [shell(line) for line in lines.strip().split("\n")]


SHELL_SCENARIOS = [
    Scenario("commands that read", shells(_READING_COMMANDS), _SHELL_FILES),
    Scenario(
        "commands that change files",
        [*shells(_CHANGING_COMMANDS), ls("."), ls("notes"), read("out.txt"), read("your file.txt")],
        _SHELL_FILES,
    ),
]

SCENARIOS = [*FILE_SCENARIOS, TODO_SCENARIO, *PLAN_SCENARIOS, *DENIED_SCENARIOS, *GIT_SCENARIOS, *SHELL_SCENARIOS]
