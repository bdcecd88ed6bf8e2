import { appendFile, copyFile, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { array, assert, asyncProperty, integer, record } from "../_property.ts";
import { describe, expect, it } from "vitest";
import { AgentError } from "../../src/core/errors.ts";
import type { SessionState } from "../../src/core/session.ts";
import { assistant, findUnpaired, result, user, write } from "./_entries.ts";
import { createPlace } from "./_setup.ts";
import type { Place } from "./_setup.ts";

/** A short run that stops inside its second turn. */
async function writeRun({ store }: Place): Promise<string> {
  return write(
    await store.create(),
    { type: "run_started", model: "m" },
    user("list the files ✓"),
    assistant("a", "b"),
    result("a"),
    result("b"),
    { type: "todos", todos: [{ id: 1, text: "look", status: "pending" }] },
    { type: "message", message: { role: "assistant", content: "done" } },
    { type: "run_finished", reason: "done" },
    { type: "mode", mode: "manual" },
    user("again"),
    assistant("c"),
  );
}

/** What opening stores is no longer missing when it is opened again. */
function repaired(state: SessionState): SessionState {
  return { ...state, interrupted: [] };
}

function toLines(bytes: Buffer): string[] {
  return bytes.toString().split("\n");
}

describe("a session file", () => {
  it("gives back any text as it was", async () => {
    const place = await createPlace();
    const text = array(integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units));
    await assert(
      asyncProperty(array(text), async (texts) => {
        const id = await write(await place.store.create(), ...texts.map(user));
        expect((await place.state(id)).messages.map(({ content }) => content)).toEqual(texts);
      }),
      { numRuns: 40 },
    );
  });

  it("never gives anything but a state or a clear refusal, whatever lies in it", async () => {
    const place = await createPlace();
    const id = await writeRun(place);
    const whole = await readFile(place.file(id));
    const change = record({
      at: integer({ min: 0, max: whole.length - 1 }),
      byte: integer({ min: 0, max: 255 }),
    });
    await assert(
      asyncProperty(array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const damaged = Buffer.from(whole);
        for (const { at, byte } of changes) damaged[at] = byte;
        await writeFile(place.file(id), damaged);
        expect(await place.store.list()).toHaveLength(1);
        const outcome = await place.state(id).catch((error: unknown) => error);
        const refused = AgentError.is(outcome, "session_corrupt");
        const fine = refused || findUnpaired((outcome as SessionState).messages).length === 0;
        expect(fine).toBe(true);
        const untouched = (await readFile(place.file(id))).equals(damaged);
        expect(untouched || !refused).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});

describe("a session file that was cut off", () => {
  it("opens at every byte with all complete records and one result for each call", async () => {
    const place = await createPlace();
    const id = await writeRun(place);
    const whole = await readFile(place.file(id));
    for (let size = 0; size <= whole.length; size += 1) {
      await writeFile(place.file(id), whole.subarray(0, size));
      const state = await place.store.read(id);
      // Opening also waits for the disk, so it is tried less often.
      if (size % 12 === 0) expect(repaired(await place.state(id))).toEqual(repaired(state));
      const complete = whole.subarray(0, size).toString("latin1").split("\n").length - 2;
      const stored = toLines(whole).slice(1, 1 + Math.max(0, complete));
      const messages = stored.filter((line) => line.includes('"type":"message"')).length;
      // A record that lacks nothing but its newline is kept as well.
      expect([0, 1]).toContain(state.messages.length - state.interrupted.length - messages);
      expect(findUnpaired(state.messages)).toEqual([]);
      expect(state.header.id).toBe(id);
    }
  });

  it("goes on behind the last complete record, and every line can be read", async () => {
    const place = await createPlace();
    const id = await writeRun(place);
    const whole = await readFile(place.file(id));
    await assert(
      asyncProperty(integer({ min: 0, max: whole.length }), async (size) => {
        await writeFile(place.file(id), whole.subarray(0, size));
        const session = await place.store.open(id);
        await write(session, user("after the crash"));
        const lines = toLines(await readFile(place.file(id)));
        expect(lines.pop()).toBe("");
        expect(() => lines.map((line) => JSON.parse(line) as unknown)).not.toThrow();
        const state = await place.state(id);
        expect(state.interrupted).toEqual([]);
        expect(state.messages.slice(0, -1)).toEqual(session.state.messages);
        expect(state.messages.at(-1)).toEqual({ role: "user", content: "after the crash" });
      }),
      { numRuns: 60 },
    );
  });

  it("is not touched by opening and listing alone when there is nothing to repair", async () => {
    const place = await createPlace();
    const id = await write(await place.store.create(), user("go"));
    await appendFile(place.file(id), '{"id":"2","parent":"1","at":"2026-');
    const before = await readFile(place.file(id));
    await place.store.list();
    expect((await place.state(id)).messages).toHaveLength(1);
    expect(await readFile(place.file(id))).toEqual(before);
  });

  it.each([
    ["NUL bytes behind the last record", Buffer.alloc(5000)],
    [
      "a record whose end was never written",
      Buffer.concat([Buffer.from('{"id":"2","par'), Buffer.alloc(4096)]),
    ],
    [
      "a hole in the last record",
      Buffer.concat([Buffer.from('{"id":"2",'), Buffer.alloc(99), Buffer.from('"}\n')]),
    ],
    ["half a character", Buffer.from('{"id":"2","parent":"1","text":"\u2713').subarray(0, -1)],
  ])("takes %s for a torn line", async (_name, tail) => {
    const place = await createPlace();
    const id = await write(await place.store.create(), user("go"));
    const good = await readFile(place.file(id));
    await appendFile(place.file(id), tail);
    await write(await place.store.open(id), user("on"));
    const after = await readFile(place.file(id));
    expect(after.subarray(0, good.length)).toEqual(good);
    expect(after.includes(0)).toBe(false);
    expect((await place.state(id)).messages).toHaveLength(2);
  });

  it("keeps a last record that only lacks its newline", async () => {
    const place = await createPlace();
    const id = await write(await place.store.create(), user("go"));
    const { size } = await stat(place.file(id));
    await truncate(place.file(id), size - 1);
    await write(await place.store.open(id), user("on"));
    expect((await place.state(id)).messages).toHaveLength(2);
    expect(toLines(await readFile(place.file(id)))).toHaveLength(4);
  });
});

describe("a session file that is only read", () => {
  it("is left as it is, with nothing beside it, however it was cut off", async () => {
    const place = await createPlace();
    const id = await writeRun(place);
    await appendFile(place.file(id), '{"id":"99","par');
    const before = await readFile(place.file(id));
    const { messages, interrupted } = await place.store.read(id);
    expect(interrupted).toEqual(["c"]);
    expect(findUnpaired(messages)).toEqual([]);
    expect(await readFile(place.file(id))).toEqual(before);
    expect(await place.names()).toEqual([`${id}.jsonl`]);
  });
});

describe("a session file that is damaged", () => {
  it("can be removed", async () => {
    const place = await createPlace();
    const id = "20260101-000000-aaaaaa";
    await write(await place.store.create());
    await writeFile(place.file(id), "garbage\n");
    await expect(place.store.read(id)).rejects.toMatchObject({ code: "session_corrupt" });
    expect(await place.store.remove(id)).toBe(id);
    expect(await place.names()).not.toContain(`${id}.jsonl`);
  });

  const line = (id: string, parent: string | null, more = '"type":"mode","mode":"auto"') =>
    `{"id":"${id}","parent":${JSON.stringify(parent)},"at":"2026-02-20T14:35:12.000Z",${more}}`;

  it.each([
    ["a line that is not JSON", "garbage", "is not JSON"],
    ["JSON that is no record", '{"hello":1}', "its `id` cannot be used"],
    ["a number", "42", "is not a record"],
    ["a list", "[]", "is not a record"],
    ["a duplicate id", line("1", null), "there is a record `1` before it"],
    ["a missing parent", line("7", "6"), "the record `6` that it follows is missing"],
    ["a known record of the wrong shape", line("7", "1", '"type":"mode","mode":"yolo"'), "its `mode`"],
    ["a message without a role", line("7", "1", '"type":"message","message":{}'), "its `message.role`"],
    [
      "a message with numbers",
      line("7", "1", '"type":"message","message":{"role":"user","content":7}'),
      "message.content",
    ],
    ["a date that is none", line("7", "1").replace("2026-02-20", "yesterday"), "its `at`"],
    ["a second header", '{"type":"session","format":1}', "its `id`"],
  ])("is refused for %s, named by its line, and left as it is", async (_name, text, why) => {
    const place = await createPlace();
    const id = await write(await place.store.create(), user("go"));
    await appendFile(place.file(id), `${text}\n${line("9", "1")}\n`);
    const before = await readFile(place.file(id));
    await expect(place.store.open(id)).rejects.toMatchObject({
      code: "session_corrupt",
      message: expect.stringMatching(/line 3: .*Nothing was changed\. Keep a copy/) as string,
      data: { path: place.file(id), line: 3 },
    });
    await expect(place.store.open(id)).rejects.toThrow(why);
    await expect(place.store.fork(id)).rejects.toMatchObject({ code: "session_corrupt" });
    expect(await readFile(place.file(id))).toEqual(before);
    expect(await place.names()).toEqual([`${id}.jsonl`]);
  });

  it("is refused for a hole of NUL bytes with good records behind it", async () => {
    const place = await createPlace();
    const id = await write(await place.store.create(), user("go"));
    await appendFile(place.file(id), Buffer.concat([Buffer.alloc(10), Buffer.from(`\n${line("9", "1")}\n`)]));
    await expect(place.store.open(id)).rejects.toMatchObject({ code: "session_corrupt", data: { line: 3 } });
  });

  it.each([
    ["text of someone else", "a diary\n"],
    ["text of someone else without a newline", "a diary"],
    ["another program's JSON", '{"type":"other"}\n'],
    ["bytes", Buffer.from([0xff, 0xfe, 10])],
  ])("is refused when it begins with %s", async (_name, content) => {
    const place = await createPlace();
    const id = await write(await place.store.create());
    await writeFile(place.file(id), content);
    await expect(place.store.open(id)).rejects.toMatchObject({ code: "session_corrupt", data: { line: 1 } });
    expect(await readFile(place.file(id))).toEqual(Buffer.from(content));
  });

  it("says so when the file was renamed", async () => {
    const place = await createPlace();
    const id = await write(await place.store.create());
    await copyFile(place.file(id), place.file("20260101-000000-abcdef"));
    await expect(place.store.open("abcdef")).rejects.toThrow(
      `header of session \`${id}\`: the file was renamed`,
    );
  });

  it("is refused when it is larger than any session, without reading it", async () => {
    const place = await createPlace();
    const id = await write(await place.store.create(), user("go"));
    await truncate(place.file(id), 2 ** 31);
    await expect(place.store.open(id)).rejects.toMatchObject({
      code: "session_corrupt",
      message: expect.stringContaining("2147483648 bytes") as string,
    });
  });
});

describe("a session file of a newer program", () => {
  it("is refused with its version when the format is newer", async () => {
    const place = await createPlace();
    const id = await write(await place.store.create(), user("go"));
    const text = await readFile(place.file(id), "utf8");
    await writeFile(
      place.file(id),
      text.replace('"format":1,"version":"0.0.0"', '"format":2,"version":"9.1.0"'),
    );
    await expect(place.store.open(id)).rejects.toMatchObject({
      code: "session_corrupt",
      message: expect.stringMatching(/written by lmagent `9\.1\.0` in format 2.*Update lmagent/) as string,
    });
  });

  it("keeps records of unknown type, and forks carry them along", async () => {
    const place = await createPlace();
    const id = await write(await place.store.create(), user("go"));
    const unknown =
      '{"id":"x9","parent":"1","at":"2026-02-20T14:35:12.000Z","type":"dream","of":{"b":1,"a":2}}';
    await appendFile(place.file(id), `${unknown}\n`);
    await write(await place.store.open(id), user("on"));
    const fork = await place.store.fork(id);
    await fork[Symbol.asyncDispose]();
    for (const session of [id, fork.id]) {
      const text = await readFile(place.file(session), "utf8");
      expect(text).toContain(`${unknown}\n`);
      expect(text).toContain('"parent":"x9"');
      expect((await place.state(session)).messages).toHaveLength(2);
    }
  });

  it("follows the branch of the last record", async () => {
    const place = await createPlace();
    const id = await write(await place.store.create(), user("one"), user("two"), user("three"));
    const undone = `{"id":"9","parent":"1","at":"2026-02-20T14:35:12.000Z","type":"undo"}`;
    await appendFile(place.file(id), `${undone}\n`);
    await write(await place.store.open(id), user("four"));
    expect((await place.state(id)).messages.map(({ content }) => content)).toEqual(["one", "four"]);
    expect((await place.store.list())[0]?.messages).toBe(2);
  });
});
