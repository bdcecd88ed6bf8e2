import * as fc from "../_property.ts";
import { expect, it } from "vitest";
import { createFrames } from "../../src/tools/custom/frames.ts";

const NONCE = "6a1f ";

function read(chunks: readonly (string | Uint8Array)[], maxLineBytes = 1_000) {
  const values: unknown[] = [];
  let noise = "";
  const frames = createFrames({
    nonce: NONCE,
    maxLineBytes,
    onFrame: (value) => values.push(value),
    onNoise: (bytes) => (noise += Buffer.from(bytes).toString()),
  });
  for (const chunk of chunks) frames.push(Buffer.from(chunk));
  return { values, noise };
}

it("takes answers out of what a tool writes", () => {
  const { values, noise } = read([`hello\nhalf a line\n${NONCE}{"id":1}\n\n${NONCE}"ü"\nend\n`]);
  expect(values).toEqual([{ id: 1 }, "ü"]);
  expect(noise).toBe("hello\nhalf a line\nend\n");
});

it("takes no line without the nonce for an answer, and none that is no JSON", () => {
  expect(read(['{"id":1}\n', ` ${NONCE}1\n`, `${NONCE}{\n`, `${NONCE}\n`]).values).toEqual([]);
});

it("drops a line that is too long, whole, and goes on after it", () => {
  const long = "x".repeat(700);
  const { values, noise } = read([long, long, `${NONCE}1\n`, `${NONCE}2\n`]);
  expect(values).toEqual([2]);
  expect(noise).toBe("");
});

it("survives deep nesting and long numbers", () => {
  const { values } = read(
    [`${NONCE}${"[".repeat(1e6)}\n`, `${NONCE}${"9".repeat(1e6)}\n`, `${NONCE}3\n`],
    2e6,
  );
  expect(values).toEqual([Number.POSITIVE_INFINITY, 3]);
});

it("gives the same however the bytes are cut", () => {
  const text = Buffer.from(`noise ü\n${NONCE}{"a":"ö"}\n\n${NONCE}[1,2]\nrest\n`);
  const whole = read([text]);
  fc.assert(
    fc.property(fc.array(fc.nat(text.length)), (cuts) => {
      const edges = [0, ...cuts.sort((one, other) => one - other), text.length];
      const chunks = edges.slice(1).map((end, index) => text.subarray(edges[index], end));
      expect(read(chunks)).toEqual(whole);
    }),
  );
});
