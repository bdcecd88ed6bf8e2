"""Ways to ask a model: a checkpoint in torch, or a server over HTTP."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any, Callable

from dialogue import render
from trial import Reply, Trial, parse_reply, to_call
from workspace import TOOLS

MAX_NEW_TOKENS = 200
TIMEOUT_SECONDS = 120
SYSTEM = "You are a helpful agent. Use the tools."

#: The next reply of each trial.
Backend = Callable[[list[Trial]], list[Reply]]


def checkpoint_backend(path: str, tokenizer_path: str, threads: int) -> Backend:
    """All trials in one batch."""
    import torch
    from tokenizers import Tokenizer

    from generate import generate
    from model import load_checkpoint

    torch.set_num_threads(threads)
    model, stored = load_checkpoint(path)
    model.eval()
    print(path, {key: stored[key] for key in ("step", "tok", "t")})
    tokenizer = Tokenizer.from_file(tokenizer_path)
    end = tokenizer.token_to_id("<|end|>")

    def ask(trials: list[Trial]) -> list[Reply]:
        prompts = [tokenizer.encode(render(trial.before + trial.segments, True)).ids for trial in trials]
        outputs = generate(model, prompts, MAX_NEW_TOKENS, end)
        return [parse_reply(tokenizer.decode(output, skip_special_tokens=False)) for output in outputs]

    return ask


def completion_backend(url: str, grammar_path: str | None) -> Backend:
    """`/completion` of llama-server."""
    grammar = {"grammar": Path(grammar_path).read_text(encoding="utf-8")} if grammar_path else {}
    settings = {"temperature": 0, "n_predict": MAX_NEW_TOKENS, "cache_prompt": True, "stop": ["<|end|>"], **grammar}

    def ask_one(trial: Trial) -> Reply:
        prompt = render(trial.before + trial.segments, True)
        return parse_reply(post(f"{url}/completion", {"prompt": prompt, **settings})["content"])

    return lambda trials: [ask_one(trial) for trial in trials]


def chat_backend(url: str) -> Backend:
    """`/v1/chat/completions` with tools, as an agent uses it."""

    def ask_one(trial: Trial) -> Reply:
        request = {
            "messages": to_messages(trial),
            "tools": describe_tools(),
            "temperature": 0,
            "max_tokens": MAX_NEW_TOKENS,
        }
        message = post(f"{url}/v1/chat/completions", request)["choices"][0]["message"]
        if not message.get("tool_calls"):
            return parse_reply(message.get("content") or "")
        function = message["tool_calls"][0]["function"]
        try:
            return to_call(function["name"], json.loads(function["arguments"]), str(function))
        except ValueError:
            return Reply(str(function), bad=True)

    return lambda trials: [ask_one(trial) for trial in trials]


def to_messages(trial: Trial) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}]
    count = 0
    for role, text in trial.before + trial.segments:
        reply = parse_reply(text) if role == "assistant" else Reply()
        if reply.call:
            count += 1
            function = {"name": reply.call[0], "arguments": json.dumps(reply.call[1])}
            call = {"id": f"c{count}", "type": "function", "function": function}
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif role == "tool":
            messages.append({"role": "tool", "tool_call_id": f"c{count}", "content": text})
        else:
            messages.append({"role": role, "content": text})
    return messages


def describe_tools() -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": name,
                "parameters": {
                    "type": "object",
                    "properties": {argument: {"type": "string"} for argument in arguments},
                    "required": arguments,
                },
            },
        }
        for name, arguments in TOOLS.items()
    ]


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        return json.loads(response.read())
