import { describe, expect, test } from "vitest";
import type { SessionState } from "../../src/core/session.ts";
import { formatSession } from "../../src/tui/session-view.ts";

const STATE: SessionState = {
  header: { id: "20260220-143512-a1b2c3", createdAt: "2026-02-20T14:35:12Z", workspace: "/w" },
  messages: [
    { role: "system", content: "be brief" },
    { role: "user", content: "tidy\u001b[2J up\nplease" },
    { role: "user", content: "Done so far:\n- a", note: "compaction" },
    {
      role: "assistant",
      content: "Let me look.",
      tool_calls: [
        { id: "1", type: "function", function: { name: "read", arguments: '{"path":"a\\u001b"}' } },
      ],
    },
    { role: "tool", tool_call_id: "1", content: '{"ok":true,"output":"\u009b1m"}' },
    { role: "user", content: "Go on.", note: "nudge" },
    { role: "user", content: [{ type: "image_url", image_url: { url: "data:," } }] },
  ],
  todos: [{ id: 1, text: "look\u0007", status: "completed", notes: "it\nwas" }],
  plan: {
    title: "Tidy",
    status: "approved",
    steps: [{ id: 1, description: "look\u202e", dependencies: [], status: "in_progress" }],
  },
  taskState: { objective: "all\nfiles", total_count: 3, processed_count: 1 },
  requests: [{ text: "tidy up", checkpoint: "c1" }, { text: "(image)" }],
  interrupted: [],
  lastReason: "turn_limit",
};

describe("a stored session in lines", () => {
  test("shows the conversation as it goes on, then plan, task and todos, all made safe", () => {
    expect(formatSession(STATE)).toEqual([
      "> tidy␛[2J up",
      "please",
      "",
      "· what was here before, shortened: Done so far:",
      "- a",
      "",
      "Let me look.",
      '  read {"path":"a\\u001b"}',
      "",
      '  = {"ok":true,"output":"<U+009B>1m"}',
      "",
      "· asked the model again: Go on.",
      "",
      "> (image)",
      "",
      "2 requests, 1 of them with changed files; ended: turn_limit",
      "",
      "plan: 0 of 1 steps done · now 1. look<U+202E>",
      "  # Tidy",
      "  1. [>] look<U+202E>",
      "",
      "task: 1 of 3 processed",
      "  objective: all files",
      "",
      "[x] 1. look␇ (it was)",
    ]);
  });

  test("says that a run was interrupted", () => {
    const { lastReason: _, plan: _plan, taskState: _task, ...state } = STATE;
    const lines = formatSession({ ...state, messages: [], todos: [], requests: [], interrupted: ["a", "b"] });
    expect(lines).toEqual(["0 requests; not ended during 2 calls"]);
  });
});
