import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createBubblewrapSandbox,
  findTrustedBinary,
  probeBubblewrap,
  type BubblewrapOptions,
} from "../../src/sandbox/index.ts";
import { countCommands } from "../../src/testing/running-commands.ts";

/** No user of this machine; only its number matters. */
const ORDINARY_USER = 54_321;

const isRoot = process.getuid?.() === 0;
const folder = await mkdtemp(join(await realpath(tmpdir()), "lmagent-bubblewrap-test-"));
const bwrapPath = findTrustedBinary("bwrap", folder) ?? "/usr/bin/bwrap";
const probed = await probeBubblewrap({ workspaceRoot: folder, bwrapPath });

afterAll(() => rm(folder, { recursive: true }));

it.runIf(process.platform === "linux")("names the folder that a workspace cannot hold", async () => {
  await using sandbox = createBubblewrapSandbox({ workspaceRoot: "/proc/self", bwrapPath });
  await expect(sandbox.run("true")).rejects.toMatchObject({
    code: "workspace_invalid",
    message: expect.stringMatching(/^`\/proc\/\d+\/\.lmagent` could not be made/) as string,
  });
});

describe.runIf(probed.usable)("a toolchain outside the system's folders", () => {
  it("can be run and not be changed", async () => {
    const toolchain = join(folder, "toolchain");
    const workspaceRoot = join(folder, "with-toolchain");
    await mkdir(join(toolchain, "bin"), { recursive: true });
    await mkdir(workspaceRoot);
    await writeFile(join(toolchain, "bin/own-tool"), "#!/bin/sh\necho own\n", { mode: 0o755 });
    const sandbox = createBubblewrapSandbox({ workspaceRoot, bwrapPath, toolchains: [toolchain] });
    let said = "";
    const { exitCode } = await sandbox.run(`own-tool; echo x >> ${toolchain}/bin/own-tool`, {
      onOutput: (chunk) => (said += Buffer.from(chunk).toString()),
    });
    expect(exitCode).not.toBe(0);
    expect(said).toMatch(/^own\n/);
  });
});

describe.runIf(probed.usable)("a command in bubblewrap", () => {
  const workspaceRoot = join(folder, "walls");
  const run = async (command: string, options: Partial<BubblewrapOptions> = {}, env = {}) => {
    await using sandbox = createBubblewrapSandbox({ workspaceRoot, bwrapPath, ...options });
    let said = "";
    const result = await sandbox.run(command, {
      env,
      onOutput: (chunk) => (said += Buffer.from(chunk).toString()),
    });
    return { ...result, said };
  };

  beforeAll(async () => {
    for (const path of [".git/hooks", ".vscode"]) await mkdir(join(workspaceRoot, path), { recursive: true });
    for (const path of [".git/config", ".vscode/tasks.json", ".envrc"])
      await writeFile(join(workspaceRoot, path), "");
  });

  it("leaves no file that gives its owner's rights away, whichever call it takes", async () => {
    const attempts = `import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def attempt(body):
    try: body()
    except OSError: pass
for mode in (0o4755, 0o2755, 0o6755):
    name = "made-%o" % mode
    attempt(lambda: os.close(os.open(name + "-open", os.O_CREAT | os.O_WRONLY, mode)))
    attempt(lambda: os.mknod(name + "-mknod", 0o100000 | mode))
    open(name, "w").close()
    attempt(lambda: os.chmod(name, mode))
    descriptor = os.open(name, os.O_RDONLY)
    attempt(lambda: os.fchmod(descriptor, mode))
    libc.fchmodat(-100, name.encode(), mode, 0)
    libc.syscall(452, -100, name.encode(), mode, 0)
    libc.creat((name + "-creat").encode(), mode)
print("tried")`;
    await writeFile(join(workspaceRoot, "attempts.py"), attempts);
    expect((await run("python3 attempts.py")).said).toMatch(/tried/);
    const made = (await readdir(workspaceRoot)).filter((name) => name.startsWith("made"));
    expect(made.length).toBeGreaterThanOrEqual(3);
    for (const name of made) expect((await stat(join(workspaceRoot, name))).mode & 0o6000).toBe(0);
  });

  it("cannot move, replace or change what other programs obey", async () => {
    const { said } = await run(
      `for path in .git .git/hooks .git/config .vscode .vscode/tasks.json .envrc .lmagent; do
         { mv -T $path moved || rm -rf $path || ln -sfT /etc $path; } 2>/dev/null && echo "$path gave way"
         test -e $path && test ! -L $path || echo "$path is gone"
       done; touch .git/index .vscode/other; echo x >> .envrc || echo refused; git config core.pager evil || echo refused`,
    );
    expect(said).not.toMatch(/gave way|is gone/);
    expect(said.match(/^refused$/gm)?.length).toBe(2);
    expect(await readdir(join(workspaceRoot, ".git"))).toEqual(
      expect.arrayContaining(["config", "hooks", "index"]),
    );
  });

  it("is told at once by package managers that there is no network, and not where there is one", async ({
    skip,
  }) => {
    skip((await run("command -v npm")).exitCode !== 0, "there is no npm among the system's programs");
    const { exitCode, said, durationMs } = await run("npm install left-pad");
    expect([exitCode, said]).toEqual([1, expect.stringContaining("ENOTCACHED")]);
    expect(durationMs).toBeLessThan(25_000);
    const shown = await run('echo "<$npm_config_offline$PIP_RETRIES>"', { network: "bridge" });
    expect(shown.said).toBe("<>\n");
  });

  it("has an environment that no other user can read in the list of processes", async () => {
    const secret = `secret-${Date.now()}`;
    await using sandbox = createBubblewrapSandbox({ workspaceRoot, bwrapPath });
    const sleep = `sleep 79.${process.pid}${Date.now()}`;
    await using program = await sandbox.start(["sh", "-c", `${sleep}; true`], { env: { KEY: secret } });
    for (let tries = 0; tries < 200 && (await countCommands(sleep)) < 2; tries += 1) await pause(10);
    expect(await countCommands(secret)).toBe(0);
    expect((await run('echo "$KEY"', {}, { KEY: secret })).said).toBe(`${secret}\n`);
    expect(await program.write(Buffer.from("x"))).toBe(true);
  });

  it("is in a network only when that was chosen", async () => {
    expect((await run("grep -c : /proc/net/dev")).said).toBe("1\n");
    const own = (await readFile("/proc/net/dev", "utf8"))
      .split("\n")
      .filter((line) => line.includes(":")).length;
    expect((await run("grep -c : /proc/net/dev", { network: "bridge" })).said).toBe(`${own}\n`);
    await using sandbox = createBubblewrapSandbox({ workspaceRoot, bwrapPath, network: "bridge" });
    expect(sandbox.network).toBe("bridge");
  });

  it("may change no setting of the kernel and nothing of the root", async () => {
    const { said } = await run(
      "for file in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sysrq-trigger /etc/passwd /dev/x /x; do echo x 2>/dev/null > $file && echo wrote $file; done; echo end",
    );
    expect(said.replaceAll(/^.*(?:Read-only|cannot create|Permission|denied).*\n/gm, "")).toBe("end\n");
  });

  it("ends with its sandbox", async () => {
    const sleep = `sleep 79.5${process.pid}${Date.now()}`;
    const sandbox = createBubblewrapSandbox({ workspaceRoot, bwrapPath });
    const running = sandbox.run(sleep);
    for (let tries = 0; tries < 200 && (await countCommands(sleep)) < 2; tries += 1) await pause(10);
    await sandbox[Symbol.asyncDispose]();
    expect((await running).stopped).toBe("aborted");
    expect(await countCommands(sleep)).toBe(0);
    expect((await sandbox.run("true")).stopped).toBe("aborted");
  });
});

describe.runIf(probed.usable)("bubblewrap of an agent in a process of its own", () => {
  const user = isRoot ? { uid: ORDINARY_USER, gid: ORDINARY_USER } : {};
  const workspace = join(folder, "workspace");
  const script = join(folder, "agent.mjs");

  beforeAll(async () => {
    await build({
      stdin: {
        contents: `
          import { createBubblewrapSandbox } from "./src/sandbox/bubblewrap.ts";
          import { createProcessSandbox } from "./src/sandbox/process.ts";
          const [workspaceRoot, bwrapPath, command, memoryMb] = process.argv.slice(2);
          const sandbox = bwrapPath === ""
            ? createProcessSandbox({ workspaceRoot })
            : createBubblewrapSandbox({ workspaceRoot, bwrapPath });
          // So that what follows is as quick as in an agent that has run commands before.
          await sandbox.run("true");
          if (memoryMb === "announced") process.stdout.write("now");
          const result = await sandbox.run(command, {
            memoryMb: Number(memoryMb), timeoutMs: 20_000, onOutput: (chunk) => process.stdout.write(chunk),
          });
          console.log(JSON.stringify(result));`,
        resolveDir: join(import.meta.dirname, "../.."),
      },
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      outfile: script,
    });
    await chmod(folder, 0o755);
    await mkdir(workspace);
    if (isRoot) await chown(workspace, ORDINARY_USER, ORDINARY_USER);
  });

  const start = (command: string, memoryMb: number | "announced" = 512, backend = bwrapPath) =>
    spawn(process.execPath, [script, workspace, backend, command, String(memoryMb)], {
      ...user,
      cwd: workspace,
      stdio: ["ignore", "pipe", "pipe"],
    });

  const say = async (command: string, memoryMb?: number): Promise<string> => {
    const agent = start(command, memoryMb);
    let said = "";
    for (const stream of [agent.stdout, agent.stderr])
      stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await once(agent, "close");
    return said;
  };

  it("runs commands as an ordinary user, who owns what they make", async () => {
    const said = await say("id -u; cat /etc/shadow; echo text > made.txt");
    const uid = isRoot ? ORDINARY_USER : process.getuid?.();
    expect(said).toMatch(new RegExp(`^${uid}\\n`));
    expect(said).toContain('"exitCode":0');
    expect((await stat(join(workspace, "made.txt"))).uid).toBe(uid);
  });

  it("ends too much memory as an ordinary user", async () => {
    const hog = "head -c 60000000 /dev/zero | tail -c 59999999 | sleep 8 &";
    expect(await say(`${hog} ${hog} ${hog} wait`, 64)).toContain('"stopped":"memory"');
  });

  it("survives a fork bomb", async () => {
    expect(await say("b() { b | b & }; b; sleep 1; echo over")).toMatch(/"exitCode":\d+/);
    expect(await say("echo still here")).toContain("still here");
  });

  it.each([bwrapPath, ""])("takes its commands with it when it is killed, in %j", async (backend) => {
    const sleep = `sleep 78.${process.pid}${Date.now()}`;
    const agent = start(`setsid ${sleep} & ${sleep}`, 512, backend);
    // The agent's own arguments hold the text too.
    while ((await countCommands(sleep)) < 3) await pause(20);
    agent.kill("SIGKILL");
    await once(agent, "close");
    await waitUntilGone(sleep);
    expect(await countCommands(sleep)).toBe(0);
  });

  it("leaves nothing when it is killed while a command starts", async () => {
    const sleep = `sleep 78.5${process.pid}${Date.now()}`;
    for (let afterMs = 0; afterMs < 8; afterMs += 0.25) {
      const agent = start(sleep, "announced");
      await once(agent.stdout, "data");
      await pause(afterMs);
      agent.kill("SIGKILL");
      await once(agent, "close");
    }
    await waitUntilGone(sleep);
    expect(await countCommands(sleep)).toBe(0);
  });
});

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
}

async function waitUntilGone(command: string): Promise<void> {
  for (let tries = 0; tries < 1_000 && (await countCommands(command)) > 0; tries += 1) await pause(20);
}
