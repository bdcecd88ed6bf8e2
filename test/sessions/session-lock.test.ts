import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { describeThisProcess, parseLockName, toLockName } from "../../src/sessions/session-lock.ts";
import type { ProcessIdentity } from "../../src/sessions/session-lock.ts";
import { user, write } from "./_entries.ts";
import { bundleWriter, createPlace, startWriter } from "./_setup.ts";

describe("the lock of a session", () => {
  it("names the process that holds it, lets others read, and goes with that process", async () => {
    const place = await createPlace();
    const program = await bundleWriter(place.workspace);
    const id = await write(await place.store.create(), user("go"));
    const holder = startWriter(program, ["hold", place.workspace, id]);
    await holder.first;

    await expect(place.store.open(id)).rejects.toMatchObject({
      code: "session_locked",
      message: expect.stringContaining(`process ${holder.child.pid}. Close it there`) as string,
      data: { id, pid: holder.child.pid },
    });
    expect((await place.store.list())[0]).toMatchObject({ id, status: "active", messages: 1 });
    expect((await place.store.read(id)).messages).toHaveLength(1);
    await expect(place.store.remove(id)).rejects.toMatchObject({ code: "session_locked" });
    const fork = await place.store.fork(id);
    await write(fork, user("elsewhere"));

    holder.child.kill("SIGKILL");
    await holder.ended;
    expect((await place.store.list()).find((session) => session.id === id)?.status).toBe("interrupted");
    await write(await place.store.open(id), user("on"));
    expect(await place.names()).toEqual([`${fork.id}.jsonl`, `${id}.jsonl`].sort());
  });

  it("is given to exactly one of many processes that find a dead one's", { timeout: 40_000 }, async () => {
    const place = await createPlace();
    const program = await bundleWriter(place.workspace);
    const id = await write(await place.store.create(), user("go"));
    const dead = startWriter(program, ["hold", place.workspace, id]);
    await dead.first;
    dead.child.kill("SIGKILL");
    await dead.ended;

    const writers = Array.from({ length: 6 }, () => startWriter(program, ["hold", place.workspace, id]));
    const firsts = await Promise.all(writers.map(({ first }) => first));
    expect(firsts.filter(({ opened }) => opened === id)).toHaveLength(1);
    expect(firsts.filter(({ failed }) => failed === "session_locked")).toHaveLength(5);
    const winner = writers[firsts.findIndex(({ opened }) => opened === id)];
    expect(
      firsts.every(({ failed, data }) => failed === undefined || typeof data?.["pid"] === "number"),
    ).toBe(true);
    winner?.child.kill("SIGKILL");
    await winner?.ended;
    expect((await place.state(id)).messages).toHaveLength(1);
  });

  it(
    "is not taken over however old it is, and is taken over from another start of the same number",
    { skip: process.platform !== "linux" },
    async () => {
      const place = await createPlace();
      const id = await write(await place.store.create(), user("go"));
      const self = describeThisProcess();
      const claim = (changed: Partial<ProcessIdentity>) =>
        writeFile(join(place.folder, toLockName(id, { ...self, ...changed })), "");

      await claim({ pid: process.ppid, startTicks: 1 });
      await claim({ pid: 2 ** 22 + 1 });
      await claim({ boot: "0123456789" });
      await claim({ space: "0123456789" });
      expect((await place.store.list())[0]?.status).toBe("interrupted");
      await write(await place.store.open(id), user("on"));
      expect(await place.names()).toEqual([`${id}.jsonl`]);

      const elsewhere = toLockName(id, { ...self, host: "0123456789" });
      await claim({ host: "0123456789" });
      await expect(place.store.open(id)).rejects.toMatchObject({
        code: "session_locked",
        message: expect.stringMatching(/another machine or container.* if it has ended, remove/) as string,
        data: { path: join(place.folder, elsewhere) },
      });
      expect(await place.names()).toEqual([elsewhere, `${id}.jsonl`].sort());
    },
  );

  it("leaves other sessions and foreign files alone", async () => {
    const place = await createPlace();
    const first = await write(await place.store.create());
    const names = [
      "notes.lock",
      `${first}.lock`,
      `${first}.x-y.lock`,
      "20260101-000000-abcdef.1-1-0-0-0.lock",
    ];
    for (const name of names) await writeFile(join(place.folder, name), "mine");
    await write(await place.store.open(first), user("go"));
    expect(await place.names()).toEqual([...names, `${first}.jsonl`].sort());
    expect(await readFile(join(place.folder, "notes.lock"), "utf8")).toBe("mine");
  });

  it("has a name that can be read back", () => {
    const lock = { pid: 12, startTicks: 345, boot: "ab", space: "0", host: "ff" };
    const name = toLockName("20260220-143512-a1b2c3", lock);
    expect(parseLockName(name)).toEqual({ sessionId: "20260220-143512-a1b2c3", owner: lock, name });
    expect(parseLockName("../../x.1-1-0-0-0.lock")).toBeUndefined();
  });
});
