import { describe, expect, it } from "vitest";
import { toDelta } from "../../src/models/completion.ts";
import { readReply } from "./read-reply.ts";

const A = '{"path": "a.txt"}';
const B = '{"path": "b.txt"}';
const BOTH = [
  { name: "read", arguments: { path: "a.txt" } },
  { name: "read", arguments: { path: "b.txt" } },
];

/** One delta for each list of entries. */
function calls(...frames: unknown[][]) {
  return readReply(
    frames.map((tool_calls) => ({ tool_calls })),
    { finish: "tool_calls" },
  );
}
const fn = (name?: string, args?: unknown) => ({
  function: { ...(name === undefined ? {} : { name }), ...(args === undefined ? {} : { arguments: args }) },
});

describe("pieces of calls", () => {
  const first = A.slice(0, 5);
  const rest = A.slice(5);
  it.each([
    [
      "as the standard has them",
      [
        [{ index: 0, id: "x", ...fn("read", "") }],
        [{ index: 0, ...fn(undefined, first) }],
        [{ index: 0, ...fn(undefined, rest) }],
      ],
    ],
    ["without an index", [[{ id: "x", ...fn("read", "") }], [fn(undefined, first)], [fn(undefined, rest)]]],
    [
      "without an id",
      [
        [{ index: 0, ...fn("read", "") }],
        [{ index: 0, ...fn(undefined, first) }],
        [{ index: 0, ...fn(undefined, rest) }],
      ],
    ],
    ["without either", [[fn("read", first)], [fn(undefined, rest)]]],
    [
      "with an empty id on each",
      [[{ index: 0, id: "", ...fn("read", "") }], [{ index: 0, id: "", ...fn("", A) }]],
    ],
    ["with the id on each", [[{ id: "x", ...fn("read", first) }], [{ id: "x", ...fn(undefined, rest) }]]],
    [
      "with another id on each",
      [[{ index: 0, id: "x", ...fn("read", first) }], [{ index: 0, id: "y", ...fn(undefined, rest) }]],
    ],
    [
      "with the name repeated",
      [[{ index: 0, id: "x", ...fn("read", first) }], [{ index: 0, id: "x", ...fn("read", rest) }]],
    ],
    [
      "with the name repeated and no id",
      [[{ index: 0, ...fn("read", first) }], [{ index: 0, ...fn("read", rest) }]],
    ],
    [
      "with the name in pieces",
      [
        [{ index: 0, id: "x", ...fn("re") }],
        [{ index: 0, ...fn("ad") }],
        [{ index: 0, ...fn(undefined, A) }],
      ],
    ],
    [
      "with a name that grows",
      [
        [{ index: 0, id: "x", ...fn("re") }],
        [{ index: 0, ...fn("read") }],
        [{ index: 0, ...fn(undefined, A) }],
      ],
    ],
    [
      "with arguments that grow",
      [[{ index: 0, id: "x", ...fn("read", first) }], [{ index: 0, ...fn(undefined, A) }]],
    ],
    [
      "sent once more whole at the end",
      [
        [{ index: 0, id: "x", ...fn("read", first) }],
        [{ index: 0, ...fn(undefined, rest) }],
        [{ index: 0, id: "x", ...fn("read", A) }],
      ],
    ],
    ["sent twice", [[{ index: 0, id: "x", ...fn("read", A) }], [{ index: 0, id: "x", ...fn("read", A) }]]],
    ["sent twice without an id", [[{ index: 0, ...fn("read", A) }], [{ index: 0, ...fn("read", A) }]]],
    ["with arguments as an object", [[{ index: 0, id: "x", ...fn("read", { path: "a.txt" }) }]]],
    ["with arguments encoded twice", [[{ index: 0, id: "x", ...fn("read", JSON.stringify(A)) }]]],
    [
      "with null where nothing is",
      [[{ index: 0, id: null, ...fn("read", null) }], [{ index: 0, ...fn(undefined, A) }]],
    ],
    ["with a number as id", [[{ index: 0, id: 7, ...fn("read", A) }]]],
    ["without the function object", [[{ index: 0, id: "x", name: "read", arguments: A }]]],
  ])("make one call %s", (_name, frames) => {
    const reply = calls(...frames);
    expect(reply.calls).toMatchObject([{ name: "read", arguments: { path: "a.txt" } }]);
    expect(reply.calls[0]?.id).toMatch(/./);
    expect(reply.calls[0]).not.toHaveProperty("problem");
  });

  it.each([
    [
      "as the standard has them",
      [[{ index: 0, id: "x", ...fn("read", A) }], [{ index: 1, id: "y", ...fn("read", B) }]],
    ],
    [
      "interleaved",
      [
        [{ index: 0, id: "x", ...fn("read", "") }],
        [{ index: 1, id: "y", ...fn("read", "") }],
        [{ index: 0, ...fn(undefined, A) }],
        [{ index: 1, ...fn(undefined, B) }],
      ],
    ],
    [
      "all at index 0 with different ids",
      [[{ index: 0, id: "x", ...fn("read", A) }], [{ index: 0, id: "y", ...fn("read", B) }]],
    ],
    [
      "all at index 0 in pieces",
      [
        [{ index: 0, id: "x", ...fn("read", "") }],
        [{ index: 0, ...fn(undefined, A) }],
        [{ index: 0, id: "y", ...fn("read", "") }],
        [{ index: 0, ...fn(undefined, B) }],
      ],
    ],
    ["all at index 0 without ids", [[{ index: 0, ...fn("read", A) }], [{ index: 0, ...fn("read", B) }]]],
    [
      "in one frame",
      [
        [
          { index: 0, id: "x", ...fn("read", A) },
          { index: 1, id: "y", ...fn("read", B) },
        ],
      ],
    ],
    ["in one frame with nothing but names", [[fn("read", A), fn("read", B)]]],
    [
      "in one frame at index 0 with ids",
      [
        [
          { index: 0, id: "x", ...fn("read", A) },
          { index: 0, id: "y", ...fn("read", B) },
        ],
      ],
    ],
    ["without an index", [[{ id: "x", ...fn("read", A) }], [{ id: "y", ...fn("read", B) }]]],
    ["without anything", [[fn("read", A)], [fn("read", B)]]],
    [
      "with the same id for both",
      [[{ index: 0, id: "x", ...fn("read", A) }], [{ index: 1, id: "x", ...fn("read", B) }]],
    ],
  ])("make two calls %s", (_name, frames) => {
    const { calls: made } = calls(...frames);
    expect(made).toMatchObject(BOTH);
    expect(new Set(made.map((call) => call.id)).size).toBe(2);
  });

  it("keep calls without arguments apart", () => {
    const made = calls([{ index: 0, ...fn("git_status", "") }], [{ index: 0, ...fn("get_time", "") }]);
    expect(made.calls).toMatchObject([
      { name: "git_status", arguments: {} },
      { name: "get_time", arguments: {} },
    ]);
  });

  it("of the old kind make a call", () => {
    const reply = readReply([{ function_call: { name: "read" } }, { function_call: { arguments: A } }], {
      finish: "function_call",
    });
    expect(reply).toMatchObject({
      calls: [{ name: "read", arguments: { path: "a.txt" } }],
      finish: "tool_calls",
    });
  });

  it("may end with `stop`", () => {
    const reply = readReply([{ content: null, tool_calls: [{ index: 0, id: "x", ...fn("read", A) }] }], {
      finish: "stop",
    });
    expect(reply).toMatchObject({
      calls: [{ id: "x", arguments: { path: "a.txt" } }],
      finish: "tool_calls",
      text: "",
    });
    expect(reply.calls[0]).not.toHaveProperty("rescued");
  });
});

describe("a call that was cut", () => {
  it.each(["length", "content_filter", null])(
    "never runs, not even when its JSON is whole (finish `%s`)",
    (finish) => {
      const reply = readReply([{ tool_calls: [{ index: 0, id: "x", ...fn("read", A) }] }], { finish });
      expect(reply.finish).toBe(finish ?? "cut");
      expect(reply.calls).toMatchObject([
        { name: "read", arguments: undefined, problem: expect.stringMatching(/cut off/), raw: A },
      ]);
    },
  );
});

describe("two calls of which one is broken", () => {
  it("leave the good one usable", () => {
    const { calls: made } = calls(
      [{ index: 0, id: "x", ...fn("read", '{"path": "a.t') }],
      [{ index: 1, id: "y", ...fn("read", B) }],
    );
    expect(made).toMatchObject([
      { id: "x", problem: expect.stringMatching(/does not end/) },
      { id: "y", arguments: { path: "b.txt" } },
    ]);
  });
});

describe("corrections", () => {
  it("are named in the call", () => {
    const { calls: made } = calls([{ index: 0, id: "x", ...fn("functions.Read", "{'path': 'a.txt',}") }]);
    expect(made).toMatchObject([{ name: "read", rescued: "repaired JSON, name `functions.Read`" }]);
  });

  it("do not reach for a tool that is not there", () => {
    const { calls: made } = calls([{ index: 0, id: "x", ...fn("launch", "{}") }]);
    expect(made).toMatchObject([
      { name: "launch", arguments: undefined, problem: expect.stringMatching(/no tool `launch`/) },
    ]);
  });
});

describe("the same call twice", () => {
  it("is two calls when each has a place of its own", () => {
    const entry = (index: number) => ({ index, ...fn("todo_add", '{"text": "a"}') });
    expect(calls([entry(0)], [entry(1)]).calls).toHaveLength(2);
    expect(calls([entry(0), entry(1)]).calls).toHaveLength(2);
  });

  it("is one call when it comes once more at its place", () => {
    const entry = { index: 0, ...fn("todo_add", '{"text": "a"}') };
    expect(calls([entry], [entry]).calls).toHaveLength(1);
  });
});

describe("a second answer beside the first", () => {
  it("is not mixed into it", () => {
    const frames = [
      { choices: [{ index: 0, delta: { content: "a" } }] },
      { choices: [{ index: 1, delta: { content: "b" }, finish_reason: "stop" }] },
      {
        choices: [
          { index: 1, delta: { content: "c" } },
          { index: 0, delta: { content: "d" } },
        ],
      },
    ].map(toDelta);
    expect(frames.map(({ text, finish }) => [text, finish])).toEqual([
      ["a", undefined],
      ["", undefined],
      ["d", undefined],
    ]);
    expect(frames.every(({ recognized }) => recognized)).toBe(true);
  });
});
