import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AgentError } from "../../src/core/errors.ts";
import { ContainerManager, DockerLLMAdapter } from "../../src/sdk/index.ts";
import {
  brokenReply,
  errorReply,
  hangingReply,
  startScriptedServer,
  textReply,
} from "../../src/testing/index.ts";
import { PRACTICE_MODEL } from "../engine/_bundle.ts";
import { findTestLlamaImage } from "../engine/_llama-image.ts";
import { TOOLS } from "../server/_agent.ts";

const found = findTestLlamaImage();
if (typeof found === "string") process.stderr.write(`The adapter is not tested with Docker: ${found}\n`);
const { socketPath, image } = typeof found === "string" ? { socketPath: "", image: "" } : found;

async function failureOf(work: Promise<unknown>): Promise<AgentError> {
  return (await work.then(
    () => expect.unreachable(),
    (thrown: unknown) => thrown,
  )) as AgentError;
}

describe.runIf(image !== "")("over a container", () => {
  const model = { name: "practice", path: PRACTICE_MODEL, profile: { contextTokens: 2048, threads: 1 } };
  let containers: ContainerManager;
  let llm: DockerLLMAdapter;
  beforeAll(async () => {
    containers = new ContainerManager({
      socketPath,
      image,
      prefix: `lmtest-sdk-${process.pid}`,
      modelsFolder: "/nowhere",
    });
    llm = new DockerLLMAdapter({ containers, model, temperature: 0 });
  });
  afterAll(() => containers[Symbol.asyncDispose]());

  it("says that it is not running yet", async () => {
    const failure = await failureOf(llm.invoke("Hi"));
    expect(failure.code).toBe("model_unavailable");
    expect(failure.message).toBe(
      "The container of `practice` is not running; start it with `startModelContainer`.",
    );
  });

  it("answers, calls tools and streams", async () => {
    await containers.startModelContainer(model);
    const text = await llm.invoke("Hi");
    expect(text).toMatch(/\w+/);
    const pieces: string[] = [];
    for await (const piece of llm.stream("Hi")) pieces.push(piece);
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join("")).toBe(text);
    const asked = [{ role: "user", content: "read the file notes.txt" }] as const;
    const { calls, finish } = await llm.chat(asked, { tools: TOOLS });
    expect(finish).toBe("tool_calls");
    expect(calls[0]).toMatchObject({ name: "read", arguments: { path: "notes.txt" } });
  });

  it("tells a prompt that is too long apart", async () => {
    expect((await failureOf(llm.invoke("word ".repeat(3_000)))).code).toBe("context_overflow");
  });

  it("follows a container that was started again, and misses one that was stopped", async () => {
    await containers.stopModelContainer(model);
    expect((await failureOf(llm.invoke("Hi"))).message).toContain("is not running");
    await containers.startModelContainer(model);
    expect(await llm.invoke("Hi", { maxTokens: 2 })).toMatch(/\w/);
  });
});

describe("over a port", () => {
  it("names the port when nobody answers there", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    server.close();
    const failure = await failureOf(new DockerLLMAdapter({ port, maxRetries: 0 }).invoke("Hi"));
    expect(failure.code).toBe("model_unavailable");
    expect(failure.message).toContain(`The container of port ${port} does not answer`);
  });

  it("tries again what fails before the first word", async () => {
    await using server = await startScriptedServer([errorReply(500, "busy"), textReply("Hello")]);
    const port = Number(new URL(server.url).port);
    expect(await new DockerLLMAdapter({ port }).invoke("Hi")).toBe("Hello");
  });

  it("gives up on a server that says nothing for too long", async () => {
    await using server = await startScriptedServer([hangingReply()]);
    const port = Number(new URL(server.url).port);
    const failure = await failureOf(
      new DockerLLMAdapter({ port, silenceMs: 100, maxRetries: 0 }).invoke("Hi"),
    );
    expect(failure.code).toBe("model_unavailable");
  });

  it("does not take half a reply for a whole one", async () => {
    await using server = await startScriptedServer([
      brokenReply(textReply("Half of it", { pieceChars: 4 }), 2),
    ]);
    const port = Number(new URL(server.url).port);
    const failure = await failureOf(new DockerLLMAdapter({ port, maxRetries: 0 }).invoke("Hi"));
    expect(failure.message).toContain(`The container of port ${port}`);
  });

  it("stops when it is told to", async () => {
    const signal = AbortSignal.abort(new Error("not now"));
    const llm = new DockerLLMAdapter({ port: 1 });
    await expect(llm.invoke("Hi", { signal })).rejects.toThrow("not now");
  });

  it("wants to know which container is meant", () => {
    expect(() => new DockerLLMAdapter({})).toThrow("either `containers` and `model`, or the `port`");
    expect(() => new DockerLLMAdapter({ model: "llama" })).toThrow("either");
  });
});
