import { describe, expect, it } from "vitest";
import { createChatModel } from "../../src/models/index.ts";
import { createHttpTransport } from "../../src/models/node/index.ts";
import { callReply, startScriptedServer, textReply } from "../../src/testing/index.ts";
import { createScriptedModel, scriptedCall } from "../../src/testing/scripted-model.ts";
import { collect, last, textTool, sentLast } from "./_run.ts";

function stores(): { written: string[]; tools: ReturnType<typeof textTool>[] } {
  const written: string[] = [];
  const save = (text: string) => {
    written.push(text);
    return { ok: true as const, output: "stored" };
  };
  const tools = [
    textTool("write", save, { access: "write" }),
    textTool("edit", save, { access: "write" }),
    textTool("shell", save, { access: "execute" }),
    textTool("look", save),
  ];
  return { written, tools };
}

describe("a reply that was cut off at the length limit", () => {
  it.each(["length", "content_filter"] as const)(
    "has none of its calls run, however whole they look (%s)",
    async (finish) => {
      const { written, tools } = stores();
      const calls = ["look", "write", "shell"].map((name) => scriptedCall(name, { text: "half a file" }));
      const { events } = await collect({
        model: createScriptedModel([{ calls, finish }, { text: "ok" }]),
        tools,
      });
      expect(written).toEqual([]);
      expect(events.some(({ type }) => type === "tool_started")).toBe(false);
      expect(events.filter(({ type }) => type === "tool_finished")).toHaveLength(3);
    },
  );

  it("says how to go on in parts, with the tools that are there", async () => {
    const { written, tools } = stores();
    const cut = { calls: [scriptedCall("write", { text: "half" })], finish: "length" as const };
    const rest = { calls: [scriptedCall("write", { text: "a part" })] };
    const model = createScriptedModel([cut, rest, { text: "Done." }]);
    const { events } = await collect({ model, tools });
    const answer = sentLast(model, 1);
    expect(answer).toContain("nothing was changed");
    expect(answer).toContain("first a call with the first third only");
    expect(answer).toContain("`edit`");
    expect(answer).toContain("cat >> file");
    expect(model.requests[1]?.messages.at(-2)).toMatchObject({
      tool_calls: [{ function: { arguments: "{}" } }],
    });
    expect(written).toEqual(["a part"]);
    expect(last(events).reason).toBe("done");
  });

  it("names no tool that is not offered", async () => {
    const { tools } = stores();
    const cut = { calls: [scriptedCall("write", { text: "half" })], finish: "length" as const };
    const model = createScriptedModel([cut, { text: "ok" }]);
    await collect({ model, tools: tools.slice(0, 1) });
    const answer = sentLast(model, 1);
    expect(answer).toContain("in further calls");
    expect(answer).not.toContain("`shell`");
  });

  it("ends the run as truncated the third time, and is never answered with a forced call", async () => {
    const { tools } = stores();
    const replies = Array.from({ length: 9 }, () => ({
      calls: [scriptedCall("write", { text: "half" })],
      finish: "length" as const,
    }));
    const model = createScriptedModel(replies);
    const { events } = await collect({ model, tools });
    expect(last(events)).toMatchObject({ reason: "truncated", turns: 3 });
    expect(last(events).message).toContain("`write`");
    expect(events.filter((event) => event.type === "warning").map(({ code }) => code)).toEqual([
      "reply_truncated",
      "reply_truncated",
    ]);
    expect(model.requests.every(({ toolChoice }) => toolChoice === undefined)).toBe(true);
  });

  it("is not held against a model that goes on in parts", async () => {
    const { tools } = stores();
    const replies = Array.from({ length: 12 }, (_, index) => ({
      calls: [scriptedCall("write", { text: `part ${index}` })],
      ...(index % 2 === 0 ? { finish: "length" as const } : {}),
    }));
    const { events } = await collect({ model: createScriptedModel([...replies, { text: "Done." }]), tools });
    expect(last(events).reason).toBe("done");
  });
});

describe("over real HTTP", () => {
  const args = { text: "a whole file, as it seems" };
  it.each([
    ["a native call", callReply([{ name: "write", arguments: args }], { finish: "length" })],
    [
      "a native call in one frame",
      callReply([{ name: "write", arguments: args }], { finish: "length", style: "whole" }),
    ],
    [
      "a call in the text",
      textReply(`<tool_call>${JSON.stringify({ name: "write", arguments: args })}</tool_call>`, {
        finish: "length",
      }),
    ],
  ])("%s with whole arguments does not run when the server says `length`", async (_name, reply) => {
    const { written, tools } = stores();
    await using server = await startScriptedServer([reply, textReply("I could not.")]);
    const model = createChatModel({ id: "scripted", baseUrl: server.url, transport: createHttpTransport() });
    const { events } = await collect({ model, tools });
    expect(written).toEqual([]);
    expect(server.chats[1]?.body).toContain("nothing was changed");
    expect(last(events).reason).toBe("done");
  });
});
