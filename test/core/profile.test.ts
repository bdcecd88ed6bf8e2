import { describe, expect, it } from "vitest";
import * as z from "zod/mini";
import { defineTool } from "../../src/core/define-tool.ts";
import type { Message } from "../../src/core/message.ts";
import { createScriptedModel, scriptedCall } from "../../src/testing/scripted-model.ts";
import { allowAll, collect, echo, last, textTool } from "./_run.ts";

describe("a profile", () => {
  it("lets a model that makes names up change only what the request names", async () => {
    const profile = { name: "small", recentRequests: 1, namedPathsOnly: true };
    const written: string[] = [];
    const write = defineTool({
      name: "write",
      description: "",
      access: "write",
      parameters: z.object({ path: z.string() }),
      execute: async ({ path }) => {
        written.push(path);
        return { ok: true, output: "" };
      },
    });
    const ask = (path: string, input = "make src and main.py in it") =>
      collect({
        model: createScriptedModel([{ calls: [scriptedCall("write", { path })] }, { text: "ok" }], {
          profile,
        }),
        tools: [write],
        input,
      });
    expect(last((await ask("src/main.py")).events).reason).toBe("done");
    expect(last((await ask("junk")).events)).toMatchObject({
      reason: "error",
      message: expect.stringContaining("does not name `junk`"),
    });
    expect(last((await ask("main.py", "don't touch main.py")).events).reason).toBe("error");
    expect(written).toEqual(["src/main.py"]);
  });

  it("limits the tools, the history and the sampling", async () => {
    const profile = { name: "small", temperature: 0, maxTokens: 50, recentRequests: 1, tools: ["echo"] };
    const messages: Message[] = [
      { role: "system", content: "s" },
      { role: "user", content: "old" },
      { role: "assistant", content: "done" },
    ];
    const model = createScriptedModel([{ text: "ok" }], { profile });
    await collect({
      model,
      messages,
      tools: [echo, textTool("other", () => ({ ok: true, output: "" }))],
      temperature: 0.6,
      approver: allowAll,
    });
    expect(model.requests[0]).toMatchObject({ temperature: 0, maxTokens: 50 });
    expect(model.requests[0]?.messages.map(({ content }) => content)).toEqual(["s", "do it"]);
    expect(model.requests[0]?.tools.map(({ function: { name } }) => name)).toEqual(["echo"]);
  });
});
