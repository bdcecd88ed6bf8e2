import { describe, expect, it } from "vitest";
import type { Message } from "../../src/core/message.ts";
import { createRedactor } from "../../src/core/redact.ts";
import type { RecordingEntry, Transport } from "../../src/models/index.ts";
import { createReplayTransport, parseRecording, recordingTransport } from "../../src/models/index.ts";
import type { ScriptedReply } from "../../src/testing/index.ts";
import {
  callReply,
  errorReply,
  jsonReply,
  streamReply,
  textReply,
  toChunk,
} from "../../src/testing/index.ts";
import { createModel, runModel } from "./run-model.ts";
import { serve } from "./serve.ts";
import { errorOf, record, replay } from "./tape.ts";

const CALL = { name: "ls", arguments: { path: "." } };
/** Two calls at once, of which only the second one holds the text. */
const turns = (text: string): unknown[] =>
  Array.from(`{"path": "${text}"}`, (letter, at) =>
    toChunk({
      tool_calls: [
        {
          index: 0,
          id: "a",
          function: at === 0 ? { name: "ls", arguments: "{" } : { arguments: at === 1 ? "}" : "" },
        },
        { index: 1, id: "b", function: at === 0 ? { name: "ls", arguments: letter } : { arguments: letter } },
      ],
    }),
  );

describe("a secret", () => {
  const KEY = "sk-abcdef-123456";
  const TOKEN = "ghp_0123456789abcdef";

  it("never lands in a recording: not from headers, bodies, addresses, replies cut anywhere, or errors", async () => {
    const echo = `your key is ${KEY} and your token ${TOKEN}, äöü.`;
    const { url } = await serve(
      (_request, chats) =>
        chats === 1 ? textReply(echo, { pieceChars: 1 }) : errorReply(400, `Bearer ${KEY} / ${TOKEN}`),
      { routes: { [`GET /v1/models?token=${TOKEN}`]: jsonReply({ set: TOKEN }) } },
    );
    const tape = record([TOKEN]);
    const model = createModel(url, { apiKey: KEY, transport: tape.transport });
    const messages: Message[] = [{ role: "user", content: `use ${TOKEN} and "${KEY}"` }];
    // What the agent itself gets is untouched.
    expect((await runModel(model, { request: { messages, tools: [] } })).reply.text).toBe(echo);
    await errorOf(runModel(model, { request: { messages, tools: [] } }));
    const signal = new AbortController().signal;
    const headers = { "x-api-key": KEY, cookie: `session=${TOKEN}`, Authorization: `Basic ${btoa(TOKEN)}` };
    await tape.transport.send({ method: "GET", url: `${url}/v1/models?token=${TOKEN}`, headers, signal });
    const file = tape.file();
    expect(file).toMatch(/\[redacted\]/);
    expect(file).toMatch(/äöü/);
    for (const secret of [KEY, TOKEN, btoa(TOKEN), KEY.slice(0, 9), TOKEN.slice(0, 9)])
      expect(file).not.toContain(secret);
    expect(file).not.toMatch(/authorization|cookie/i);

    // And the recording can be played by somebody with the same secrets.
    const transport = createReplayTransport(parseRecording(file), { redactor: createRedactor([TOKEN]) });
    const again = createModel(url, { apiKey: KEY, transport });
    expect((await runModel(again, { request: { messages, tools: [] } })).reply.text).toMatch(
      /key is \[redacted\]/,
    );
  });

  it.each<[string, ScriptedReply]>([
    [
      "a call in pieces",
      callReply([CALL, { name: "shell", arguments: { command: `echo ${TOKEN}` } }], { pieceChars: 3 }),
    ],
    ["thinking in pieces", textReply("ok", { thinking: `The token ${TOKEN}.`, pieceChars: 2 })],
    ["calls that come by turns", streamReply(turns(TOKEN))],
    [
      "lines without the frames of events",
      {
        parts: [
          `${turns(TOKEN)
            .map((frame) => JSON.stringify(frame))
            .join("\n")}\n`,
        ],
      },
    ],
    ["a document", jsonReply({ choices: [{ message: { role: "assistant", content: `<${TOKEN}>` } }] })],
    ["a frame that is no JSON", { parts: [`data: ${TOKEN}\n\n`, "data: {broken\n\n", "data: [DONE]\n\n"] }],
  ])("is taken out of %s", async (_name, reply) => {
    const { url } = await serve([reply]);
    const tape = record([TOKEN]);
    await errorOf(runModel(createModel(url, { transport: tape.transport, maxRetries: 0 })));
    const told = await errorOf(runModel(createModel(url, { transport: replay(tape), maxRetries: 0 })));
    expect(tape.file()).toContain("[redacted]");
    for (const text of [tape.file(), JSON.stringify(told)]) expect(text).not.toContain(TOKEN.slice(0, 8));
  });

  it("that a failed connection names is taken out", async () => {
    const entries: RecordingEntry[] = [];
    const failing: Transport = { send: () => Promise.reject(new Error(`proxy refused ${TOKEN}`)) };
    const transport = recordingTransport(failing, (entry) => entries.push(entry), {
      redactor: createRedactor([TOKEN]),
    });
    const signal = new AbortController().signal;
    await expect(
      transport.send({ method: "GET", url: "http://127.0.0.1:1/", headers: {}, signal }),
    ).rejects.toThrow(TOKEN);
    expect(entries.at(-1)).toMatchObject({
      type: "failure",
      kind: "other",
      message: "proxy refused [redacted]",
    });
  });
});
