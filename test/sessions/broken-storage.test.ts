import {
  appendFile,
  link,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { AgentError } from "../../src/core/errors.ts";
import { findUnpaired, user, write } from "./_entries.ts";
import { bundleWriter, createPlace, startWriter } from "./_setup.ts";

describe("the folder of the sessions", () => {
  it("is asked for once, and holds files for their owner alone", async () => {
    let made = 0;
    const place = await createPlace({
      makeFolder: async (folder) => {
        made += 1;
        await mkdir(folder, { recursive: true });
      },
    });
    const id = await write(await place.store.create(), user("go"));
    await write(await place.store.create());
    expect(made).toBe(1);
    expect((await stat(place.file(id))).mode & 0o777).toBe(0o600);
  });

  it("says why it could not be made", async () => {
    const cause = new AgentError("file_failed", "cannot make .lmagent", { data: { errno: "EROFS" } });
    const place = await createPlace({
      makeFolder: async () => {
        throw cause;
      },
    });
    await expect(place.store.create()).rejects.toMatchObject({
      code: "storage_failed",
      message: expect.stringMatching(/cannot make .lmagent. The file system is read-only/) as string,
      data: { path: place.folder, errno: "EROFS" },
      cause,
    });
  });

  it.each([".lmagent", ".lmagent/sessions"])(
    "is refused when %s is exchanged for a link as soon as it was made",
    async (path) => {
      const outside = await mkdtemp(join(tmpdir(), "lmagent-outside-"));
      onTestFinished(() => rm(outside, { recursive: true }));
      await mkdir(join(outside, "sessions"));
      const place = await createPlace({
        makeFolder: async (folder) => {
          await mkdir(folder, { recursive: true });
          const planted = join(folder, "../..", path);
          await rename(planted, `${planted}.moved`);
          await symlink(outside, planted);
        },
      });
      await expect(place.store.create()).rejects.toMatchObject({ code: "storage_failed" });
      expect(await readdir(outside)).toEqual(["sessions"]);
      expect(await readdir(join(outside, "sessions"))).toEqual([]);
    },
  );

  it("is not made by looking for sessions", async () => {
    const place = await createPlace();
    expect(await place.store.list()).toEqual([]);
    await expect(place.store.open("abc")).rejects.toMatchObject({ code: "session_not_found" });
    await expect(place.store.fork("abc")).rejects.toMatchObject({ code: "session_not_found" });
    expect(await readdir(place.workspace)).toEqual([]);
  });

  it.each([".lmagent", ".lmagent/sessions"])(
    "is refused when %s is a link, and nothing is written behind it",
    async (path) => {
      const place = await createPlace();
      const outside = join(place.workspace, "outside");
      await mkdir(join(outside, "sessions"), { recursive: true });
      if (path !== ".lmagent") await mkdir(join(place.workspace, ".lmagent"));
      await symlink(outside, join(place.workspace, path));
      const expected = {
        code: "storage_failed",
        message: expect.stringContaining(`\`${join(place.workspace, path)}\``) as string,
      };
      await expect(place.store.create()).rejects.toMatchObject(expected);
      await expect(place.store.list()).rejects.toMatchObject(expected);
      await expect(place.store.open("abc")).rejects.toMatchObject(expected);
      await expect(place.store.fork("abc")).rejects.toMatchObject(expected);
      await expect(place.store.read("abc")).rejects.toMatchObject(expected);
      await expect(place.store.remove("abc")).rejects.toMatchObject(expected);
      expect(await readdir(outside)).toEqual(["sessions"]);
      expect(await readdir(join(outside, "sessions"))).toEqual([]);
    },
  );

  it.each([".lmagent", ".lmagent/sessions"])("is refused when %s is a file", async (path) => {
    const place = await createPlace();
    if (path !== ".lmagent") await mkdir(join(place.workspace, ".lmagent"));
    await writeFile(join(place.workspace, path), "mine");
    await expect(place.store.create()).rejects.toMatchObject({ code: "storage_failed" });
    await expect(place.store.list()).rejects.toMatchObject({ code: "storage_failed" });
    expect(await readFile(join(place.workspace, path), "utf8")).toBe("mine");
  });

  it("cannot be exchanged for a link while a session is open", async () => {
    const place = await createPlace();
    const session = await place.store.create();
    const state = join(place.workspace, ".lmagent");
    const outside = join(place.workspace, "outside");
    await mkdir(join(outside, "sessions"), { recursive: true });
    await rename(state, `${state}.moved`);
    await symlink(outside, state);
    await write(session, user("go"));
    expect(await readdir(join(outside, "sessions"))).toEqual([]);
    expect(await readdir(join(`${state}.moved`, "sessions"))).toEqual([`${session.id}.jsonl`]);
  });

  it("is not trusted for what lies under the name of a session", async () => {
    const place = await createPlace();
    await write(await place.store.create());
    const secret = join(place.workspace, "secret");
    await writeFile(secret, '{"type":"session"}\n');
    await symlink(secret, place.file("20260101-000000-aaaaaa"));
    await mkdir(place.file("20260101-000000-bbbbbb"));
    execFileSync("mkfifo", [place.file("20260101-000000-cccccc")]);
    for (const id of ["aaaaaa", "bbbbbb", "cccccc"]) {
      await expect(place.store.open(id)).rejects.toMatchObject({ code: "storage_failed" });
    }
    expect((await place.store.list()).map(({ status }) => status).sort()).toEqual([
      "error",
      "error",
      "error",
      "new",
    ]);
  });
});

describe("a session that cannot be written any more", () => {
  it("says so, keeps what was stored, and can be resumed", async () => {
    const place = await createPlace();
    const program = await bundleWriter(place.workspace);
    // Blocks of 512 bytes in dash, 1024 in bash: either way the limit falls inside a record.
    const writer = startWriter(program, ["fill", place.workspace], { shell: "ulimit -f 20;" });
    await writer.ended;
    const failure = writer.reports.at(-1);
    expect(failure).toMatchObject({ failed: "storage_failed", data: { errno: "EFBIG" } });
    const stored = writer.reports.findLast((report) => report.stored !== undefined)?.stored ?? 0;
    expect(stored).toBeGreaterThan(4);

    const id = writer.reports[0]?.opened ?? "";
    const text = await readFile(place.file(id), "utf8");
    expect(text.endsWith("}\n")).toBe(true);
    const state = await place.state(id);
    expect(state.messages.length).toBeGreaterThanOrEqual(stored);
    expect(findUnpaired(state.messages)).toEqual([]);
    await write(await place.store.open(id), user("on"));
  });

  it("refuses every further record after a failure", async () => {
    const place = await createPlace();
    const session = await place.open(await write(await place.store.create(), user("go")));
    await appendFile(place.file(session.id), '{"by":"someone else"}\n');
    const before = await readFile(place.file(session.id));
    const appends = [session.append(user("one")), session.append(user("two"))];
    for (const append of appends) {
      await expect(append).rejects.toMatchObject({
        code: "storage_failed",
        message: expect.stringContaining("another program changed it") as string,
      });
    }
    await expect(session.append(user("three"))).rejects.toMatchObject({ code: "storage_failed" });
    expect(await readFile(place.file(session.id))).toEqual(before);
  });

  it("says so when its file was removed", async () => {
    const place = await createPlace();
    const session = await place.store.create();
    await session.append(user("go"));
    await rm(place.folder, { recursive: true });
    await expect(session.append(user("lost"))).rejects.toThrow("it was removed while the session was open");
    await session[Symbol.asyncDispose]();
  });

  it("refuses a record that could not be read back, and stays usable", async () => {
    const place = await createPlace();
    const session = await place.store.create();
    await expect(session.append(user("x".repeat(65 * 1024 * 1024)))).rejects.toMatchObject({
      code: "storage_failed",
      message: expect.stringContaining("larger than 64 MiB") as string,
    });
    await write(session, user("small"));
    expect((await place.state(session.id)).messages).toHaveLength(1);
  });

  it("does not follow another name of its file", async () => {
    const place = await createPlace();
    const session = await place.store.create();
    await link(place.file(session.id), join(place.workspace, "copy"));
    await rm(place.file(session.id));
    await write(session, user("go"));
    expect(await readFile(join(place.workspace, "copy"), "utf8")).toContain('"content":"go"');
  });
});
