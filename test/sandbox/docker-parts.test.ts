import { execFileSync, spawnSync } from "node:child_process";
import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { createDemultiplexer } from "../../src/docker/demultiplexer.ts";
import { createMarkerScanner } from "../../src/sandbox/docker/end-marker.ts";
import { findDockerSocket } from "../../src/sandbox/docker/index.ts";
import { mayBeAlive, parseOwnerLabel, readOwner, toOwnerLabel } from "../../src/docker/owner.ts";
import { createQueue } from "../../src/sandbox/docker/queue.ts";
import { quote, toRunnerLine } from "../../src/sandbox/docker/scripts.ts";
import { serveSocket } from "./_docker-proxy.ts";

const pieces = fc.array(fc.nat({ max: 40 }), { maxLength: 40 });

/** The bytes in pieces of these lengths, the rest as one. */
function cut(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const parts: Buffer[] = [];
  let at = 0;
  for (const length of lengths) {
    parts.push(bytes.subarray(at, at + length));
    at += length;
  }
  return [...parts, bytes.subarray(at)];
}

function toFrame(stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

describe("streams of an attached process", () => {
  it("are taken apart wherever the connection cuts them", () => {
    const frames = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 50 })));
    fc.assert(
      fc.property(frames, pieces, (sent, lengths) => {
        const got = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
        const push = createDemultiplexer(
          (bytes, stream) => {
            got[stream] = Buffer.concat([got[stream], bytes]);
          },
          () => new Error("never"),
        );
        const whole = Buffer.concat(sent.map(([stream, payload]) => toFrame(stream, Buffer.from(payload))));
        for (const part of cut(whole, lengths)) push(part);
        const expected = (wanted: number): Buffer =>
          Buffer.concat(sent.flatMap(([stream, payload]) => (stream === wanted ? [payload] : [])));
        expect(got.stdout.equals(expected(1)) && got.stderr.equals(expected(2))).toBe(true);
      }),
    );
  });

  it("are refused when they are something else", () => {
    const push = createDemultiplexer(
      () => {},
      () => new Error("no frame"),
    );
    expect(() => push(Buffer.from("HTTP/1.1 500 Internal Server Error"))).toThrow("no frame");
  });
});

describe("the runner's lines", () => {
  const secret = "0123456789abcdef";
  const scan = (parts: readonly Buffer[]): { bytes: string; lines: string[] } => {
    const bytes: Buffer[] = [];
    const lines: string[] = [];
    const scanner = createMarkerScanner(secret, {
      onBytes: (some) => bytes.push(Buffer.from(some)),
      onLine: (line) => lines.push(line),
    });
    for (const part of parts) scanner.push(part);
    scanner.end();
    return { bytes: Buffer.concat(bytes).toString("latin1"), lines };
  };

  it("are found in any output, however it comes, and nothing else is changed", () => {
    const output = fc.array(
      fc.oneof(fc.string({ maxLength: 20 }), fc.constantFrom("0", "0123456789abcde", "0123", "\n", "\0")),
    );
    fc.assert(
      fc.property(output, output, pieces, (before, after, lengths) => {
        const [first, second] = [before.join(""), after.join("")].map((text) => text.replaceAll(secret, ""));
        const whole = Buffer.from(`${first}${secret} B\n${second}${secret} E 3\n`);
        const expected = Buffer.from(`${first}${second}`).toString("latin1");
        expect(scan(cut(whole, lengths))).toEqual({ bytes: expected, lines: [" B", " E 3"] });
      }),
    );
  });

  it("hold back nothing when the stream ends in the middle of one", () => {
    expect(scan([Buffer.from("text 01234")])).toEqual({ bytes: "text 01234", lines: [] });
  });

  it("do not grow without end", () => {
    const { lines } = scan([Buffer.from(secret), Buffer.alloc(10_000, "x"), Buffer.from("\n")]);
    expect(lines.map(({ length }) => length)).toEqual([200]);
  });
});

describe("words for the shell", () => {
  it("come out as they went in", () => {
    const word = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 6 }), (words) => {
        const script = `printf '%s\\0' ${words.map(quote).join(" ")}`;
        const said = spawnSync("/bin/sh", ["-s"], { input: script }).stdout.toString();
        expect(said).toBe(words.map((each) => `${Buffer.from(each).toString()}\0`).join(""));
      }),
      { numRuns: 40 },
    );
  });

  it("hold variables that a shell cannot export", () => {
    const line = toRunnerLine({
      secret: "s",
      cwd: "/workspace",
      environment: { GOOD: "1", "odd.name": "2" },
      program: ["/usr/bin/env"],
    });
    expect(line).toBe(
      "lm_run 's' '/workspace' 'GOOD=1' '--' '/usr/bin/env' '--' 'odd.name=2' '/usr/bin/env'\n",
    );
  });
});

describe("the owner of a container", () => {
  it("is known by its label", () => {
    const here = readOwner();
    expect(parseOwnerLabel(toOwnerLabel(here))).toEqual(here);
    expect(mayBeAlive(here, here)).toBe(true);
  });

  it("has ended when its process has, when another has its number, and when the machine was started again", () => {
    const here = readOwner();
    const ended = Number(execFileSync("/bin/sh", ["-c", "echo $$"]).toString());
    expect(mayBeAlive({ ...here, pid: ended }, here)).toBe(false);
    expect(mayBeAlive({ ...here, started: "1" }, here)).toBe(false);
    expect(mayBeAlive({ ...here, boot: "another" }, here)).toBe(false);
  });

  it("is left alone when its processes cannot be seen from here", () => {
    const here = readOwner();
    expect(mayBeAlive({ ...here, pid: 4_000_000, namespace: "pid:[1]" }, here)).toBe(true);
  });

  it.each(["", "null", "{}", "[1,2,3,4]", '["a","b",-1,"c"]', '["a","b",1.5,"c"]', undefined])(
    "is nobody we know with the label %j",
    (label) => {
      expect(parseOwnerLabel(label)).toBeUndefined();
    },
  );
});

describe("the engine's socket", () => {
  it.each(["tcp://127.0.0.1:2375", "ssh://host", "127.0.0.1:2375", "unix://", "npipe:////./pipe/docker"])(
    "is not taken from %j",
    (dockerHost) => {
      expect(() => findDockerSocket({ dockerHost })).toThrow(/only a socket of this machine/);
    },
  );

  it("is the one that was named, or one of the user's own", async () => {
    expect(findDockerSocket({ dockerHost: "unix:///some/docker.sock" })).toBe("/some/docker.sock");
    await using served = await serveSocket(() => {});
    const runtimeDir = served.socketPath.slice(0, -"/docker.sock".length);
    const found = findDockerSocket({ runtimeDir, home: "/nowhere" });
    expect(["/var/run/docker.sock", served.socketPath]).toContain(found);
  });
});

describe("the queue", () => {
  it("lets one in at a time, in order, and forgets who gave up", async () => {
    const queue = createQueue();
    const order: string[] = [];
    const first = await queue.enter();
    const aborter = new AbortController();
    const given = queue.enter(aborter.signal).then((leave) => order.push(leave ? "entered" : "gave up"));
    const last = queue.enter().then((leave) => {
      order.push("last");
      leave?.();
    });
    aborter.abort();
    await given;
    first?.();
    await last;
    expect(order).toEqual(["gave up", "last"]);
    expect(await queue.enter()).toBeTypeOf("function");
  });
});
