import { describe, expect, it } from "vitest";
import { startScriptedServer, textReply } from "../../src/testing/index.ts";
import { chatBody, createPlace, runAgent } from "./_agent.ts";

describe("the first request", () => {
  it("keeps system message and tool schemas below 7,000 bytes, with room for seven more tools", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([textReply("Hello.")]);
    await runAgent(["--json", "say hi"], { place, url: server.url });
    const { messages, tools } = chatBody(server, 0);
    const bytes = Buffer.byteLength(JSON.stringify(messages[0])) + Buffer.byteLength(JSON.stringify(tools));
    expect(messages.map(({ role }) => role)).toEqual(["system", "user"]);
    expect(tools.length).toBeGreaterThanOrEqual(18);
    // A tool of ours takes about 190 bytes.
    expect(bytes).toBeLessThan(7_000 - 7 * 190);
  });
});
