"""Writes what the tests of `test/practice` compare with the real tools and the real template.

    python3 make_fixtures.py     writes tool-results.json, dialogues.json and texts.json into fixtures
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from practice import families as _families  # noqa: F401  registers them
from practice.conversation import SPEAKERS, TOOLS, Conversation, draw_conversation, render, result_text, to_segments
from practice.draw import Draw
from practice.families.plan import INSTRUCTION
from practice.families.summary import HEADER, PAUSE, instruction
from practice.workspace import SimulatedWorkspace
from tool_cases import SCENARIOS, Scenario

_FOLDER = Path(__file__).parent / "fixtures"
_DIALOGUES = 40


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    _FOLDER.mkdir(exist_ok=True)
    _save("tool-results.json", [to_case(scenario) for scenario in SCENARIOS])
    _save("texts.json", to_texts())
    draw = Draw(7)
    _save("dialogues.json", [to_dialogue(draw_conversation(draw, 1 + number % 4)) for number in range(_DIALOGUES)])


def to_texts() -> list[dict[str, Any]]:
    """What the agent writes into a conversation itself, as the model learns it."""
    return [
        {"name": "plan request", "text": f"do it\n\n{INSTRUCTION}"},
        {"name": "summary request", "text": instruction(120)},
        {"name": "summary request with a focus", "text": instruction(80, "the dates")},
        {"name": "pause", "text": PAUSE},
        {"name": "record", "text": f"{HEADER}\nGoal: none"},
        {"name": "tools", "text": " ".join(TOOLS)},
    ]


def _save(name: str, cases: list[Any]) -> None:
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    (_FOLDER / name).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def to_case(scenario: Scenario) -> dict[str, Any]:
    """The calls of a scenario with their results as the model sees them."""
    workspace = SimulatedWorkspace()
    workspace.prepare(scenario.files, {}, {"tools": TOOLS, **scenario.settings})
    calls = []
    for name, arguments in scenario.calls:
        result = workspace.run(name, arguments)
        if "bad call" in result.get("error", ""):
            raise ValueError(f"{scenario.name}: {name} {arguments}: {result['error']}")
        calls.append({"tool": name, "arguments": arguments, "result": result_text(result)})
    return {"name": scenario.name, "files": scenario.files, "settings": scenario.settings, "calls": calls}


def to_dialogue(conversation: Conversation) -> dict[str, Any]:
    """A conversation as chat messages, and the prompt that it is for the model."""
    segments = to_segments(conversation)
    messages = [to_message(role, content, number) for number, (role, content) in enumerate(segments) if role != "tools"]
    prompt = render(segments, generate=True)
    return {"tools": list(conversation.tools), "messages": messages, "prompt": prompt}


def to_message(role: str, content: str, number: int) -> dict[str, Any]:
    """The message that the template writes as this segment; a result answers the call just before it."""
    if role == "tool":
        return {"role": role, "tool_call_id": f"call_{number - 1}", "content": content}
    if role == "assistant" and content.startswith("<tool_call>"):
        call = json.loads(content.removeprefix("<tool_call>").removesuffix("</tool_call>"))
        function = {"name": call["name"], "arguments": json.dumps(call["arguments"], ensure_ascii=False)}
        calls = [{"id": f"call_{number}", "type": "function", "function": function}]
        return {"role": role, "content": None, "tool_calls": calls}
    return {"role": SPEAKERS.get(role, role), "content": content}


if __name__ == "__main__":
    main()
