import { expect, it } from "vitest";
import { openAgent } from "../../src/cli/open-agent.ts";
import { openProfiles } from "../../src/cli/profiles.ts";
import { createTaskCommands } from "../../src/cli/repl-task-commands.ts";
import { readSettings } from "../../src/cli/settings.ts";
import { denyUnattended } from "../../src/core/approval.ts";
import { reviewUnattended } from "../../src/core/plan.ts";
import type { ScreenOutput } from "../../src/tui/screen/controller.ts";
import { serve } from "../models/serve.ts";
import { createCommandPlace } from "./_command.ts";

it("`/plan off` claims nothing where there is no plan", async () => {
  using place = createCommandPlace();
  const server = await serve([]);
  const settings = await readSettings({ baseUrl: server.url }, process.env, place.workspace);
  const profiles = await openProfiles(settings);
  const parts = { approver: denyUnattended, reviewer: reviewUnattended, profiles };
  await using agent = await openAgent(settings, parts);
  const command = createTaskCommands(agent, (start) => start(new AbortController().signal)).find(
    ({ name }) => name === "/plan",
  );
  const printed: string[] = [];
  const out: Partial<ScreenOutput> = { print: (text) => void printed.push(text) };
  await command?.run("off", out as ScreenOutput);
  expect(printed).toEqual(["There is nothing to give up."]);
});
