import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import type { ResponseInput, ResponseStreamEvent } from "openai/resources/responses/responses";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { CREATED } from "./_agent.ts";
import { ANSWER, KEY, RESPONSE_TOOLS, startDialects, THOUGHT } from "./_dialects.ts";
import type { Dialects } from "./_dialects.ts";
import { readEvents } from "./_sse.ts";

let server: Dialects;
let client: OpenAI;

beforeAll(async () => {
  server = await startDialects();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: KEY, maxRetries: 0 });
});

afterAll(() => server[Symbol.asyncDispose]());

const CREATE = 'create a file notes.txt with the text "buy milk"';
const WRITE = RESPONSE_TOOLS.filter(({ name }) => name === "write");
const ARGUMENTS = '{"path": "notes.txt", "content": "buy milk"}';
const BASE = { model: "practice", temperature: 0 } as const;

async function collect(stream: AsyncIterable<ResponseStreamEvent>): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** One of a row of the same ones. */
function typesOf(events: readonly { type: string }[]): string[] {
  return events.map(({ type }) => type).filter((type, at, all) => type !== all[at - 1]);
}

describe("a response", () => {
  test("has all fields that clients require", async () => {
    const response = await client.responses.create({
      ...BASE,
      input: "hello",
      instructions: "Be short.",
      metadata: { run: "7" },
      prompt_cache_key: "a",
      user: "me",
      safety_identifier: "s",
    });
    expect(response).toMatchObject({
      id: expect.stringMatching(/^resp_[a-zA-Z0-9]{32}$/) as string,
      object: "response",
      created_at: expect.any(Number) as number,
      completed_at: expect.any(Number) as number,
      status: "completed",
      background: false,
      error: null,
      incomplete_details: null,
      instructions: "Be short.",
      max_output_tokens: null,
      max_tool_calls: null,
      metadata: { run: "7" },
      model: "practice",
      output: [
        {
          id: expect.stringMatching(/^msg_/) as string,
          type: "message",
          role: "assistant",
          status: "completed",
          content: [{ type: "output_text", annotations: [], logprobs: [] }],
        },
      ],
      parallel_tool_calls: true,
      previous_response_id: null,
      prompt_cache_key: "a",
      reasoning: { effort: null, summary: null },
      safety_identifier: "s",
      service_tier: "default",
      store: true,
      temperature: 0,
      text: { format: { type: "text" }, verbosity: "medium" },
      tool_choice: "auto",
      tools: [],
      top_logprobs: 0,
      top_p: 0.95,
      truncation: "disabled",
      user: "me",
    });
    expect(response.output_text).not.toBe("");
    const { usage } = response;
    expect(usage?.total_tokens).toBe((usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0));
    expect(usage?.input_tokens_details.cached_tokens).toBeTypeOf("number");
    expect(usage?.output_tokens_details.reasoning_tokens).toBe(0);
  });

  test("streams its text in the order of OpenAI's events", async () => {
    const stream = client.responses.stream({ ...BASE, input: "hello" });
    const events = await collect(stream);
    expect(typesOf(events)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, at) => at));
    const final = await stream.finalResponse();
    const whole = await client.responses.create({ ...BASE, input: "hello" });
    expect(final.output_text).toBe(whole.output_text);
    expect(Object.keys(final)).toEqual(expect.arrayContaining(Object.keys(whole)));
    const [item] = final.output;
    for (const event of events)
      if ("item_id" in event)
        expect(event).toMatchObject({ item_id: item?.id, output_index: 0, content_index: 0 });
  });

  test("names each event in its frame and ends without a [DONE]", async () => {
    const { text, headers } = await server.post("/v1/responses", { ...BASE, input: "hello", stream: true });
    expect(headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    expect(text).not.toContain("[DONE]");
    for (const { event, data } of readEvents(text)) expect(event).toBe(data["type"]);
  });

  test("calls a function, takes its result, and goes on", async () => {
    const first = await client.responses.create({ ...BASE, input: CREATE, tools: RESPONSE_TOOLS });
    const [call] = first.output;
    expect(call).toEqual({
      id: expect.stringMatching(/^fc_/) as string,
      type: "function_call",
      status: "completed",
      call_id: expect.stringMatching(/^call_/) as string,
      name: "write",
      arguments: ARGUMENTS,
    });
    if (call?.type !== "function_call") throw new Error("no call");
    const output = {
      type: "function_call_output" as const,
      call_id: call.call_id,
      output: CREATED,
    };
    const replayed = await client.responses.create({
      ...BASE,
      input: [{ role: "user", content: CREATE }, call, output],
      tools: RESPONSE_TOOLS,
    });
    const continued = await client.responses.create({
      ...BASE,
      previous_response_id: first.id,
      input: [output],
      tools: RESPONSE_TOOLS,
    });
    expect(replayed.output_text).not.toBe("");
    expect(continued.output_text).toBe(replayed.output_text);
    expect(continued.usage?.input_tokens).toBe(replayed.usage?.input_tokens);
    expect(continued.usage?.input_tokens_details.cached_tokens).toBeGreaterThan(0);
    expect(continued.previous_response_id).toBe(first.id);
  });

  test("streams a call, its arguments as they come", async () => {
    const stream = client.responses.stream({
      ...BASE,
      input: CREATE,
      tools: RESPONSE_TOOLS,
      tool_choice: "required",
    });
    const events = await collect(stream);
    expect(typesOf(events)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
      "response.completed",
    ]);
    const deltas = events.flatMap((event) =>
      event.type === "response.function_call_arguments.delta" ? [event.delta] : [],
    );
    expect(deltas.length).toBeGreaterThan(1);
    expect(deltas.join("")).toBe(ARGUMENTS);
    expect((await stream.finalResponse()).output).toMatchObject([{ name: "write", arguments: ARGUMENTS }]);
  });

  test("is incomplete when its tokens run out", async () => {
    const stream = client.responses.stream({ ...BASE, input: "hello", max_output_tokens: 1 });
    const events = await collect(stream);
    expect(events.at(-1)?.type).toBe("response.incomplete");
    expect(await stream.finalResponse()).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      max_output_tokens: 1,
      completed_at: null,
      output: [{ status: "incomplete" }],
      usage: { output_tokens: 1 },
    });
  });

  test("keeps to a schema", async () => {
    const shape = z.object({ city: z.enum(["Rome", "Oslo"]), far: z.boolean() });
    const { output_parsed: parsed } = await client.responses.parse({
      ...BASE,
      input: "hello",
      text: { format: zodTextFormat(shape, "trip") },
    });
    expect(shape.parse(parsed)).toEqual(parsed);
  });

  test("holds the chances of its tokens, for clients that ask for them", async () => {
    const { output } = await client.responses.create({
      ...BASE,
      input: "hello",
      include: ["message.output_text.logprobs"],
      top_logprobs: 2,
    });
    const [message] = output;
    const [part] = message?.type === "message" ? message.content : [];
    if (part?.type !== "output_text") throw new Error("no text");
    expect(part.logprobs?.map(({ token }) => token).join("")).toBe(part.text);
    for (const { logprob, top_logprobs: top } of part.logprobs ?? []) {
      expect(logprob).toBeLessThanOrEqual(0);
      expect(top).toHaveLength(2);
    }
  });

  test("counts the tokens of an input as it counts them when it answers", async () => {
    const body = { model: "practice", input: CREATE, tools: RESPONSE_TOOLS };
    const { input_tokens: counted } = await client.responses.inputTokens.count(body);
    const { usage } = await client.responses.create({ ...body, max_output_tokens: 1 });
    expect(counted).toBe(usage?.input_tokens);
  });
});

describe("thinking", () => {
  const THINKER = { model: "thinker", temperature: 0, input: "2 + 2?" } as const;

  test("is an item of its own before the answer", async () => {
    const stream = client.responses.stream(THINKER);
    const events = await collect(stream);
    expect(typesOf(events)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.reasoning_text.delta",
      "response.reasoning_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    const { output, output_text: text, usage } = await stream.finalResponse();
    expect(output[0]).toMatchObject({
      type: "reasoning",
      summary: [],
      content: [{ type: "reasoning_text", text: THOUGHT }],
    });
    expect(text).toBe(ANSWER);
    expect(usage?.output_tokens_details.reasoning_tokens).toBeGreaterThan(0);
    expect(usage?.output_tokens_details.reasoning_tokens).toBeLessThanOrEqual(usage?.output_tokens ?? 0);
  });

  test("leaves as a summary for clients that ask for one", async () => {
    const stream = client.responses.stream({ ...THINKER, reasoning: { effort: "low", summary: "auto" } });
    const events = await collect(stream);
    expect(typesOf(events).slice(2, 8)).toEqual([
      "response.output_item.added",
      "response.reasoning_summary_part.added",
      "response.reasoning_summary_text.delta",
      "response.reasoning_summary_text.done",
      "response.reasoning_summary_part.done",
      "response.output_item.done",
    ]);
    const { output, reasoning } = await stream.finalResponse();
    expect(output[0]).toMatchObject({ summary: [{ type: "summary_text", text: THOUGHT }] });
    expect(reasoning).toEqual({ effort: "low", summary: "auto" });
  });

  test("comes back sealed from a client that keeps nothing here", async () => {
    const first = await client.responses.create({
      ...THINKER,
      store: false,
      include: ["reasoning.encrypted_content"],
    });
    const [thought, answer] = first.output;
    if (thought?.type !== "reasoning" || answer?.type !== "message") throw new Error("no thought");
    const count = async (reasoning: object): Promise<number> => {
      const input = [{ role: "user", content: "2 + 2?" }, reasoning, answer] as ResponseInput;
      return (await client.responses.inputTokens.count({ model: "thinker", input })).input_tokens;
    };
    const sealed = {
      type: "reasoning",
      id: thought.id,
      summary: [],
      encrypted_content: thought.encrypted_content,
    };
    expect(sealed.encrypted_content).not.toContain(THOUGHT);
    expect(await count(sealed)).toBe(await count(thought));
    // Another server's thinking is left out, and nobody minds.
    expect(await count({ ...sealed, encrypted_content: "gAAAAAB" })).toBeGreaterThan(0);
  });
});

describe("what Codex declares", () => {
  test("may hold tools that only OpenAI runs, and fields without a meaning here", async () => {
    const response = await client.responses.create({
      ...BASE,
      instructions: "You are Codex.",
      input: [
        { type: "message", role: "developer", content: [{ type: "input_text", text: "<permissions>" }] },
        { type: "message", role: "user", content: [{ type: "input_text", text: "<environment>" }] },
        { type: "message", role: "user", content: [{ type: "input_text", text: CREATE }] },
      ],
      tools: [
        ...WRITE,
        { type: "web_search" },
        { type: "local_shell" },
        { type: "image_generation" },
        { type: "tool_search" },
      ],
      tool_choice: "auto",
      parallel_tool_calls: false,
      reasoning: { effort: "medium", summary: "auto" },
      store: false,
      stream: false,
      include: ["reasoning.encrypted_content"],
      prompt_cache_key: "0199",
      client_metadata: { "x-codex-installation-id": "1" },
    } as OpenAI.Responses.ResponseCreateParamsNonStreaming);
    expect(response.status).toBe("completed");
    expect(response.tools).toMatchObject([{ type: "function", name: "write" }]);
    await expect(client.responses.retrieve(response.id)).rejects.toMatchObject({ status: 404 });
  });

  test("gets a call back in the namespace of its tool", async () => {
    const response = await client.responses.create({
      ...BASE,
      input: CREATE,
      tools: [{ type: "namespace", name: "mcp__files", description: "files", tools: WRITE }],
      tool_choice: "required",
    });
    const [call] = response.output;
    expect(call).toMatchObject({ type: "function_call", namespace: "mcp__files", name: "write" });
    const { input_tokens: tokens } = await client.responses.inputTokens.count({
      model: "practice",
      input: [{ role: "user", content: CREATE }, call as ResponseInput[number]],
    });
    expect(tokens).toBeGreaterThan(0);
  });

  test("gets the bare text of a call to a tool that takes bare text", async () => {
    const stream = client.responses.stream({
      ...BASE,
      input: CREATE,
      tools: [
        {
          type: "custom",
          name: "apply_patch",
          description: "patch",
          format: { type: "grammar", syntax: "lark", definition: "start: /.+/" },
        },
      ],
      tool_choice: { type: "custom", name: "apply_patch" },
      max_output_tokens: 400,
    });
    const events = await collect(stream);
    expect(typesOf(events).slice(2, -1)).toEqual([
      "response.output_item.added",
      "response.custom_tool_call_input.delta",
      "response.custom_tool_call_input.done",
      "response.output_item.done",
    ]);
    const { output } = await stream.finalResponse();
    const [call] = output;
    if (call?.type !== "custom_tool_call") throw new Error("no call");
    expect(call.name).toBe("apply_patch");
    expect(call.input).not.toContain('"input"');
    const next = await client.responses.create({
      ...BASE,
      input: [
        { role: "user", content: CREATE },
        call,
        { type: "custom_tool_call_output", call_id: call.call_id, output: "Done" },
      ],
    });
    expect(next.status).toBe("completed");
  });
});
