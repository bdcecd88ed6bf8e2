import { describe, expect, it } from "vitest";
import * as z from "zod/mini";
import { defineTool } from "../../src/core/define-tool.ts";
import { messageText, type Message, type ToolCall } from "../../src/core/message.ts";
import { createScriptedModel, scriptedCall } from "../../src/testing/scripted-model.ts";
import { allowAll, collect, echo, last, textTool } from "./_run.ts";

/** A tool that only notes the paths it was given. */
function recordingWrite() {
  const written: string[] = [];
  const write = defineTool({
    name: "write",
    description: "",
    access: "write",
    parameters: z.object({ path: z.string(), content: z.optional(z.string()) }),
    execute: async ({ path }) => {
      written.push(path);
      return { ok: true, output: "" };
    },
  });
  return { written, write };
}

describe("a profile", () => {
  it("lets a model that makes names up change only what the request names", async () => {
    const profile = { name: "small", recentRequests: 1, namedPathsOnly: true };
    const { written, write } = recordingWrite();
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
    expect(last((await ask("main.py", "make main.py but do not fill it")).events).reason).toBe("error");
    expect(last((await ask("main.py", "why don't you make main.py, I do not mind")).events).reason).toBe(
      "done",
    );
    expect(written).toEqual(["src/main.py", "main.py"]);
  });

  it("finds a name in any request that is sent, and takes no given text for a ban", async () => {
    const profile = { name: "small", recentRequests: 2, namedPathsOnly: true };
    const { written, write } = recordingWrite();
    const ask = (path: string, content: string, earlier: string) =>
      collect({
        model: createScriptedModel([{ calls: [scriptedCall("write", { path, content })] }, { text: "ok" }], {
          profile,
        }),
        tools: [write],
        messages: [
          { role: "system", content: "s" },
          { role: "user", content: earlier },
          { role: "assistant", content: "yes" },
        ],
        input: "put two lines in it, do not touch and never",
      });
    await ask("a.txt", "do not touch\nnever", "look at a.txt");
    await ask("b.txt", "do not touch\nnever", "look at a.txt");
    await ask("a.txt", "something else", "look at a.txt");
    expect(written).toEqual(["a.txt"]);
  });

  it("lets it change a file that an earlier request has read, and no other that a result names", async () => {
    const profile = { name: "small", recentRequests: 2, namedPathsOnly: true };
    const { written, write } = recordingWrite();
    const read = (id: string, path: string): ToolCall => ({
      id,
      type: "function",
      function: { name: "read", arguments: JSON.stringify({ path }) },
    });
    const ask = (path: string) =>
      collect({
        model: createScriptedModel([{ calls: [scriptedCall("write", { path })] }, { text: "ok" }], {
          profile,
        }),
        tools: [write],
        messages: [
          { role: "system", content: "s" },
          { role: "user", content: "read a.txt" },
          { role: "assistant", content: null, tool_calls: [read("1", "a.txt"), read("2", "docs/a.md")] },
          {
            role: "tool",
            tool_call_id: "1",
            content: '{"ok":false,"error":"no such file: a.txt; b.txt is there"}',
          },
          { role: "tool", tool_call_id: "2", content: '{"ok":true,"output":"see c.txt"}' },
          { role: "assistant", content: "There is no a.txt, but docs/a.md says: see c.txt" },
        ],
        input: "empty it",
      });
    for (const path of ["docs/a.md", "b.txt", "c.txt"]) await ask(path);
    expect(written).toEqual(["docs/a.md"]);
  });

  it("sends fewer requests when they are long, but always the newest", async () => {
    const profile = { name: "small", recentRequests: 3, recentBytes: 300 };
    const model = createScriptedModel([{ text: "ok" }], { profile });
    const messages: Message[] = [
      { role: "system", content: "s" },
      { role: "user", content: "long ".repeat(60) },
      { role: "assistant", content: "yes" },
      { role: "user", content: "short" },
      { role: "assistant", content: "yes" },
    ];
    await collect({ model, messages, input: "newest" });
    await collect({ model, messages, input: "newest ".repeat(80) });
    const texts = model.requests.map((request) =>
      request.messages.map((message) => messageText(message).slice(0, 6)),
    );
    expect(texts).toEqual([
      ["s", "short", "yes", "newest"],
      ["s", "newest"],
    ]);
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
