import { symlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { loadCustomTools } from "../../src/cli/custom-tools.ts";
import { openSafeguards } from "../../src/cli/safeguards.ts";
import { createLazySandbox } from "../../src/sandbox/index.ts";
import { readSettings } from "../../src/cli/settings.ts";

it("a folder of rules that cannot be looked into does not end the start, and every call is asked about", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lmagent-safeguards-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  symlinkSync(".lmagent", join(folder, ".lmagent"));
  const env = { LMAGENT_HOME: join(folder, "home"), HOME: folder };
  const settings = await readSettings({}, env, folder);
  const { warnings, forSession } = await openSafeguards(settings, folder);
  expect(warnings).toEqual([expect.stringContaining("Until then every call is asked about.")]);
  await using session = forSession("s", () => {});
  const decision = await session.policy.decide({
    tool: "ls",
    access: "read",
    input: {},
    preview: { kind: "text", text: "", concerns: [] },
    mode: "auto",
    writesInTurn: 0,
  });
  expect(decision.decision).toBe("ask");
  await using sandbox = createLazySandbox(() => Promise.reject(new Error("nothing is to be run")));
  await using custom = await loadCustomTools({ workspace: folder, sandbox, settings });
  expect(custom).toMatchObject({ tools: [], problems: [expect.stringContaining("is a link")] });
});
