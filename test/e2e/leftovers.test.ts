/** What twenty sessions leave on the machine, however each ends: nothing. */
import { mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { SandboxBackend } from "../../src/core/sandbox.ts";
import { callReply, startScriptedServer, textReply, type RecordedRequest } from "../../src/testing/index.ts";
import { countCommands, uniqueSleep, waitUntilGone } from "../../src/testing/running-commands.ts";
import { openBackend, TESTED_BACKENDS, whyUnavailable } from "../sandbox/_backends.ts";
import { findTestDocker, listContainersOver } from "../sandbox/_docker.ts";
import { createPlace, runAgent } from "./_agent.ts";

const SESSIONS = 20;

const available: SandboxBackend[] = [];
for (const backend of TESTED_BACKENDS) {
  const why = await whyUnavailable(backend);
  if (why === undefined) available.push(backend);
  else if (process.env["CI"] === "true") throw new Error(`${backend} is missing in CI: ${why}`);
  else process.stderr.write(`${backend} is not tested: ${why}\n`);
}

const base = realpathSync(mkdtempSync(join(tmpdir(), "lmagent-leftovers-")));
// Every folder of these tests is in there, and so are those that the containers hold.
const temporary = process.env["TMPDIR"];
process.env["TMPDIR"] = base;
afterAll(() => {
  if (temporary === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = temporary;
  rmSync(base, { recursive: true, force: true });
});

const docker = findTestDocker();

async function expectNothingLeft(folder: string, sleep: string): Promise<void> {
  // A watch that outlives a killed agent by a moment may still look around.
  await waitUntilGone(sleep, 2_000);
  expect(await countCommands(sleep)).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
  if (typeof docker !== "string") expect(await listContainersOver(base, docker)).toEqual([]);
}

describe.each(available)(`${SESSIONS} sessions in %s`, (backend) => {
  it("leave nothing when each opens a sandbox, runs a command and ends", { timeout: 120_000 }, async () => {
    const folder = mkdtempSync(join(base, "tmp-"));
    const sleep = uniqueSleep();
    process.env["TMPDIR"] = folder;
    try {
      const session = async (): Promise<void> => {
        const workspace = mkdtempSync(join(base, "work-"));
        await using sandbox = openBackend(backend, workspace);
        expect((await sandbox.run(`${sleep} & echo x > made`)).exitCode).toBe(0);
      };
      // Two at a time, so that each also meets what another one makes.
      for (let count = 0; count < SESSIONS; count += 2) await Promise.all([session(), session()]);
    } finally {
      process.env["TMPDIR"] = base;
    }
    await expectNothingLeft(folder, sleep);
  });

  it("leave nothing when each is a run of the command line", { timeout: 180_000 }, async () => {
    const folder = mkdtempSync(join(base, "tmp-"));
    // One user, so that the sandbox is not tried out anew by every session.
    const home = mkdtempSync(join(base, "home-"));
    const sleep = uniqueSleep();
    const script = (_: RecordedRequest, chat: number) =>
      chat === 1
        ? callReply([{ name: "shell", arguments: { command: `${sleep} & echo made > made.txt` } }])
        : textReply("Done.");
    const session = async (): Promise<void> => {
      using place = createPlace();
      await using server = await startScriptedServer(script);
      const args = ["--permission", "auto", "--sandbox", backend, "--allow-unsandboxed", "work"];
      const run = await runAgent(args, {
        place,
        url: server.url,
        env: { TMPDIR: folder, LMAGENT_HOME: home, ...dockerVariables() },
      });
      expect(run.code, run.stderr).toBe(0);
      expect(readdirSync(place.workspace)).toContain("made.txt");
    };
    // Two at a time, as above.
    for (let count = 0; count < SESSIONS; count += 2) await Promise.all([session(), session()]);
    await expectNothingLeft(folder, sleep);
  });
});

/** How a user names an engine and an image. */
function dockerVariables(): Record<string, string> {
  if (typeof docker === "string") return {};
  return { DOCKER_HOST: `unix://${docker.socketPath}`, LMAGENT_SANDBOX_IMAGE: docker.image };
}
