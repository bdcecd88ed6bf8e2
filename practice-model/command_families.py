"""Requests that run commands, use git, keep the todo list and ask for the time."""

from __future__ import annotations

import string

from episode import Task, polite_unless_question
from phrases import Phrases

_RUN = (
    "Run @|Run @ and tell me the output|Run the command @|Execute @|Execute @ and show me the output"
    "|Run @ and tell me what it prints|What does @ print?|Run the shell command @"
    "||Launch @ and report what comes out|Try @ in the shell|What is the output of @?|Start @ and say what it printed"
)
_COMMANDS = [
    "date",
    "pwd",
    "whoami",
    "hostname",
    "uname -a",
    "uptime",
    "node --version",
    "python3 --version",
    "git log",
    "npm test",
    "df -h",
    "ls -la",
    "make",
    "id",
    "env",
    "npm run build",
]
_PROGRAMS = ["cat", "head", "python3", "node", "bash", "git", "npm", "du", "sort"]
_COMMIT = (
    "Commit with the message @|Commit the changes with the message @|Make a commit with message @"
    "|Commit everything with the message @|Git commit with message @|Commit my work as @"
    "||Record a commit saying @|Check in the changes with the message @"
)
_STATUS = (
    "What is the git status?|Show me the git status|Git status|git status|What has changed in git?"
    "|Which files have changed?|Check the git status||Is there anything uncommitted?"
    "|Report the state of the repository"
)
_TODO = (
    "Add @ to my todo list|Add a todo: @|Add the todo @|Put @ on the todo list|Add a task: @"
    "|Remind me of this in my todo list: @|Note a todo: @||Write @ on my list of tasks|Remember the task @"
)
_TIME = (
    "What time is it?|Tell me the time|What is the time?|What's the time?|What is the date today?|What day is it?"
    "|Give me the current time|time?||Do you know what time it is?|Which date is it now?"
)


def shell(phrases: Phrases) -> Task:
    rng = phrases.random
    command, output = _command_with_output(phrases)
    if phrases.chance(0.08):
        output = ""
    quotes = [f"`{command}`"] * 4
    quotes += [f'"{command}"'] if '"' not in command else []
    quotes += [f"'{command}'"] if "'" not in command else []
    quoted = rng.choice(quotes)
    request = phrases.pick(_RUN).replace("@", quoted)
    if phrases.chance(0.2):
        request = phrases.pick("Run|Execute|Run the command|Run this:|Execute the command||Launch") + " " + command
    else:
        request = polite_unless_question(phrases, request)
    answer = f"The command printed: {output}" if output else "The command ran and printed nothing."
    facts = [output] if output else ["nothing"]
    workspace = phrases.workspace(canned={command: output})
    return Task(request, [("shell", {"command": command})], answer, facts, workspace)


def _command_with_output(phrases: Phrases) -> tuple[str, str]:
    rng = phrases.random
    kind = rng.random()
    if kind < 0.3:
        text = phrases.text(4).replace('"', "")
        return "echo " + (text if phrases.chance(0.7) else f'"{text}"'), text
    if kind < 0.5:
        command = rng.choice(_COMMANDS)
        return command, phrases.lines(rng.choice([1, 1, 2]))
    if kind < 0.8:
        program = rng.choice([phrases.word(), phrases.letters(2, 5), *_PROGRAMS])
        command = " ".join([program] + [_command_argument(phrases) for _ in range(rng.randint(0, 3))])
        return command, phrases.lines(rng.choice([1, 1, 2]))
    command = f"{rng.choice(['node', 'python3', 'bash', 'sh'])} {phrases.path()}"
    return command, phrases.text(4)


def _command_argument(phrases: Phrases) -> str:
    rng = phrases.random
    choices = [
        phrases.word(),
        "-" + rng.choice(string.ascii_lowercase),
        "--" + phrases.word(),
        phrases.path(),
        str(rng.randint(1, 99)),
    ]
    return rng.choice(choices)


def commit(phrases: Phrases) -> Task:
    message = phrases.text(5)
    workspace = phrases.workspace()
    request = phrases.polite(phrases.pick(_COMMIT).replace("@", phrases.quote(message)))
    answer = f"I committed the changes with the message: {message}"
    return Task(request, [("git_commit", {"message": message})], answer, [message], workspace)


def status(phrases: Phrases) -> Task:
    rng = phrases.random
    workspace = phrases.workspace()
    report = rng.choice(["nothing to commit, working tree clean", None, None])
    if report is None:
        lines = range(rng.randint(1, 3))
        report = "\n".join(f"{rng.choice([' M', '??', 'A ', ' D'])} {phrases.path()}" for _ in lines)
    workspace.extra["status"] = report
    request = polite_unless_question(phrases, phrases.pick(_STATUS))
    return Task(request, [("git_status", {})], f"Git says: {report}", [report], workspace)


def todo(phrases: Phrases) -> Task:
    text = phrases.text(6)
    request = phrases.pick(_TODO)
    request = phrases.polite(request.replace("@", phrases.quote(text) if phrases.chance(0.8) else text))
    answer = f"I added to the list: {text}"
    return Task(request, [("todo_add", {"text": text})], answer, [text], phrases.workspace())


def time(phrases: Phrases) -> Task:
    rng = phrases.random
    workspace = phrases.workspace()

    def date() -> str:
        return f"{rng.randint(2024, 2031)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"

    def minutes() -> str:
        return f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}"

    def seconds() -> str:
        return f"{minutes()}:{rng.randint(0, 59):02d}"

    now = rng.choice([f"{date()} {minutes()}", seconds(), f"{date()}T{seconds()}Z"])
    workspace.extra["time"] = now
    request = polite_unless_question(phrases, phrases.pick(_TIME))
    return Task(request, [("get_time", {})], f"It is {now}.", [now], workspace)
