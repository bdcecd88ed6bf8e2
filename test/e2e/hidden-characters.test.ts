import { describe, expect, it } from "vitest";
import { callReply, errorReply, startScriptedServer, textReply } from "../../src/testing/index.ts";
import { createPlace, runAgent, type AgentRun } from "./_agent.ts";

const HOSTILE = "\u001b]52;c;cm0=\u0007 \u009b2J \u202egnp.\u200b \u{e0041}";
// oxlint-disable-next-line no-control-regex -- looks for control characters
const HIDDEN = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e\u200b\u{e0041}]/u;

function expectClean({ stdout, stderr }: AgentRun): void {
  expect(stdout).not.toMatch(HIDDEN);
  expect(stderr).not.toMatch(HIDDEN);
}

describe("what a hostile text could hide", () => {
  it("is visible in a run and wherever its session is shown afterwards", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([
      callReply([{ name: "write", arguments: { path: `a${HOSTILE}.txt`, content: HOSTILE } }]),
      callReply([{ name: `x${HOSTILE}`, arguments: { path: HOSTILE } }]),
      textReply(`Done ${HOSTILE}`),
    ]);
    const run = await runAgent([`do ${HOSTILE}`], { place, url: server.url });
    expectClean(run);
    expect(run.stdout).toContain("Done ␛]52;c;cm0=␇ <U+009B>2J <U+202E>gnp.<U+200B> <U+E0041>");
    const listed = await runAgent(["sessions", "list"], { place });
    const id = listed.stdout.split(" ")[0] ?? "";
    const shown = await runAgent(["sessions", "show", id], { place });
    expect(shown.stdout).toContain("<U+202E>gnp");
    const exported = await runAgent(["sessions", "export", id], { place });
    expect(JSON.stringify(JSON.parse(exported.stdout))).toContain("\u202egnp.\u200b");
    const json = await runAgent(["sessions", "list", "--json"], { place });
    for (const view of [listed, shown, exported, json]) expectClean(view);
  });

  it("is visible in what a server says about an error, and in what a tool gives", async () => {
    using place = createPlace();
    await using server = await startScriptedServer(() => errorReply(400, `no ${HOSTILE}`));
    const refused = await runAgent(["hi"], { place, url: server.url });
    expectClean(refused);
    expect(refused.stderr).toContain("<U+202E>gnp");
    const wrong = await runAgent(["--model", `${HOSTILE}.gguf`, "--base-url", `http://${HOSTILE}/`, "hi"], {
      place,
    });
    expectClean(wrong);
    const tool = await runAgent(["tool", "run", "read", "--args", JSON.stringify({ path: HOSTILE })], {
      place,
    });
    expectClean(tool);
    expect(JSON.parse(tool.stdout)).toMatchObject({ ok: false });
    const usage = await runAgent(["tool", "run", HOSTILE], { place });
    expectClean(usage);
  });
});
