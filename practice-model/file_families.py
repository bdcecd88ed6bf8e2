"""Requests that create, change, read, copy, move and delete files."""

from __future__ import annotations

from episode import Task, polite_unless_question
from phrases import Phrases

_CREATE = "Create|Make|Write|Add|Create|Make|Start|Build|Prepare|New file:||Generate|Produce"
_A_FILE = "a file|a new file|a text file|the file|file||a document|one file"
_CONTAINING = (
    "containing|with the content|with the text|that says|with|with content|and put|holding|with this text:"
    "|and write in it|with the line|which says|with the words|that holds|having the content|saying"
    "||whose content is|that contains|reading"
)
_READ = (
    "What is in @?|What does @ say?|What's in @?|Read @ and tell me what it says|Show me @|Read @"
    "|What does the file @ contain?|Open @ and tell me what is in it|Tell me what is in @"
    "|Show me the content of @|Print @|Could I see @?|Look at @|Look inside @ and tell me the text"
    "|What have I written in @?|Check @ and tell me what is there|Say what @ contains|See what is in @|Read out @"
    "|Read the file @ and say what it holds|What are the contents of @?||Have a look at @ and report what it says"
    "|What text is inside @?|Display @|I want to know what @ says|Give me the contents of @"
)
_COPY = (
    "Copy @ to %|Copy the content of @ to %|Copy @ into %|Read @ and write its content to %|Make a copy of @ called %"
    "|Copy the text of @ into a new file %|Copy file @ to file %|I need a copy of @ named %|Clone @ to %"
    "|Take what is in @ and put it in %|Save a copy of @ as %||Duplicate @ as %|Write whatever @ holds into %"
    "|Put the contents of @ into %"
)
_MOVE = (
    "Rename @ to %|Rename @ as %|Move @ into %|Move @ to %|Rename the file @ to %|Move the file @ to %"
    "||Change the name of @ to %|Give @ the new name %"
)
_DELETE = (
    "Delete @|Throw away @|Please delete the file named @|Remove @|Delete the file @|Remove the file @"
    "||Get rid of @|Erase @"
)


def create(phrases: Phrases) -> Task:
    """One file with one line of text, or an empty one."""
    path, text = phrases.path(), phrases.text()
    verb, file = phrases.pick(_CREATE), phrases.pick(_A_FILE)
    called = phrases.pick(" called| named|| with the name|,")
    if called == ",":
        called = ""
    containing = phrases.pick(_CONTAINING)
    kind = phrases.random.random()
    if kind < 0.62:
        shown = phrases.quote_path(path)
        request = f"{verb} {file}{called} {shown} {containing} {phrases.quote(text)}"
    elif kind < 0.74:
        request = _create_text_first(phrases, path, text)
    elif kind < 0.84:
        verb = phrases.pick("Create|Make|Write||Set up")
        shown = phrases.quote_path(path)
        request = f"{verb} {shown} {containing} {phrases.quote(text)}"
    elif kind < 0.94:
        shown = phrases.quote_path(path)
        containing = phrases.pick("containing|that says|with the text|with the content|saying")
        request = f"{verb} {file}{called} {shown} {containing}{phrases.pick(':| ||')} {text}"
        # An unquoted text ends the request, so nothing may be said after it.
        return _created(phrases, request.replace(" :", ":").replace("  ", " "), path, text)
    else:
        request, text = f"{verb} an empty file{called} {phrases.quote_path(path)}", ""
    return _created(phrases, phrases.polite(request), path, text)


def _create_text_first(phrases: Phrases, path: str, text: str) -> str:
    verb = phrases.pick("Write|Put|Save|Store||Place|Drop")
    quoted = phrases.quote(text)
    where = phrases.pick("to|into|in|in a file called|to the file||in a new file")
    return f"{verb} {quoted} {where} {phrases.quote_path(path)}"


def _created(phrases: Phrases, request: str, path: str, text: str) -> Task:
    steps = [("write", {"path": path, "content": text})]
    return Task(request, steps, f"I created {path}.", [path], phrases.workspace())


def mkfile(phrases: Phrases) -> Task:
    """A folder with a file in it."""
    folder, name, text = phrases.folder(0.05), phrases.name(), phrases.text(6)
    path = f"{folder}/{name}"
    parts = [
        phrases.pick("Create|Make|Add||Set up"),
        " a ",
        phrases.pick("folder|directory|folder|new folder||dir"),
        " ",
        phrases.pick("called |named |"),
        phrases.quote_path(folder),
        " ",
        phrases.pick("and|and then|and in it|, then||, and inside it"),
        " ",
        phrases.pick("create|make|write|put||add"),
        " ",
        phrases.pick("a file|a file called|the file|a file named"),
        f" {name} ",
        phrases.pick("in it ||"),
        phrases.pick("containing|with the text|that says|with the content|with||holding the text"),
        " ",
        phrases.quote(text),
    ]
    request = phrases.polite("".join(parts).replace(" ,", ",").replace("  ", " "))
    steps = [("mkdir", {"path": folder}), ("write", {"path": path, "content": text})]
    answer = f"I created the folder {folder} and the file {path}."
    return Task(request, steps, answer, [path], phrases.workspace())


def mkdir(phrases: Phrases) -> Task:
    folder = phrases.folder()
    verb = phrases.pick("Create|Make|Add||Set up")
    kind = phrases.pick("folder|directory|new folder||dir")
    called = phrases.pick("called |named |")
    request = phrases.polite(f"{verb} a {kind} {called}{phrases.quote_path(folder)}")
    return Task(
        request, [("mkdir", {"path": folder})], f"I created the folder {folder}.", [folder], phrases.workspace()
    )


def replace(phrases: Phrases) -> Task:
    """One text for another, in a file that holds it."""
    rng = phrases.random
    path = phrases.path()
    old, new = (phrases.word(), phrases.word()) if phrases.chance(0.7) else (phrases.text(2), phrases.text(3))
    if old == new:
        new = new + "x"
    texts = [phrases.text(3) for _ in range(rng.randint(0, 2))]
    texts.insert(rng.randint(0, len(texts)), old)
    body = rng.choice([" ", "\n"]).join(texts)
    kind = rng.random()
    quoted = kind < 0.75 or " " in old + new
    old_shown, new_shown = (phrases.quote(old), phrases.quote(new)) if quoted else (old, new)
    request = phrases.polite(_replace_request(phrases, path, old_shown, new_shown))
    steps = [("edit", {"path": path, "old": old, "new": new})]
    answer = f"I replaced {old} with {new} in {path}."
    return Task(request, steps, answer, [path], phrases.workspace({path: body}))


def _replace_request(phrases: Phrases, path: str, old: str, new: str) -> str:
    if phrases.chance(0.6):
        verb = phrases.pick("Replace|Swap|In the file, replace||Substitute")
        what = phrases.pick("|the word |the text ")
        joint = phrases.pick("with|by|with||for")
        return f"{verb} {what}{old} {joint} {new} in {phrases.quote_path(path)}"
    if phrases.chance(0.5):
        where = phrases.pick("In|In the file||Inside")
        shown = phrases.quote_path(path)
        comma = phrases.pick(",| ")
        verb = phrases.pick("change|replace|turn||swap")
        request = f"{where} {shown}{comma} {verb} {old} {phrases.pick('to|into|with')} {new}"
        return request.replace("  ", " ")
    verb = phrases.pick("Change|Edit|Turn||Update")
    joint = phrases.pick("to|into")
    where = phrases.pick("|the file ")
    return f"{verb} {old} {joint} {new} in {where}{phrases.quote_path(path)}"


def append(phrases: Phrases) -> Task:
    """Reads the file, then writes it with one more line."""
    path = phrases.path(0.2)
    body = phrases.lines(phrases.random.choice([1, 1, 2]), 3)
    text = phrases.text(5)
    verb = phrases.pick("Append|Add|Add the line|Append the line||Tack on")
    quoted = phrases.quote(text)
    end = phrases.pick("the end of |the end of the file |||the bottom of ")
    request = phrases.polite(f"{verb} {quoted} to {end}{phrases.quote_path(path)}")
    steps = [("read", {"path": path}), ("write", {"path": path, "content": body + "\n" + text})]
    answer = f"I added {text} to {path}.".replace("..", ".")
    return Task(request, steps, answer, [path], phrases.workspace({path: body}))


def read(phrases: Phrases) -> Task:
    path, body = phrases.path(), phrases.lines()
    request = phrases.pick(_READ).replace("@", phrases.quote_path(path))
    if not request.startswith("I want"):
        request = polite_unless_question(phrases, request)
    steps = [("read", {"path": path})]
    return Task(request, steps, f"{path} says: {body}", [path, body], phrases.workspace({path: body}))


def copy(phrases: Phrases) -> Task:
    source, target = phrases.path(), phrases.path()
    body = phrases.lines(phrases.random.choice([1, 1, 1, 2, 3]))
    request = phrases.polite(_fill_two(phrases, _COPY, source, target))
    steps = [("read", {"path": source}), ("write", {"path": target, "content": body})]
    answer = f"I copied {source} to {target}."
    return Task(request, steps, answer, [source, target], phrases.workspace({source: body}))


def move(phrases: Phrases) -> Task:
    source, target = phrases.path(), phrases.path()
    request = phrases.polite(_fill_two(phrases, _MOVE, source, target))
    steps = [("shell", {"command": f"mv {source} {target}"})]
    workspace = phrases.workspace({source: phrases.text(3)})
    return Task(request, steps, f"I moved {source} to {target}.", [source, target], workspace)


def _fill_two(phrases: Phrases, spec: str, source: str, target: str) -> str:
    request = phrases.pick(spec).replace("@", phrases.quote_path(source))
    return request.replace("%", phrases.quote_path(target))


def delete(phrases: Phrases) -> Task:
    path = phrases.path()
    request = phrases.polite(phrases.pick(_DELETE).replace("@", phrases.quote_path(path)))
    steps = [("shell", {"command": f"rm {path}"})]
    return Task(request, steps, f"I deleted {path}.", [path], phrases.workspace({path: phrases.text(3)}))
