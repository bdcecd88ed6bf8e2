import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { build } from "esbuild";
import { createSeatbeltSandbox } from "../../src/sandbox/seatbelt.ts";
import { parseProcessList } from "../../src/sandbox/seatbelt-tree.ts";
import { countCommands } from "../../src/testing/running-commands.ts";
import { toSeatbeltProfile, type SeatbeltOptions } from "../../src/sandbox/seatbelt-profile.ts";
import { allows, parseExpressions, type Expression } from "./_seatbelt-rules.ts";

const WORKSPACE = "/Users/someone/project";
const TEMPORARY = "/private/var/folders/xy/T/lmagent-home-1";
const OPTIONS: SeatbeltOptions = {
  workspace: WORKSPACE,
  temporary: TEMPORARY,
  toolchains: ["/Users/someone/.nvm/versions/node/v22"],
  pinned: [".lmagent", ".git/config", ".git/hooks", ".vscode/tasks.json", ".envrc"],
  network: "none",
};
const profile = toSeatbeltProfile(OPTIONS);

describe("the Seatbelt profile", () => {
  it("denies what it does not name", () => {
    expect(profile.text.startsWith("(version 1)\n(deny default)\n")).toBe(true);
    expect(allows(profile, "file-write-data", "/Users/someone/.zshrc")).toBe(false);
    expect(profile.text).not.toContain("(allow default)");
  });

  it("holds well-formed expressions and only parameters that are given", () => {
    const used = collectParameters(parseExpressions(profile.text));
    expect([...used].sort()).toEqual(Object.keys(profile.parameters).sort());
  });

  it.each([`${WORKSPACE}/a.txt`, `${WORKSPACE}/deep/er/b`, `${TEMPORARY}/x`, `${WORKSPACE}/.git/index`])(
    "lets %s be read and written",
    (path) => {
      for (const operation of ["file-read-data", "file-write-data", "file-write-create", "file-write-unlink"])
        expect(allows(profile, operation, path), operation).toBe(true);
    },
  );

  it.each([
    "/Users/someone/.ssh/id_ed25519",
    "/Users/someone/other/file",
    `${WORKSPACE}-evil/file`,
    "/private/etc/master.passwd",
    "/private/var/folders/xy/T/other",
    "/Users/someone/Library/Keychains/login.keychain-db",
    "/Volumes/disk/file",
  ])("keeps %s from being read or written", (path) => {
    expect(allows(profile, "file-read-data", path)).toBe(false);
    expect(allows(profile, "file-write-create", path)).toBe(false);
  });

  it.each(["/usr/bin/true", "/System/Library/x", "/Users/someone/.nvm/versions/node/v22/bin/node"])(
    "lets %s be read and not be written",
    (path) => {
      expect(allows(profile, "file-read-data", path)).toBe(true);
      expect(allows(profile, "file-write-data", path)).toBe(false);
    },
  );

  it.each([".lmagent/x", ".git/config", ".git/hooks/pre-commit", ".vscode/tasks.json", ".envrc"])(
    "keeps %s as it is, also where it is not there yet",
    (path) => {
      expect(allows(profile, "file-write-data", `${WORKSPACE}/${path}`)).toBe(false);
      expect(allows(profile, "file-write-create", `${WORKSPACE}/${path}`)).toBe(false);
      expect(allows(profile, "file-read-data", `${WORKSPACE}/${path}`)).toBe(true);
    },
  );

  it.each([".git", ".vscode", ".lmagent"])("lets %s neither be moved away nor be put there", (path) => {
    expect(allows(profile, "file-write-unlink", `${WORKSPACE}/${path}`)).toBe(false);
    expect(allows(profile, "file-write-create", `${WORKSPACE}/${path}`)).toBe(false);
  });

  it.each([".GIT", ".Git/hooks/pre-commit", ".LMAGENT/x", ".VScode/tasks.json", ".ENVRC"])(
    "makes no %s, which a Mac takes for the same name",
    (path) => expect(allows(profile, "file-write-create", `${WORKSPACE}/${path}`)).toBe(false),
  );

  it("lets no file get the rights of its owner", () => {
    expect(profile.text.trimEnd().endsWith("(deny file-write-setugid)")).toBe(true);
  });

  it("gives no network unless it is chosen, and never an engine's socket", () => {
    const bridge = toSeatbeltProfile({ ...OPTIONS, network: "bridge" });
    expect(profile.text).not.toContain("remote ip");
    expect(bridge.text).toContain("(allow network-outbound (remote ip))");
    for (const each of [profile, bridge]) {
      for (const path of [
        "/var/run/docker.sock",
        "/private/var/run/docker.sock",
        "/Users/someone/.docker/run/docker.sock",
        "/Users/someone/.orbstack/run/docker.sock",
        "/Users/someone/.local/share/containers/podman/machine/podman.sock",
        `${TEMPORARY}/docker.sock`,
      ])
        expect(allows(each, "network-outbound", path), path).toBe(false);
    }
    expect(allows(profile, "network-bind", `${TEMPORARY}/own.sock`)).toBe(true);
  });

  it.each([
    '/Users/x") (allow default) ("',
    "/Users/x' -p (version 1)",
    '/Users/(param "TEMPORARY")',
    "/Users/a b\n(allow file-write*)\\",
    "/Users/ü💥=WORKSPACE=/",
  ])("takes a folder named %j for a name and not for a rule", (workspace) => {
    const hostile = toSeatbeltProfile({ ...OPTIONS, workspace, toolchains: [`${workspace}/tools`] });
    expect(hostile.parameters["WORKSPACE"]).toBe(workspace);
    // Only the number of folders above differs between two profiles.
    const withoutAbove = (text: string): string => text.replaceAll(/ \(literal \(param "ABOVE_\d+"\)\)/g, "");
    expect(withoutAbove(hostile.text)).toBe(withoutAbove(profile.text));
    expect(allows(hostile, "file-write-data", `${workspace}/.git/config`)).toBe(false);
    expect(allows(hostile, "file-write-data", `${workspace}/file`)).toBe(true);
  });
});

function collectParameters(expressions: readonly Expression[], found = new Set<string>()): Set<string> {
  for (const each of expressions) {
    if (!Array.isArray(each)) continue;
    if (each[0] === "param") found.add((each[1] as { text: string }).text);
    else collectParameters(each, found);
  }
  return found;
}

describe("what ps of macOS prints", () => {
  it("is read line by line, whatever else stands there", () => {
    const text = [
      "    1     0     1   9872 Ss   Mon Jan  5 09:00:01 2026",
      "  501   1   501 123456 R+   Mon Jan  5 09:00:02 2026    ",
      "  502 501   501      0 Z    Mon Jan  5 09:00:03 2026",
      "ps: a warning",
      "",
      " 12 x 3 4 now",
    ].join("\n");
    expect(parseProcessList(text)).toEqual([
      { pid: 1, parent: 0, group: 1, memoryBytes: 9_872 * 1_024, started: "Mon Jan  5 09:00:01 2026" },
      { pid: 501, parent: 1, group: 501, memoryBytes: 123_456 * 1_024, started: "Mon Jan  5 09:00:02 2026" },
    ]);
  });
});

/** Everything but the walls themselves: a program in place of `sandbox-exec` notes its arguments and runs the command. */
describe.skipIf(process.platform === "win32")("the Seatbelt sandbox around a stand-in", () => {
  let folder: string;
  let options: { workspaceRoot: string; sandboxExecPath: string };

  beforeEach(async () => {
    folder = await mkdtemp(join(await realpath(tmpdir()), "lmagent-seatbelt-test-"));
    options = { workspaceRoot: join(folder, "work space"), sandboxExecPath: join(folder, "sandbox-exec") };
    await mkdir(options.workspaceRoot);
    const script = [
      "#!/bin/sh",
      `for word in "$@"; do printf '%s\\0' "$word"; done > '${folder}/arguments'`,
      '[ "$1" = -p ] || exit 71',
      "shift 2",
      'while [ "$1" = -D ]; do shift 2; done',
      'exec "$@"',
    ];
    await writeFile(options.sandboxExecPath, `${script.join("\n")}\n`);
    await chmod(options.sandboxExecPath, 0o755);
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("gives it a profile and its parameters, and the command after them", async () => {
    await using sandbox = createSeatbeltSandbox(options);
    let said = "";
    const onOutput = (chunk: Uint8Array): void => void (said += Buffer.from(chunk).toString());
    const result = await sandbox.run(["printf", "%s|", "a b", '"$(x)"', "-D"], { onOutput });
    expect([result.exitCode, said]).toEqual([0, 'a b|"$(x)"|-D|']);
    const words = (await readFile(join(folder, "arguments"), "utf8")).split("\0");
    expect(words[0]).toBe("-p");
    expect(words[1]).toMatch(/^\(version 1\)\n\(deny default\)\n/);
    expect(words).toContain(`WORKSPACE=${options.workspaceRoot}`);
    expect(words.filter((word) => word.endsWith("/.git/hooks"))).toHaveLength(1);
  });

  it("passes on nothing of our environment and gives a home of its own, gone afterwards", async () => {
    process.env["LMAGENT_TEST_CANARY"] = "canary";
    let said = "";
    try {
      await using sandbox = createSeatbeltSandbox(options);
      await sandbox.run("env; pwd", { onOutput: (chunk) => (said += Buffer.from(chunk).toString()) });
    } finally {
      delete process.env["LMAGENT_TEST_CANARY"];
    }
    expect(said).not.toContain("canary");
    expect(said.trim().split("\n").at(-1)).toBe(options.workspaceRoot);
    const home = /^HOME=(.*)$/m.exec(said)?.[1] ?? "";
    expect(home).toMatch(/\/lmagent-home-/);
    await expect(readdir(home)).rejects.toThrow(/ENOENT/);
  });

  it.each([
    ["timeout", { timeoutMs: 1_000 }, (sleep: string) => `${sleep} & setsid ${sleep} & sleep 9`],
    [
      "memory",
      { memoryMb: 64 },
      (sleep: string) => `${sleep} & head -c 100000000 /dev/zero | tail -c 99999999 | sleep 9`,
    ],
    ["processes", {}, (sleep: string) => `${sleep} & for i in $(seq 200); do sleep 9 & done; wait`],
  ] as const)("ends the whole tree for %s", async (stopped, limits, toCommand) => {
    await using sandbox = createSeatbeltSandbox(options);
    const sleep = `sleep 77.${process.pid}${Date.now()}`;
    const result = await sandbox.run(toCommand(sleep), limits);
    expect(result.stopped).toBe(stopped);
    expect(await countCommands(sleep)).toBe(0);
  });

  it("runs programs that stay, and ends them with itself", async () => {
    const sandbox = createSeatbeltSandbox(options);
    let said = "";
    const program = await sandbox.start(["cat"], {
      onOutput: (chunk) => (said += Buffer.from(chunk).toString()),
    });
    expect(await program.write(Buffer.from("hello\n"))).toBe(true);
    while (!said.includes("hello")) await pause(10);
    await sandbox[Symbol.asyncDispose]();
    expect((await program.ended).stopped).toBe("aborted");
  });

  it("leaves nothing of an agent that is killed", async () => {
    const script = join(folder, "agent.mjs");
    await build({
      stdin: {
        contents: `
          import { createSeatbeltSandbox } from "./src/sandbox/seatbelt.ts";
          const [workspaceRoot, sandboxExecPath, command] = process.argv.slice(2);
          const sandbox = createSeatbeltSandbox({ workspaceRoot, sandboxExecPath });
          await sandbox.run(command, { onOutput: (chunk) => process.stdout.write(chunk) });`,
        resolveDir: join(import.meta.dirname, "../.."),
      },
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20.19",
      outfile: script,
    });
    const sleep = `sleep 76.${process.pid}${Date.now()}`;
    const words = [script, options.workspaceRoot, options.sandboxExecPath, `echo $HOME; ${sleep}`];
    const agent = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
    const [home] = (await once(agent.stdout, "data")) as [Buffer];
    agent.kill("SIGKILL");
    await once(agent, "close");
    for (let tries = 0; tries < 100 && (await countCommands(sleep)) > 0; tries += 1) await pause(20);
    expect(await countCommands(sleep)).toBe(0);
    await expect(readdir(home.toString().trim())).rejects.toThrow(/ENOENT/);
  });
});

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
}
