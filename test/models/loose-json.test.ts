import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { parseCallArguments } from "../../src/models/call-arguments.ts";
import { readLooseJson } from "../../src/models/loose-json.ts";

const COMPLETE = { complete: true };

describe("the reader for loose JSON", () => {
  it("reads strict JSON exactly as JSON.parse does", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const read = readLooseJson(text);
        expect(read).toEqual({ ok: true, value: JSON.parse(text), end: text.length, repaired: false });
      }),
    );
  });

  it("never invents the end of a string that was cut", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ minLength: 1 }), fc.string(), { minKeys: 1 }),
        fc.nat(),
        fc.boolean(),
        (object, place, closeOpen) => {
          const text = JSON.stringify(object);
          const read = readLooseJson(text.slice(0, place % text.length), { closeOpen });
          if (!read.ok) return;
          for (const [key, value] of Object.entries(read.value as Record<string, string>))
            expect(value).toBe(object[key]);
        },
      ),
    );
  });

  it("never throws, whatever it is given", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."{}[]\",:'\\ntrue1e-/*# \n".split("")) }), (text) => {
        expect(readLooseJson(text, { closeOpen: true })).toHaveProperty("ok");
      }),
    );
  });

  it("refuses what is nested without end", () => {
    expect(readLooseJson("[".repeat(100_000))).toMatchObject({ ok: false });
  });

  it("makes no prototype of a key", () => {
    const read = readLooseJson('{"__proto__": {"polluted": true},}');
    expect(read.ok && Object.getPrototypeOf(read.value)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});

describe("arguments of a call", () => {
  it.each([
    ["strict JSON", '{"path": "a.txt"}', { path: "a.txt" }],
    ["nothing", "", {}],
    ["white space", " \n", {}],
    ["null", "null", {}],
  ])("are read from %s without a note", (_name, text, expected) => {
    expect(parseCallArguments(text, COMPLETE)).toEqual({ arguments: expected });
  });

  it.each([
    ["a trailing comma", '{"path": "a.txt",}', { path: "a.txt" }],
    ["trailing commas inside", '{"paths": ["a", "b",], "n": 1,}', { paths: ["a", "b"], n: 1 }],
    ["a raw newline in a string", '{"content": "one\ntwo\n"}', { content: "one\ntwo\n" }],
    ["a raw tab in a string", '{"content": "one\ttwo"}', { content: "one\ttwo" }],
    ["single quotes", "{'path': 'a.txt'}", { path: "a.txt" }],
    ["single quotes with an escaped one", "{'text': 'it\\'s'}", { text: "it's" }],
    ["Python literals", "{'all': True, 'x': False, 'y': None}", { all: true, x: false, y: null }],
    ["bare keys", "{path: 'a.txt'}", { path: "a.txt" }],
    ["a line comment", '{"path": "a.txt" // the file\n}', { path: "a.txt" }],
    ["a block comment", '{/* where */ "path": "a.txt"}', { path: "a.txt" }],
    ["a Python comment", '{"path": "a.txt", # the file\n}', { path: "a.txt" }],
    ["a fence", '```json\n{"path": "a.txt"}\n```', { path: "a.txt" }],
    ["an escape that JSON does not know", '{"pattern": "\\d+\\.ts$"}', { pattern: "\\d+\\.ts$" }],
    ["a missing brace", '{"path": "a.txt"', { path: "a.txt" }],
    ["two missing brackets", '{"paths": ["a.txt"', { paths: ["a.txt"] }],
    ["a brace too many", '{"path": "a.txt"}}', { path: "a.txt" }],
    ["an address with slashes", '{"url": "http://a.b//c",}', { url: "http://a.b//c" }],
  ])("are repaired: %s", (_name, text, expected) => {
    expect(parseCallArguments(text, COMPLETE)).toEqual({ arguments: expected, rescued: "repaired JSON" });
  });

  it("may be encoded twice", () => {
    const twice = JSON.stringify(JSON.stringify({ path: "a.txt" }));
    expect(parseCallArguments(twice, COMPLETE)).toEqual({
      arguments: { path: "a.txt" },
      rescued: "double-encoded arguments",
    });
  });

  it("may be an object", () => {
    expect(parseCallArguments({ path: "a.txt" }, COMPLETE)).toEqual({
      arguments: { path: "a.txt" },
      rescued: "object arguments",
    });
  });

  it("may be a list of one object", () => {
    expect(parseCallArguments('[{"path": "a.txt"}]', COMPLETE)).toEqual({ arguments: { path: "a.txt" } });
  });

  it.each([
    ["a string that does not end", '{"path": "a.txt", "content": "one\\ntw'],
    ["a string that does not end, with a bracket in it", '{"content": "function () {}'],
    ["an end after a comma", '{"path": "a.txt",'],
    ["an end after a key", '{"path": "a.txt", "content"'],
    ["an end after a colon", '{"path": "a.txt", "content":'],
    ["a quote that is not escaped", '{"command": "echo "hi""}'],
    ["quotes that look like two fields", '{"content": "print("a", "b")"}'],
    ["an apostrophe in single quotes", "{'text': 'it's'}"],
    ["bare words as a value", '{"command": ls -la}'],
    ["a list", "[1, 2]"],
    ["a number", "42"],
    ["words", "read the file"],
    ["two objects", '{"path": "a.txt"}{"path": "b.txt"}'],
    ["crossed brackets", '{"paths": ["a"}]'],
  ])("are refused with a reason: %s", (_name, text) => {
    const read = parseCallArguments(text, COMPLETE);
    expect(read).not.toHaveProperty("arguments");
    expect(read).toHaveProperty("problem", expect.stringMatching(/JSON/));
  });

  it("get no missing bracket while the reply was cut", () => {
    expect(parseCallArguments('{"path": "a.txt"', { complete: false })).toHaveProperty("problem");
  });
});

describe("double braces", () => {
  it("are read as single ones where both ends are double", () => {
    expect(readLooseJson('{{"a": {{"b": 1}}, "c": {"d": {}}}}')).toMatchObject({
      ok: true,
      value: { a: { b: 1 }, c: { d: {} } },
      repaired: true,
    });
  });

  it.each(['{{"a": 1}', '{{"a": 1} }', '{{{"a": 1}}}'])("are refused elsewhere: %s", (text) => {
    expect(readLooseJson(text, { closeOpen: true }).ok).toBe(false);
  });
});
