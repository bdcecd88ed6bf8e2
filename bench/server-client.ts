/** The client that both servers are measured with: a streamed chat completion and when its parts came. */
import type { Subject } from "./server-subjects.ts";

export interface Reading {
  /** From the request to the first text, in ms. */
  firstMs: number;
  /** From the first text to the end, in ms. */
  restMs: number;
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  text: string;
}

export interface Question {
  messages: readonly { role: "user" | "assistant"; content: string }[];
  maxTokens: number;
}

interface Frame {
  choices: { delta: { content?: string | null; reasoning_content?: string } }[];
  usage?: {
    prompt_tokens: number;
    completion_tokens: number;
    prompt_tokens_details?: { cached_tokens?: number };
  };
}

/** Throws for every status but 200. */
export async function ask({ url, model }: Subject, { messages, maxTokens }: Question): Promise<Reading> {
  const startedAt = performance.now();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model,
      messages,
      max_tokens: maxTokens,
      temperature: 0,
      ignore_eos: true,
      cache_prompt: true,
      stream: true,
      stream_options: { include_usage: true },
    }),
  });
  if (response.status !== 200 || response.body === null)
    throw new Error(`${url} answers ${response.status}: ${await response.text()}`);
  const reading: Reading = {
    firstMs: 0,
    restMs: 0,
    promptTokens: 0,
    cachedTokens: 0,
    completionTokens: 0,
    text: "",
  };
  for await (const frame of readFrames(response.body)) {
    if (frame.usage) takeUsage(reading, frame.usage);
    const delta = frame.choices[0]?.delta;
    const text = delta?.content ?? delta?.reasoning_content ?? "";
    if (text !== "" && reading.text === "") reading.firstMs = performance.now() - startedAt;
    reading.text += text;
  }
  reading.restMs = performance.now() - startedAt - reading.firstMs;
  return reading;
}

function takeUsage(reading: Reading, usage: NonNullable<Frame["usage"]>): void {
  reading.promptTokens = usage.prompt_tokens;
  reading.completionTokens = usage.completion_tokens;
  reading.cachedTokens = usage.prompt_tokens_details?.cached_tokens ?? 0;
}

async function* readFrames(body: ReadableStream<Uint8Array>): AsyncGenerator<Frame, void, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("data: {")) yield JSON.parse(line.slice(6)) as Frame;
    }
  }
}
