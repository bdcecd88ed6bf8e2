import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openAgent } from "../../src/cli/open-agent.ts";
import { openProfiles } from "../../src/cli/profiles.ts";
import { readSettings } from "../../src/cli/settings.ts";
import { denyUnattended } from "../../src/core/approval.ts";
import { reviewUnattended } from "../../src/core/plan.ts";
import { serve } from "../models/serve.ts";
import { createCommandPlace } from "./_command.ts";

it("what takes up the window is told before the first request as well, with the system message that it will have", async () => {
  using place = createCommandPlace();
  const server = await serve([]);
  writeFileSync(join(place.workspace, "AGENTS.md"), "Be brief. ".repeat(500));
  const settings = await readSettings({ baseUrl: server.url }, process.env, place.workspace);
  const profiles = await openProfiles(settings);
  await using agent = await openAgent(settings, {
    approver: denyUnattended,
    reviewer: reviewUnattended,
    profiles,
  });
  const { parts } = await agent.contextUse();
  expect(parts.system).toBeGreaterThan(1_000);
  expect(agent.sessionId).toBeUndefined();
});
