import { appendFile, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { assistant, result, user, write } from "./_entries.ts";
import { createPlace } from "./_setup.ts";

/** By this process so far, see proc_pid_io(5); 0 where the system does not say. */
async function countBytesRead(): Promise<number> {
  const text = await readFile("/proc/self/io", "utf8").catch(() => "");
  return Number(/^rchar: (\d+)$/m.exec(text)?.[1] ?? 0);
}

describe("the list of sessions", () => {
  it("shows a damaged file with the reason, and goes on", async () => {
    const place = await createPlace();
    const good = await write(await place.store.create(), user("good"));
    await writeFile(place.file("20260101-000000-aaaaaa"), "garbage\n");
    await writeFile(place.file("20260101-000000-bbbbbb"), "");
    await writeFile(place.file("20260101-000000-cccccc"), Buffer.alloc(100_000));
    await writeFile(join(place.folder, "notes.jsonl"), "{}\n");
    await writeFile(join(place.folder, "..jsonl"), "{}\n");
    const list = await place.store.list();
    expect(list.map(({ id, status }) => [id.slice(-6), status])).toEqual([
      [good.slice(-6), "interrupted"],
      ["cccccc", "new"],
      ["bbbbbb", "new"],
      ["aaaaaa", "error"],
    ]);
    expect(list.at(-1)?.task).toContain("cannot be read: its first line is not the header");
  });

  it("stays right when the last line is torn or longer than the end that is read", async () => {
    const place = await createPlace();
    const id = await write(
      await place.store.create(),
      { type: "run_started", model: "m" },
      user("go"),
      assistant("a"),
      { type: "message", message: { role: "tool", tool_call_id: "a", content: "x".repeat(700_000) } },
    );
    expect((await place.store.list())[0]).toMatchObject({ messages: 3, status: "interrupted", task: "go" });
    await appendFile(place.file(id), '{"id":"5","par');
    expect((await place.store.list())[0]).toMatchObject({ messages: 3, status: "interrupted", task: "go" });
  });

  it("finds the first request behind a long system message", async () => {
    const place = await createPlace();
    const system = { role: "system", content: "s".repeat(600_000) } as const;
    await write(await place.store.create(), { type: "message", message: system }, user("the task"));
    expect((await place.store.list())[0]).toMatchObject({ messages: 1, task: "the task" });
  });

  it("reads only the ends of a long file", async () => {
    const place = await createPlace();
    const id = await write(await place.store.create(), { type: "run_started", model: "m" }, user("go"));
    const session = await place.store.open(id);
    await write(
      session,
      ...Array.from({ length: 20 }, (_, index) => [assistant(`${index}`), result(`${index}`)]).flat(),
    );
    const text = await readFile(place.file(id), "utf8");
    const lines = text.trimEnd().split("\n");
    // A file of 400 MB that holds nothing but a hole between its ends.
    await writeFile(place.file(id), `${lines.slice(0, 3).join("\n")}\n`);
    await truncate(place.file(id), 400 * 1024 * 1024);
    await appendFile(place.file(id), `\n${lines.slice(3).join("\n")}\n`);
    expect((await stat(place.file(id))).size).toBeGreaterThan(400 * 1024 * 1024);
    const before = await countBytesRead();
    expect((await place.store.list())[0]).toMatchObject({ messages: 41, task: "go", status: "interrupted" });
    expect((await countBytesRead()) - before).toBeLessThan(40 * 1024 * 1024);
  });

  it("cleans the task of anything that could drive a terminal", async () => {
    const place = await createPlace();
    await write(
      await place.store.create(),
      user("a\u001B]0;owned\u0007 b\r\n\tc \u202Eevil\u2066 \u{1F600}"),
    );
    expect((await place.store.list())[0]?.task).toBe("a ]0;owned b c evil \u{1F600}");
  });

  it("cuts a long task between characters", async () => {
    const place = await createPlace();
    await write(await place.store.create(), user(`x${"\u{1F600}".repeat(300)}`));
    const task = (await place.store.list())[0]?.task ?? "";
    expect(task.length).toBe(199);
    expect(Buffer.from(task).toString()).toBe(task);
  });
});
