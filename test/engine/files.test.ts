import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findModel, planLoad, toModelId } from "../../src/engine/plan/model-file.ts";
import {
  prepareHome,
  readRunFile,
  removeRunFile,
  runFilePath,
  writeRunFile,
} from "../../src/engine/acquire/run-file.ts";
import { withStartLock } from "../../src/engine/acquire/start-lock.ts";
import { chooseThreads, usableCores } from "../../src/engine/plan/threads.ts";
import { PRACTICE_MODEL } from "./_bundle.ts";
import { PRACTICE } from "./_practice.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-engine-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const run = { port: 4000, pid: 12, apiKey: "secret", modelPath: "/m.gguf", modelId: "m", version: "1.0.0" };

describe("the run file", () => {
  test("is readable by its owner only, and comes back as written", async () => {
    await prepareHome(folder);
    const path = runFilePath(folder, run);
    await writeRunFile(path, run);
    expect(await readRunFile(path)).toEqual(run);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, "run"))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(folder, "run"))).toHaveLength(1);
  });

  test("closes a folder that others could read", async () => {
    await mkdir(join(folder, "run"), { mode: 0o755 });
    await chmod(join(folder, "run"), 0o755);
    await prepareHome(folder);
    expect((await stat(join(folder, "run"))).mode & 0o777).toBe(0o700);
  });

  test("is ignored when it is torn, foreign or missing", async () => {
    for (const content of [
      '{"port": 40',
      "[]",
      "null",
      '{"port":"4000"}',
      JSON.stringify({ ...run, port: 99_999 }),
    ]) {
      await writeFile(join(folder, "file"), content);
      expect(await readRunFile(join(folder, "file"))).toBeUndefined();
    }
    expect(await readRunFile(join(folder, "none"))).toBeUndefined();
  });

  test("is removed only by the process that wrote it", async () => {
    const path = join(folder, "file");
    await writeRunFile(path, run);
    await removeRunFile(path, 99);
    expect(await readRunFile(path)).toEqual(run);
    await removeRunFile(path, run.pid);
    expect(await readRunFile(path)).toBeUndefined();
  });

  test("says which path could not be written", async () => {
    await expect(writeRunFile(join(folder, "missing", "file"), run)).rejects.toMatchObject({
      code: "storage_failed",
      data: { errno: "ENOENT" },
    });
    await writeFile(join(folder, "run"), "in the way");
    await expect(prepareHome(folder)).rejects.toMatchObject({ code: "storage_failed" });
  });

  test("is another one for another model or version", () => {
    const paths = [run, { ...run, modelPath: "/n.gguf" }, { ...run, version: "1.0.1" }].map((one) =>
      runFilePath(folder, one),
    );
    expect(new Set(paths).size).toBe(3);
  });
});

describe("the start lock", () => {
  test("lets one run after the other", async () => {
    const path = join(folder, "lock");
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setTimeout(resolve, 15));
      inside -= 1;
    };
    await Promise.all([1, 2, 3].map(() => withStartLock(path, {}, work)));
    expect(most).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  test("takes over the lock of a process that is gone", async () => {
    const path = join(folder, "lock");
    await writeFile(path, "2147483646");
    expect(await withStartLock(path, {}, async () => readFile(path, "utf8"))).toBe(String(process.pid));
  });

  test("takes over a lock that is older than any start", async () => {
    const path = join(folder, "lock");
    await writeFile(path, String(process.pid));
    const longAgo = new Date(Date.now() - 120_000);
    await utimes(path, longAgo, longAgo);
    expect(await withStartLock(path, {}, async () => "done")).toBe("done");
  });

  test("that is stale is left to the process that removes it already", async () => {
    const path = join(folder, "lock");
    const claim = `${path}.stale`;
    await writeFile(path, "2147483646");
    await writeFile(claim, String(process.pid));
    const waiting = withStartLock(path, { signal: AbortSignal.timeout(100) }, async () => "never");
    await expect(waiting).rejects.toThrow(/abort/i);
    expect(await readFile(path, "utf8")).toBe("2147483646");
    // One that was killed meanwhile removes nothing any more.
    await writeFile(claim, "2147483646");
    expect(await withStartLock(path, {}, async () => "done")).toBe("done");
    expect(await readdir(folder)).toEqual([]);
  });

  test("that is stale is taken over by one of many that come at the same time", async () => {
    const path = join(folder, "lock");
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setTimeout(resolve, 3));
      inside -= 1;
    };
    for (let round = 0; round < 5; round += 1) {
      await writeFile(path, "2147483646");
      await Promise.all(
        Array.from({ length: 6 }, async (_, at) => {
          await new Promise((resolve) => setTimeout(resolve, at % 3));
          await withStartLock(path, {}, work);
        }),
      );
    }
    expect(most).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  test("gives up waiting on abort, and leaves the lock alone", async () => {
    const path = join(folder, "lock");
    await writeFile(path, String(process.pid));
    await expect(
      withStartLock(path, { signal: AbortSignal.timeout(60) }, async () => "never"),
    ).rejects.toThrow(/abort/i);
    expect(await readFile(path, "utf8")).toBe(String(process.pid));
  });
});

describe("the model file", () => {
  test("is the practice model when nothing is named", async () => {
    expect(await findModel({ packageModel: PRACTICE_MODEL, cwd: folder })).toBe(PRACTICE_MODEL);
    expect(await findModel({ name: "lmagent-practice", packageModel: PRACTICE_MODEL, cwd: folder })).toBe(
      PRACTICE_MODEL,
    );
    expect(toModelId(PRACTICE_MODEL)).toBe("lmagent-practice");
    expect(toModelId("/models/a/Some-Model-Q4_K_M.gguf")).toBe("Some-Model-Q4_K_M");
  });

  test("must exist and be a GGUF file", async () => {
    await writeFile(join(folder, "bad.gguf"), "PK\u0003\u0004");
    await writeFile(join(folder, "empty.gguf"), "");
    for (const name of ["bad.gguf", "empty.gguf", "none.gguf", "."]) {
      const wanted = {
        name: name === "." ? `${folder}/x.gguf/..` : name,
        packageModel: PRACTICE_MODEL,
        cwd: folder,
      };
      await expect(findModel(wanted)).rejects.toMatchObject({ code: "engine_failed" });
    }
    await expect(findModel({ name: "llama-3", packageModel: PRACTICE_MODEL, cwd: folder })).rejects.toThrow(
      "`llama-3`",
    );
  });

  test("is looked at before native code reads it, also a small one", async () => {
    const path = join(folder, "lies.gguf");
    const bytes = Buffer.alloc(4096);
    bytes.write("GGUF");
    bytes.writeUInt32LE(3, 4);
    bytes.writeBigUInt64LE(2n ** 63n - 1n, 8);
    await writeFile(path, bytes);
    await expect(planLoad({ modelPath: path })).rejects.toMatchObject({
      message: expect.stringContaining("number of tensors") as string,
      data: { reason: "load_failed", path },
    });
  });

  test("decides context, slots and threads, unless the threads were set", async () => {
    expect(await planLoad({ modelPath: PRACTICE_MODEL })).toMatchObject({
      contextTokens: PRACTICE.contextTokens,
      slots: 2,
      threads: 1,
      gpu: false,
    });
    expect(await planLoad({ modelPath: PRACTICE_MODEL, threads: 2 })).toMatchObject({ threads: 2 });
  });
});

describe("the number of threads", () => {
  test("follows the quota of either cgroup version, and is never less than one", async () => {
    await writeFile(join(folder, "cpu.max"), "50000 100000\n");
    expect(usableCores(folder)).toBe(1);
    await writeFile(join(folder, "cpu.max"), "max 100000\n");
    const all = usableCores(join(folder, "none"));
    expect(usableCores(folder)).toBe(all);
    await rm(join(folder, "cpu.max"));
    await mkdir(join(folder, "cpu"));
    await writeFile(join(folder, "cpu", "cpu.cfs_quota_us"), "100000");
    await writeFile(join(folder, "cpu", "cpu.cfs_period_us"), "100000");
    expect(usableCores(folder)).toBe(1);
    await writeFile(join(folder, "cpu", "cpu.cfs_quota_us"), "-1");
    expect(usableCores(folder)).toBe(all);
  });

  test("is one for a tiny model", () => {
    expect([chooseThreads(2_000_000, 8), chooseThreads(4e9, 8), chooseThreads(4e9, 0)]).toEqual([1, 8, 1]);
  });
});
