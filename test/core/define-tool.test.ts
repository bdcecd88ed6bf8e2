import { describe, expect, it } from "vitest";
import * as z from "zod/mini";
import { defineTool } from "../../src/core/define-tool.ts";

const tool = defineTool({
  name: "sample",
  description: "sample",
  access: "read",
  parameters: z.object({
    path: z.string(),
    limit: z.optional(z.int().check(z.minimum(1))),
    all: z.optional(z.boolean()),
    paths: z.optional(z.array(z.string())),
  }),
  execute: async () => ({ ok: true, output: "" }),
});

describe("a defined tool", () => {
  it("has a schema without what grammars choke on", () => {
    expect(tool.parameters).toEqual({
      type: "object",
      properties: {
        path: { type: "string" },
        limit: { type: "integer" },
        all: { type: "boolean" },
        paths: { type: "array", items: { type: "string" } },
      },
      required: ["path"],
    });
  });

  it.each([
    [{ path: "a" }, { path: "a" }],
    [
      { path: "a", limit: "5" },
      { path: "a", limit: 5 },
    ],
    [
      { path: "a", all: "TRUE" },
      { path: "a", all: true },
    ],
    [{ path: "a", limit: null }, { path: "a" }],
    [{ path: 12 }, { path: "12" }],
    [
      { path: "a", paths: "b" },
      { path: "a", paths: ["b"] },
    ],
    [
      { path: "a", paths: '["b","c"]' },
      { path: "a", paths: ["b", "c"] },
    ],
    [{ path: "a", surplus: { deep: 1 } }, { path: "a" }],
  ])("takes %j as it is plainly meant", (input, expected) => {
    expect(tool.parse(input)).toEqual({ ok: true, arguments: expected });
  });

  it.each([
    [{}],
    [null],
    [{ path: null }],
    [{ path: "a", limit: "many" }],
    [{ path: "a", limit: 0 }],
    [{ path: ["a"] }],
    ["a"],
    [[1]],
  ])("refuses %j and shows the form", (input) => {
    const parsed = tool.parse(input);
    expect(parsed).toMatchObject({
      ok: false,
      error: expect.stringContaining("Expected {path: string, limit?: integer"),
    });
  });

  it("takes a choice however it is spelled, and no other word for it", () => {
    const chooser = defineTool({
      name: "chooser",
      description: "",
      access: "control",
      parameters: z.object({ state: z.enum(["in_progress", "done"]) }),
      execute: async () => ({ ok: true, output: "" }),
    });
    expect(chooser.parse({ state: "In progress" })).toEqual({
      ok: true,
      arguments: { state: "in_progress" },
    });
    expect(chooser.parse({ state: "undone" }).ok).toBe(false);
  });

  it("says which parameter is wrong, what was given and what is wanted", () => {
    expect(tool.parse({ limit: "many" })).toMatchObject({
      error: expect.stringContaining('`path` is missing; `limit` must be a whole number, not "many"'),
    });
  });

  it("is not fooled by a __proto__ key", () => {
    const parsed = tool.parse(JSON.parse('{"path":"a","__proto__":{"polluted":true}}'));
    expect(parsed).toEqual({ ok: true, arguments: { path: "a" } });
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});

describe("a parameter with other names", () => {
  const named = defineTool({
    name: "named",
    description: "named",
    access: "read",
    parameters: z.object({ todo_id: z.int(), notes: z.optional(z.string()) }),
    aliases: { todo_id: ["id", "number"], notes: ["note"] },
    execute: async () => ({ ok: true, output: "" }),
  });

  it.each([
    [{ id: "3" }, { todo_id: 3 }],
    [
      { todo_id: null, number: 3, note: "x" },
      { todo_id: 3, notes: "x" },
    ],
    [
      { todo_id: 1, id: 2, notes: "a", note: "b" },
      { todo_id: 1, notes: "a" },
    ],
  ])("is taken from %j", (input, expected) => {
    expect(named.parse(input)).toEqual({ ok: true, arguments: expected });
  });

  it("stays the only one in the schema and in errors", () => {
    expect(JSON.stringify(named.parameters)).not.toContain("number");
    expect(named.parse({ note: "x" })).toMatchObject({
      error: expect.stringContaining("`todo_id` is missing"),
    });
    for (const input of [null, "3", [3], { constructor: 3 }])
      expect(named.parse(input)).toMatchObject({ ok: false });
  });
});

describe("a tool with nested parameters", () => {
  const nested = defineTool({
    name: "nested",
    description: "nested",
    access: "read",
    parameters: z.object({
      steps: z.optional(z.array(z.object({ text: z.string(), after: z.optional(z.array(z.int())) }))),
      names: z.optional(z.array(z.string())),
      table: z.optional(z.record(z.string(), z.string())),
    }),
    execute: async () => ({ ok: true, output: "" }),
  });

  it("has the schema of what is in them", () => {
    expect(nested.parameters).toEqual({
      type: "object",
      properties: {
        steps: {
          type: "array",
          items: {
            type: "object",
            properties: { text: { type: "string" }, after: { type: "array", items: { type: "integer" } } },
            required: ["text"],
          },
        },
        names: { type: "array", items: { type: "string" } },
        table: { type: "object" },
      },
    });
  });

  it.each([
    [{ table: '{"a": "b"}' }, { table: { a: "b" } }],
    [{ names: [1, true, "x"] }, { names: ["1", "true", "x"] }],
    [{ names: "[1]" }, { names: ["1"] }],
    [{ steps: ['{"text": "a"}'] }, { steps: [{ text: "a" }] }],
  ])("takes %j as it is plainly meant", (input, expected) => {
    expect(nested.parse(input)).toEqual({ ok: true, arguments: expected });
  });

  it.each([
    [{ table: "a: b" }],
    [{ table: "{broken" }],
    [{ table: { a: 1 } }],
    [{ names: [{}] }],
    [{ steps: [1] }],
  ])("refuses %j", (input) => {
    expect(nested.parse(input)).toMatchObject({ ok: false, error: expect.stringContaining("Expected {") });
  });
});
