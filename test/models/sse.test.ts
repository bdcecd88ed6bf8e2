import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import type { Frame } from "../../src/models/frames.ts";
import { readFrames } from "../../src/models/frames.ts";
import type { SseEvent } from "../../src/models/sse.ts";
import { createSseParser } from "../../src/models/sse.ts";

const encoder = new TextEncoder();

/** Cuts bytes at the given places. */
function cutBytes(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [
    0,
    ...[...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b),
    bytes.length,
  ];
  return places.slice(1).map((end, at) => bytes.slice(places[at], end));
}

function parse(chunks: readonly Uint8Array[]): SseEvent[] {
  const parser = createSseParser();
  return [...chunks.flatMap((chunk) => parser.push(chunk)), ...parser.end()];
}

async function frames(...chunks: (string | Uint8Array)[]): Promise<Frame[]> {
  async function* body() {
    for (const chunk of chunks) yield typeof chunk === "string" ? encoder.encode(chunk) : chunk;
  }
  const found: Frame[] = [];
  for await (const frame of readFrames(body())) found.push(frame);
  return found;
}

describe("the event parser", () => {
  const line = fc.string({ unit: "grapheme", maxLength: 12 }).map((text) => text.replace(/[\r\n]/g, "é"));
  it("reads the same events however the bytes are split", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ lines: fc.array(line, { minLength: 1, maxLength: 3 }), space: fc.boolean() }), {
          maxLength: 6,
        }),
        fc.constantFrom("\n", "\r\n", "\r"),
        fc.array(fc.nat(), { maxLength: 20 }),
        (events, end, cuts) => {
          const texts = events.map(({ lines }) => lines.map((text) => text.replace(/^ /, "_")));
          const wire = texts
            .map((lines, at) => {
              const field = events[at]?.space ? "data: " : "data:";
              return `: ping${end}${lines.map((text) => field + text + end).join("")}${end}`;
            })
            .join("");
          const found = parse(cutBytes(encoder.encode(wire), cuts)).map((event) => event.data);
          expect(found).toEqual(texts.map((lines) => lines.join("\n")));
        },
      ),
    );
  });

  it("never throws and never depends on the split for arbitrary bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(), { maxLength: 20 }), (bytes, cuts) => {
        expect(parse(cutBytes(bytes, cuts))).toEqual(parse([bytes]));
      }),
    );
  });

  it("reads names of events, comments, unknown fields and a last event without a blank line", () => {
    const wire = ": hello\nevent: error\nid: 7\nretry: 10\ndata: one\n\ndata\n\ndata: two";
    expect(parse([encoder.encode(wire)])).toEqual([
      { event: "error", data: "one" },
      { event: "", data: "" },
      { event: "", data: "two" },
    ]);
  });
});

describe("frames of an answer", () => {
  it("are the JSON of each event, up to the end mark", async () => {
    expect(await frames('data: {"a":1}\n\n', 'data:{"b":"é"}\r\n\r\ndata: [DONE]\n\n')).toEqual([
      { type: "json", value: { a: 1 } },
      { type: "json", value: { b: "é" } },
      { type: "done" },
    ]);
  });

  it("may lack the blank line between them", async () => {
    expect(await frames('data: {"a":1}\ndata: {"b":2}\ndata: [DONE]\n')).toMatchObject([
      { value: { a: 1 } },
      { value: { b: 2 } },
      { type: "done" },
    ]);
  });

  it("may spread one document over several lines", async () => {
    expect(await frames('data: {\ndata: "a": 1\ndata: }\n\n')).toEqual([{ type: "json", value: { a: 1 } }]);
  });

  it("may come as one document, in pieces and after white space", async () => {
    expect(await frames("\n  ", '{"choices":', '[{"message":{"content":"hi"}}]}')).toMatchObject([
      { type: "json", value: { choices: [{}] } },
    ]);
  });

  it("may come as a document on each line", async () => {
    expect(await frames('{"a":1}\n{"b"', ':2}\n\n{"c":3}\n{"d":')).toMatchObject([
      { value: { a: 1 } },
      { value: { b: 2 } },
      { value: { c: 3 } },
      { type: "garbage" },
    ]);
  });

  it("turn an error event into an error", async () => {
    expect(await frames('event: error\ndata: {"message":"boom"}\n\n')).toEqual([
      { type: "json", value: { error: { message: "boom" } } },
    ]);
    expect(await frames("event: error\ndata: boom\n\n")).toEqual([
      { type: "json", value: { error: "boom" } },
    ]);
  });

  it.each([
    ["a web page", "<!doctype html><h1>Hi</h1>"],
    ["a cut document", '{"choices": ['],
    ["a list of numbers", "[1]"],
    ["a line that is no JSON", "data: hello\n\n"],
  ])("are garbage for %s", async (_name, wire) => {
    expect(await frames(wire)).toMatchObject([{ type: "garbage" }]);
  });

  it("are none for an empty answer", async () => {
    expect(await frames()).toEqual([]);
    expect(await frames("\n\n", ": ping\n\n")).toEqual([]);
  });
});
