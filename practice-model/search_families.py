"""Requests that list folders, find files by name and by content, and count lines."""

from __future__ import annotations

from episode import Task, polite_unless_question
from phrases import Phrases
from workspace import SimulatedWorkspace

_KINDS = {
    "md": ["markdown", "Markdown"],
    "py": ["Python", "python"],
    "js": ["JavaScript"],
    "txt": ["text"],
    "json": ["JSON", "json"],
    "csv": ["CSV", "csv"],
    "log": ["log"],
    "html": ["HTML"],
    "ts": ["TypeScript"],
}
_LIST_HERE = (
    "List the files here|What files are here?|What is in this folder?|List this folder|Show me the files"
    "|What files do I have?|ls|List the current folder||Which files are in the current directory?|Show what is here"
)
_LIST_FOLDER = (
    "List the files in @|What files are in @?|What is in the folder @?|List @|Show me the files in @"
    "|List the folder @|What is in the @ folder?|Which files are in @?||Look into the @ directory and list it"
    "|Tell me which files the folder @ holds|What does the directory @ contain?"
)
#: `#` is where the place goes, such as ` in the folder notes`.
_GREP = (
    "Search for @#|Which file contains @?|Find the word @#|Which file mentions @?|Where does @ appear#?"
    "|Search for the word @# and tell me the file and line|Grep for @#|Find @# and report the file and the line"
    "|In which file is @?|Look for @#|Find where @ occurs#|Which files contain @?|Tell me which file has @ in it"
    "|Show me where @ is written#||Tell me where @ occurs#|On which line of which file is the word @#?"
    "|Hunt down @#|Is @ mentioned anywhere#?"
)
_COUNT = (
    "How many lines does @ have?|Count the lines in @|How many lines are in @?|Count the lines of @"
    "|Tell me how many lines @ has|Count lines in the file @|What is the number of lines in @?"
    "||Give me the line count of @|How long is @ in lines?|Work out how many lines there are in @"
)


def ls(phrases: Phrases) -> Task:
    at_root = phrases.chance(0.3)
    folder = "." if at_root else phrases.folder()
    count = phrases.random.choice([0, 1, 2, 2, 3, 3, 4, 5])
    request = phrases.pick(_LIST_HERE if at_root else _LIST_FOLDER)
    if not at_root:
        request = request.replace("@", phrases.quote_path(folder))
    workspace = _folder_with_files(phrases, None if at_root else folder, count)
    names = workspace.list_folder(folder)
    where = "This folder" if at_root else folder
    answer = f"{where} holds: {', '.join(names)}" if names else f"{where} is empty."
    if request != "ls":
        request = polite_unless_question(phrases, request)
    return Task(request, [("ls", {"path": folder})], answer, names or ["empty"], workspace)


def _folder_with_files(phrases: Phrases, folder: str | None, count: int) -> SimulatedWorkspace:
    if folder is None:
        return SimulatedWorkspace(_tree(phrases, "", count), style=phrases.style())
    if phrases.chance(0.5):
        workspace = SimulatedWorkspace(_tree(phrases, folder, count), [folder], style=phrases.style())
    else:
        workspace = phrases.workspace(_tree(phrases, folder, count))
    workspace.add_parents(folder + "/x")
    return workspace


def _tree(phrases: Phrases, folder: str, count: int) -> dict[str, str]:
    files: dict[str, str] = {}
    prefix = folder + "/" if folder else ""
    for _ in range(count):
        text = phrases.text(3)
        name = phrases.name() if phrases.chance(0.8) else phrases.word() + "/" + phrases.name()
        files[prefix + name] = text
    return files


def glob(phrases: Phrases) -> Task:
    """Files of one kind, in a folder or anywhere."""
    rng = phrases.random
    extension = rng.choice(list(_KINDS))
    kind = rng.choice(_KINDS[extension])
    folder = phrases.folder(0.05) if phrases.chance(0.35) else None
    files = _files_of_kind(phrases, extension, folder)
    target = _name_kind(phrases, extension, kind)
    verb = phrases.pick("Find|List|Show me|Find me|Search for||Locate|Look for")
    all_of = phrases.pick("all|all|all the|the||every one of the")
    if folder:
        place = f" {phrases.pick('in|under|in the folder||inside')} {folder}"
    else:
        place = phrases.pick("|| here| in this project| in the project")
    request = f"{verb} {all_of} {target}{place}"
    if phrases.chance(0.2):
        start = phrases.pick("Which|What||Do you see any").strip()
        request = f"{start} {target} are " + (f"in {folder}?" if folder else "there?")
    pattern = (folder + "/" if folder else "") + f"**/*.{extension}"
    workspace = SimulatedWorkspace(files, style=phrases.style())
    output = workspace.run("glob", {"pattern": pattern})["output"]
    nothing = output == "no matches"
    answer = "I found no such files." if nothing else "I found: " + output.replace("\n", ", ")
    facts = ["no"] if nothing else output.split("\n")
    request = polite_unless_question(phrases, request)
    return Task(request, [("glob", {"pattern": pattern})], answer, facts, workspace)


def _files_of_kind(phrases: Phrases, extension: str, folder: str | None) -> dict[str, str]:
    rng = phrases.random
    files: dict[str, str] = {}
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        text = phrases.text(3)
        if folder:
            prefix = folder + "/"
        else:
            prefix = "" if phrases.chance(0.6) else phrases.word() + "/"
        files[prefix + phrases.stem() + "." + extension] = text
    for _ in range(rng.randint(0, 2)):
        files[(folder + "/" if folder else "") + phrases.name()] = "x"
    return files


def _name_kind(phrases: Phrases, extension: str, kind: str) -> str:
    if phrases.held_out and phrases.chance(0.4):
        return phrases.random.choice([f"files with the extension .{extension}", f"files of type {extension}"])
    return phrases.random.choice(
        [f"{kind} files", f".{extension} files", f"*.{extension} files", f"files ending in .{extension}"]
    )


def grep(phrases: Phrases) -> Task:
    """A word in files that may or may not hold it."""
    wanted = _wanted_text(phrases)
    folder = phrases.folder(0.05) if phrases.chance(0.3) else None
    files = _files_with(phrases, wanted, folder)
    shown = phrases.quote(wanted) if phrases.chance(0.6) or " " in wanted else wanted
    place = f" in {phrases.pick('|the folder ')}{folder}" if folder else phrases.pick("|| here| in this project")
    request = phrases.pick(_GREP.replace("#", place)).replace("@", shown)
    path = folder if folder and folder in request else "."
    workspace = SimulatedWorkspace(files, style=phrases.style())
    if folder:
        workspace.add_parents(folder + "/x")
    arguments = {"pattern": wanted, "path": path}
    answer, facts = _grep_answer(wanted, workspace.run("grep", arguments)["output"])
    request = polite_unless_question(phrases, request)
    return Task(request, [("grep", arguments)], answer, facts, workspace)


def _wanted_text(phrases: Phrases) -> str:
    if phrases.chance(0.75):
        return phrases.word()
    choices = [phrases.letters(4, 8), phrases.word().upper(), phrases.word() + " " + phrases.word(), "TODO"]
    return phrases.random.choice(choices)


def _files_with(phrases: Phrases, wanted: str, folder: str | None) -> dict[str, str]:
    rng = phrases.random
    hits = rng.choice([0, 1, 1, 1, 1, 2])
    files: dict[str, str] = {}
    for number in range(hits + rng.randint(0, 2)):
        lines = [phrases.text(3) for _ in range(rng.randint(0, 5))]
        if number < hits:
            position = rng.randint(0, len(lines))
            lines.insert(position, rng.choice(_lines_around(phrases, wanted)))
        files[folder + "/" + phrases.name() if folder else phrases.path()] = "\n".join(lines) or "x"
    return files


def _lines_around(phrases: Phrases, wanted: str) -> list[str]:
    return [
        wanted,
        f"{phrases.word()} {wanted}",
        f"{wanted} {phrases.word()}",
        f"{phrases.word()} {wanted} {phrases.word()}",
    ]


def _grep_answer(wanted: str, output: str) -> tuple[str, list[str]]:
    if output == "no matches":
        return f"I did not find {wanted}.", ["not find"]
    hits = [line.split(":")[:2] for line in output.split("\n")]
    facts = [f"{file} on line {number}" for file, number in hits]
    return f"{wanted} is in {', '.join(facts)}.", facts


def count(phrases: Phrases) -> Task:
    path = phrases.path()
    lines = phrases.random.randint(1, 12)
    body = "\n".join(phrases.word() for _ in range(lines)) + "\n"
    request = phrases.pick(_COUNT).replace("@", phrases.quote_path(path))
    answer = f"{path} has {lines} line{'s' if lines > 1 else ''}."
    request = polite_unless_question(phrases, request)
    steps = [("shell", {"command": f"wc -l {path}"})]
    return Task(request, steps, answer, [path, str(lines)], phrases.workspace({path: body}))
