import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { countCommands } from "../../src/testing/running-commands.ts";
import { findTestDocker, listContainersOver } from "../sandbox/_docker.ts";
import { createPlace, runAgent, spawnAgent, type Place } from "./_agent.ts";

const EXIT_USAGE = 64;
const NO_DOCKER = { DOCKER_HOST: "unix:///nowhere.sock" };

/** Whether nothing here isolates, so that commands need the user's leave. */
const isOpen = await (async () => {
  using place = createPlace();
  return (await runAgent(["sandbox", "status"], { place, env: NO_DOCKER })).code !== 0;
})();
const LEAVE = isOpen ? ["--allow-unsandboxed"] : [];

/** What has passed its test once is known to all of these; each has a workspace of its own. */
const shared = createPlace();
afterAll(() => shared[Symbol.dispose]());

function createTestedPlace(): Place {
  return { ...createPlace(), home: shared.home };
}

const run = (place: Place, args: readonly string[], env: Record<string, string> = NO_DOCKER) =>
  runAgent(["sandbox", ...LEAVE, ...args], { place, env });

describe("lmagent sandbox status", () => {
  it("says what is in force, what it limits, and why others are not used", async () => {
    using place = createPlace();
    const { stdout, code } = await run(place, ["status"]);
    expect(stdout).toMatch(/^sandbox +(bubblewrap|seatbelt|process \(not isolated\))$/m);
    expect(stdout).toMatch(/^network +(none|bridge)$/m);
    expect(stdout).toMatch(/^limit +memory +512 MB, at most 2048/m);
    expect(stdout).toMatch(/^not used +docker: there is no Docker engine at `\/nowhere\.sock`/m);
    expect(code).toBe(isOpen ? 1 : 0);
  });

  it("remembers a passed test, for the user alone", async () => {
    using place = createPlace();
    await run(place, ["status"]);
    const file = join(place.home, "run/sandbox-tests.json");
    if (isOpen) return expect(existsSync(file)).toBe(false);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const { mtimeMs } = statSync(file);
    await run(place, ["status"]);
    expect(statSync(file).mtimeMs).toBe(mtimeMs);
  });

  it.skipIf(isOpen)("warns of a network, and names it with the backend everywhere", async () => {
    using place = createPlace();
    const args = ["--network", "bridge"];
    const status = await run(place, [...args, "status"]);
    expect(status.stdout).toMatch(/^sandbox +\w+ \(network bridge\)$/m);
    expect(status.stdout).toMatch(/^warning +Commands can reach other machines/m);
    const ran = await run(place, ["run", ...args, "--", "true"]);
    expect(ran.stderr).toMatch(/Commands can reach other machines/);
    // Nobody is there to allow it, and auto mode alone does not.
    const shell = ["--permission", "auto", ...args, "tool", "run", "shell", "--args", '{"command":"true"}'];
    const refused = await runAgent(shell, { place, env: NO_DOCKER });
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.stdout)).toMatchObject({ ok: false });
  });

  it("cannot be changed by anything that lies in the workspace", async () => {
    using place = createTestedPlace();
    const before = await run(place, ["status"]);
    const settings = "LMAGENT_SANDBOX=process\nLMAGENT_NETWORK=bridge\nDOCKER_HOST=tcp://192.0.2.1:1\n";
    mkdirSync(join(place.workspace, ".lmagent"), { recursive: true });
    for (const folder of ["", ".lmagent/"]) {
      writeFileSync(join(place.workspace, folder, ".env"), settings);
      writeFileSync(
        join(place.workspace, folder, "config.yaml"),
        "lmagent_sandbox: process\nlmagent_network: bridge\n",
      );
    }
    expect((await run(place, ["status"])).stdout).toBe(before.stdout);
  });

  it("does not take a weaker backend for the one that is wanted", async () => {
    using place = createPlace();
    for (const args of [["status"], ["test"], ["run", "--", "true"]]) {
      const refused = await run(place, ["--sandbox", "docker", ...args]);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/sandbox `docker` does not work here/);
    }
    const remote = await run(place, ["--sandbox", "docker", "status"], {
      DOCKER_HOST: "tcp://192.0.2.1:2375",
    });
    expect(remote.stderr).toMatch(/`DOCKER_HOST` is `tcp:\/\/192\.0\.2\.1:2375`/);
  });
});

describe("lmagent sandbox run", () => {
  it.each<[string, number]>([
    ["exit 3", 3],
    ["kill -KILL $$", 137],
    ["kill -SEGV $$", 139],
    ["timeout 0.1 sleep 5", 124],
    ["no-such-program", 127],
  ])("ends %j with %d", async (command, code) => {
    using place = createTestedPlace();
    expect((await run(place, ["run", "--", command])).code).toBe(code);
  });

  it.each<[string[], RegExp]>([
    [["--timeout", "-1"], /`--timeout` is `-1`.*from 1 to 120/],
    [["--timeout", "0"], /`--timeout` is `0`/],
    [["--timeout", "NaN"], /`--timeout` is `NaN`/],
    [["--timeout", ""], /`--timeout` is ``/],
    [["--memory", "-64"], /`--memory` is `-64`.*from 64 to 2048/],
    [["--memory", "much"], /`--memory` is `much`/],
    [["--backend", "chroot"], /`--backend` is `chroot`.*docker, bubblewrap, seatbelt, process/],
    [["--network", "host"], /`--network` is `host`.*none, bridge/],
  ])("refuses %j before anything runs", async (flags, message) => {
    using place = createTestedPlace();
    const refused = await run(place, ["run", ...flags, "--", "touch ran"]);
    expect(refused.code).toBe(EXIT_USAGE);
    expect(refused.stderr).toMatch(message);
    expect(existsSync(join(place.workspace, "ran"))).toBe(false);
  });

  it("gives what is wanted beyond a limit as much as there is, and says so", async () => {
    using place = createTestedPlace();
    const ran = await run(place, ["run", "--timeout", "1e9", "--memory", "1", "--", "echo ran"]);
    expect(ran).toMatchObject({ code: 0, stdout: "ran\n" });
    expect(ran.stderr).toMatch(/`--timeout` can be 1 to 120: 120 is used/);
    expect(ran.stderr).toMatch(/`--memory` can be 64 to 2048: 64 is used/);
    expect(await run(place, ["run", "--timeout", "30", "--", "true"])).toMatchObject({ code: 0, stderr: "" });
  });

  it("stops a command that takes too long", async () => {
    using place = createTestedPlace();
    const ran = await run(place, ["run", "--timeout", "1", "--", "echo begun; sleep 60"]);
    expect(ran.stdout).toBe("begun\n");
    expect(ran.stderr).toMatch(/stopped \(timeout\)/);
    expect(ran.code).not.toBe(0);
  });

  it("ends with its command on Ctrl-C", async () => {
    using place = createTestedPlace();
    const sleep = `sleep 75.${process.pid}${Date.now()}`;
    const agent = spawnAgent(["sandbox", ...LEAVE, "run", "--", `echo begun; ${sleep} & ${sleep}`], {
      place,
      env: NO_DOCKER,
    });
    await new Promise((done) => agent.stdout?.once("data", done));
    agent.kill("SIGINT");
    const code = await new Promise((done) => agent.on("close", done));
    expect(code).toBe(130);
    expect(await countCommands(sleep)).toBe(0);
  });

  it("runs without isolation only when that is asked for, and says so", async () => {
    using place = createTestedPlace();
    const config = { ...NO_DOCKER, LMAGENT_SANDBOX: "process" };
    const refused = await runAgent(["sandbox", "run", "--", "true"], { place, env: config });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/without isolation.*--allow-unsandboxed/);
    const ran = await runAgent(["sandbox", "run", "--backend", "process", "--", "echo ran"], { place });
    expect(ran).toMatchObject({ code: 0, stdout: "ran\n" });
    expect(ran.stderr).toMatch(/without isolation/);
  });
});

describe("lmagent sandbox test", () => {
  it.skipIf(isOpen)("tries every wall and says how each held", async () => {
    using place = createPlace();
    const { stdout, code } = await run(place, ["test"]);
    expect(stdout.match(/^ok /gm)?.length).toBeGreaterThan(10);
    expect(stdout).not.toContain("FAILED");
    expect(code).toBe(0);
  });

  it("fails where nothing isolates", async () => {
    using place = createPlace();
    const { stdout, code } = await run(place, ["test", "--sandbox", "process"]);
    expect(stdout).toMatch(/without isolation/);
    expect(code).toBe(1);
  });
});

describe("lmagent sandbox build", () => {
  it("needs an engine, and a yes", async () => {
    using place = createPlace();
    const none = await run(place, ["build", "--yes"]);
    expect(none.code).toBe(1);
    expect(none.stderr).toMatch(/nowhere\.sock|No Docker engine/);
  });
});

describe("programs of the same names in the workspace and on the path", () => {
  it("are never run by the host", async () => {
    using place = createTestedPlace();
    const bin = join(place.workspace, "bin");
    const ran = join(place.workspace, "..", "ran");
    mkdirSync(bin);
    for (const name of ["bwrap", "docker", "git", "rg", "sandbox-exec", "sh", "ps", "mkfifo", "setpriv"]) {
      for (const folder of [bin, place.workspace]) {
        writeFileSync(join(folder, name), `#!/bin/sh\necho ${name} >> '${ran}'\nexit 1\n`);
        chmodSync(join(folder, name), 0o755);
      }
    }
    const env = { ...NO_DOCKER, PATH: `.:${bin}:${process.env["PATH"]}` };
    for (const args of [
      ["sandbox", "status"],
      ["sandbox", "test"],
      ["sandbox", ...LEAVE, "run", "--", "true"],
      ["doctor"],
      ["tool", "run", "grep", "--args", '{"pattern":"x"}'],
      ["tool", "run", "git_status"],
      ["tool", "run", "glob", "--args", '{"pattern":"*"}'],
    ])
      await runAgent([...args], { place, env });
    expect(existsSync(ran) ? readFileSync(ran, "utf8") : "").toBe("");
  });
});

const docker = findTestDocker();

it("Docker is there for these tests, or they are missed out loud", ({ skip }) => {
  const reason = typeof docker === "string" ? docker : "";
  if (reason !== "") console.warn(`lmagent sandbox is not tested with docker: ${reason}`);
  skip(reason !== "" && process.env["CI"] !== "true", reason);
  expect(reason).toBe("");
});

describe.skipIf(typeof docker === "string")("lmagent sandbox with Docker", () => {
  const engine = typeof docker === "string" ? { socketPath: "", image: "" } : docker;
  const env = { DOCKER_HOST: `unix://${engine.socketPath}`, LMAGENT_SANDBOX_IMAGE: engine.image };

  it("takes it first, shows its image and limits, and leaves no container", async () => {
    using place = createPlace();
    const status = await run(place, ["status"], env);
    expect(status.stdout).toMatch(/^sandbox +docker$/m);
    expect(status.stdout).toMatch(new RegExp(`^image +${engine.image}$`, "m"));
    expect(status.stdout).toMatch(/^limit +processor +0\.9/m);
    expect(await run(place, ["run", "--", "pwd; exit 4"], env)).toMatchObject({
      code: 4,
      stdout: "/workspace\n",
    });
    const shell = await runAgent(
      ["--permission", "auto", "tool", "run", "shell", "--args", '{"command":"true"}'],
      {
        place,
        env,
      },
    );
    expect(JSON.parse(shell.stdout)).toMatchObject({ ok: true, sandbox: "docker" });
    expect(await listContainersOver(place.workspace, engine)).toEqual([]);
  });

  it("passes every test there", async () => {
    using place = createPlace();
    const { stdout, code } = await run(place, ["test", "--sandbox", "docker"], env);
    expect(stdout).toMatch(/^sandbox +docker$/m);
    expect(stdout).not.toContain("FAILED");
    expect(code).toBe(0);
  });

  it("makes no image without a yes", async () => {
    using place = createPlace();
    const asked = await run(place, ["build"], env);
    expect(asked.code).toBe(EXIT_USAGE);
    expect(asked.stderr).toMatch(/image.*Docker Hub/s);
    expect(asked.stderr).toMatch(/--yes/);
  });

  it("says what makes a missing image, and makes none itself", async () => {
    using place = createPlace();
    const status = await run(place, ["status"], { ...env, LMAGENT_SANDBOX_IMAGE: "lmagent-no-such-image:1" });
    expect(status.stdout).toMatch(/^not used +docker: .*`lmagent sandbox build`/m);
  });
});
