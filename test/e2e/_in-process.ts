/** The agent of the command line without its command line, for what has to be done between its runs. */
import { Agent } from "../../src/cli/agent.ts";
import { openGround } from "../../src/cli/open-agent.ts";
import { readSettings } from "../../src/cli/settings.ts";
import { denyUnattended } from "../../src/core/approval.ts";
import { reviewUnattended } from "../../src/core/plan.ts";
import { createChatModel, type Transport } from "../../src/models/index.ts";
import { createHttpTransport } from "../../src/models/node/index.ts";
import type { Place } from "./_agent.ts";

/** In auto mode, with nobody to ask. */
export async function openTestAgent(
  place: Place,
  { url, transport = createHttpTransport() }: { url: string; transport?: Transport },
): Promise<Agent> {
  const env = { LMAGENT_HOME: place.home, LLM_URL: url, PERMISSION_MODE: "auto" };
  const settings = await readSettings({ workspace: place.workspace }, env, place.workspace);
  const model = createChatModel({ baseUrl: url, transport });
  return new Agent({
    settings,
    ground: await openGround(settings),
    chosen: { model, [Symbol.asyncDispose]: async () => {} },
    approver: denyUnattended,
    reviewer: reviewUnattended,
  });
}
