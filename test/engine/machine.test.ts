import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readMachine } from "../../src/engine/plan/machine.ts";
import type { MachineOptions } from "../../src/engine/plan/machine.ts";
import { createToolRunner } from "../../src/engine/plan/run-tool.ts";
import type { ToolRunner } from "../../src/engine/plan/run-tool.ts";

const GIB = 2 ** 30;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-machine-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

/** Answers of tools by their names; what is not there cannot be run. */
const tools =
  (answers: Readonly<Record<string, string>>): ToolRunner =>
  async (program) =>
    answers[program];

const linux = (options: MachineOptions): MachineOptions => ({
  platform: "linux",
  architecture: "x64",
  run: tools({}),
  memory: () => ({ totalBytes: 64 * GIB, freeBytes: 40 * GIB }),
  cgroup: { root: folder, self: join(folder, "self") },
  ...options,
});

describe("memory of this machine", () => {
  test("is what the system says where nothing limits it", async () => {
    const facts = await readMachine(linux({}));
    expect(facts).toMatchObject({ totalBytes: 64 * GIB, availableBytes: 40 * GIB, gpus: [], unified: false });
    expect(facts.cores).toBeGreaterThan(0);
  });

  test("is limited by the group and by those around it, and cached files do not count", async () => {
    await mkdir(join(folder, "outer/inner"), { recursive: true });
    await writeFile(join(folder, "self"), "0::/outer/inner\n");
    await writeFile(join(folder, "outer/memory.max"), `${8 * GIB}\n`);
    await writeFile(join(folder, "outer/memory.current"), `${6 * GIB}\n`);
    await writeFile(
      join(folder, "outer/memory.stat"),
      `anon 1\nactive_file ${GIB}\ninactive_file ${2 * GIB}\n`,
    );
    await writeFile(join(folder, "outer/inner/memory.max"), "max\n");
    const facts = await readMachine(linux({}));
    expect(facts).toMatchObject({ totalBytes: 8 * GIB, availableBytes: 5 * GIB });
  });

  test("is limited by the first version of groups too, also where a container sees another path", async () => {
    await mkdir(join(folder, "memory"));
    await writeFile(join(folder, "self"), "9:name=systemd:/x\n4:memory:/docker/abc\n0::/\n");
    await writeFile(join(folder, "memory/memory.limit_in_bytes"), String(2 * GIB));
    await writeFile(join(folder, "memory/memory.usage_in_bytes"), String(GIB));
    expect((await readMachine(linux({}))).availableBytes).toBe(GIB);
    await writeFile(join(folder, "memory/memory.limit_in_bytes"), "9223372036854771712");
    expect((await readMachine(linux({}))).availableBytes).toBe(40 * GIB);
  });
});

describe("GPUs", () => {
  const gpusOf = async (answers: Readonly<Record<string, string>>) =>
    (await readMachine(linux({ run: tools(answers) }))).gpus;

  test("are told by nvidia-smi", async () => {
    const text = "NVIDIA GeForce RTX 3060, 12288, 11000\nNVIDIA H100 80GB HBM3, PCIe, 81559, 81000\n";
    expect(await gpusOf({ "nvidia-smi": text })).toEqual([
      { vendor: "nvidia", name: "NVIDIA GeForce RTX 3060", totalBytes: 12 * GIB, freeBytes: 11000 * 2 ** 20 },
      {
        vendor: "nvidia",
        name: "NVIDIA H100 80GB HBM3, PCIe",
        totalBytes: 81559 * 2 ** 20,
        freeBytes: 81000 * 2 ** 20,
      },
    ]);
  });

  test("are told by rocm-smi where there is none of NVIDIA", async () => {
    const text = "device,VRAM Total Memory (B),VRAM Total Used Memory (B)\ncard0,17163091968,1163091968\n\n";
    expect(await gpusOf({ "rocm-smi": text })).toEqual([
      { vendor: "amd", name: "AMD card0", totalBytes: 17163091968, freeBytes: 16_000_000_000 },
    ]);
  });

  test("are none where the tool fails or writes something else", async () => {
    for (const text of [
      "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
      "GPU, [N/A], [N/A]",
      "GPU, 100, 200",
      "GPU, 0, 0",
      "GPU, 99999999999999999999, 1",
      "GPU, -5, -7",
      ", , ,\n\u0000\u0000",
      "x".repeat(60_000),
    ])
      expect(await gpusOf({ "nvidia-smi": text })).toEqual([]);
    expect(await gpusOf({ "nvidia-smi": "GPU, 1024, 1000\n".repeat(10_000) })).toHaveLength(64);
  });

  test("of Apple share the memory", async () => {
    const vmStat =
      "Mach Virtual Memory Statistics: (page size of 16384 bytes)\n" +
      "Pages free:                               65536.\nPages active:                            400000.\n" +
      "Pages inactive:                          131072.\nPages speculative:                            0.\n" +
      "Pages purgeable:                              0.\n";
    const facts = await readMachine({
      platform: "darwin",
      architecture: "arm64",
      run: tools({ vm_stat: vmStat }),
      memory: () => ({ totalBytes: 16 * GIB, freeBytes: GIB / 8 }),
    });
    expect(facts).toMatchObject({
      availableBytes: 3 * GIB,
      unified: true,
      gpus: [{ vendor: "apple", totalBytes: 12 * GIB, freeBytes: 3 * GIB }],
    });
  });

  test("are asked for with real tools, and a missing one is none", async () => {
    const facts = await readMachine();
    expect(facts.availableBytes).toBeGreaterThan(0);
    expect(facts.availableBytes).toBeLessThanOrEqual(facts.totalBytes);
  });
});

describe.skipIf(process.platform === "win32")("a tool", () => {
  const addTool = async (script: string): Promise<string> => {
    const path = join(folder, "tool");
    await writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return path;
  };

  test("gives what it writes, and nothing when it fails or is not there", async () => {
    const run = createToolRunner();
    expect(await run(await addTool('echo "$1, fine"'), ["so"])).toBe("so, fine\n");
    expect(await run(await addTool("echo lost; exit 3"), [])).toBeUndefined();
    expect(await run(await addTool("yes"), [])).toBeUndefined();
    expect(await run(join(folder, "none"), [])).toBeUndefined();
    expect(await run(folder, ["\0"])).toBeUndefined();
  });

  test("is given up in time, also when something that it started goes on", async () => {
    const path = await addTool(`sleep 20 & echo $! > ${join(folder, "pid")}; exec sleep 20`);
    const started = performance.now();
    expect(await createToolRunner({ timeoutMs: 1_000 })(path, [])).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(10_000);
    process.kill(Number(await readFile(join(folder, "pid"), "utf8")), "SIGKILL");
  });
});
