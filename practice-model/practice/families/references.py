"""Requests about the file of the request before: "now change x to y in it", "rename that file to z", "delete it".

What reads or counts "it" is in `look.py`, what adds to it in `write_add.py`. The second half
of this file joins such a request to the one before in one sentence.
"""

from __future__ import annotations

from typing import Callable

from .. import compose, wordings
from ..draw import Draw
from ..family import FAMILIES, FOLLOW_UPS, Draft, family, follow_up
from .change import edit_course, is_plain, removal, removal_slots, swap_slots, texts_to_swap
from .moving import delete_course, file_target, folder_of, inside, name_of, new_name, transfer_course


@follow_up("replace_in_it", weight=1.2)
def replace_in_it(draw: Draw, path: str, content: str = "") -> Draft:
    """Without the content at hand, whether the text is there shows when the edit is tried."""
    old, new = texts_to_swap(draw)
    known = _known_word(draw, content)
    old = known if known and known != new else old
    return Draft("replace.it", swap_slots(draw, old, new), edit_course(path, old, new), subject=path)


@follow_up("remove_from_it", weight=2.1)
def remove_from_it(draw: Draw, path: str, content: str = "") -> Draft:
    old = _known_word(draw, content) or texts_to_swap(draw)[0]
    return Draft("remove.it", removal_slots(draw, old), removal(path, old), subject=path)


def _known_word(draw: Draw, content: str) -> str:
    """A word that is there once, if any."""
    known = [word for word in content.split() if content.count(word) == 1 and is_plain(word)]
    return draw.pick(known) if known else ""


@follow_up("copy_it", weight=1.7)
def copy_it(draw: Draw, path: str) -> Draft:
    """What is said next is about the copy."""
    target = file_target(draw)
    return Draft("copy.it", {"target": draw.show_path(target)}, transfer_course("copy", path, target), subject=target)


@follow_up("copy_it_into_folder", weight=1)
def copy_it_into_folder(draw: Draw, path: str) -> Draft:
    folder = draw.folder()
    target = f"{folder}/{name_of(path)}"
    slots = {"folder": draw.show_path(folder), "slashed": draw.show_path(folder + "/")}
    return Draft("copy.it.into", slots, transfer_course("copy", path, target), subject=target)


@follow_up("move_it_to", weight=1)
def move_it_to(draw: Draw, path: str) -> Draft:
    target = file_target(draw)
    return Draft("move.it.to", {"target": draw.show_path(target)}, transfer_course("move", path, target), subject=target)


@follow_up("rename_it", weight=5.3)
def rename_it(draw: Draw, path: str) -> Draft:
    name = new_name(draw, path)
    target = inside(folder_of(path), name)
    slots = {"name": draw.show_path(target if draw.chance(0.2) else name)}
    return Draft("rename.it", slots, transfer_course("rename", path, target), subject=target)


@follow_up("move_it", weight=2.4)
def move_it(draw: Draw, path: str) -> Draft:
    """Into a folder that may have to be made."""
    folder = draw.folder()
    target = f"{folder}/{name_of(path)}"
    slots = {"folder": draw.show_path(folder), "slashed": draw.show_path(folder + "/")}
    needs = {f"{folder}/": ""} if draw.chance(0.3) else {}
    return Draft("move.it", slots, transfer_course("move", path, target), needs, subject=target)


@follow_up("delete_it", weight=1.9)
def delete_it(draw: Draw, path: str) -> Draft:
    return Draft("delete.it", {}, delete_course(path))


# Both in one sentence

#: Follow-ups that do better when they know what the file holds.
_CHANGES: dict[str, Callable[[Draw, str, str], Draft]] = {"replace_in_it": replace_in_it, "remove_from_it": remove_from_it}


@family("then it", weight=3.5)
def then_it(draw: Draw) -> Draft:
    """A request about one file, and one or two more about "it"."""
    drafts = [_first(draw)]
    pieces = [compose.say_part(draw, drafts[0], last=False)]
    count = 3 if draw.chance(0.25) else 2
    while len(drafts) < count and drafts[-1].subject is not None:
        is_last = len(drafts) == count - 1
        following = _following(draw, drafts[-1])
        if is_last or following.subject is not None:
            drafts.append(following)
            pieces.append(compose.say_part(draw, following, last=is_last))
    draft = compose.merge(draw, drafts, pieces, " ")
    draft.can_be_joined = False
    return draft


def _first(draw: Draw) -> Draft:
    """A request about a file that is there afterwards, half of the time one that makes it."""
    while True:
        entry = FAMILIES["create"] if draw.chance(0.5) else draw.pick(list(FAMILIES.values()))
        if entry.name == "then it":
            continue
        draft = entry.make(draw)
        fits = draft.subject is not None and draft.request is None and draft.tools is None and draft.can_be_joined
        if fits and not draft.settings and _has_clause(draft.intent):
            return draft


def _following(draw: Draw, before: Draft) -> Draft:
    """Often a change of a word, as the word is known to be there."""
    entries, path, content = list(FOLLOW_UPS.values()), before.subject or "", _content(before)
    weights = [one.weight * (4 if content and one.name in _CHANGES else 1) for one in entries]
    while True:
        entry = draw.random.choices(entries, weights)[0]
        change = _CHANGES.get(entry.name)
        draft = change(draw, path, content) if change else entry.make(draw, path)
        if draft.request is None and draft.tools is None and _has_clause(draft.intent):
            return draft


def _content(draft: Draft) -> str:
    """What the file holds after a request that makes it or leaves it as it is; mostly right, else the edit fails."""
    if draft.subject in draft.needs:
        return draft.needs[draft.subject]
    name, arguments = next(draft.course())
    return str(arguments["content"]) if name == "write" and arguments["path"] == draft.subject else ""


def _has_clause(intent: str) -> bool:
    return any(one.is_clause for one in wordings.load_wordings().get(intent, []))
