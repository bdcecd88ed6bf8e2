import { describe, expect, it } from "vitest";
import { discoverLocalServers } from "../../src/models/index.ts";
import { findServers } from "../../src/models/local-servers.ts";
import { createHttpTransport } from "../../src/models/node/index.ts";
import type { ScriptedReply, ScriptedServer } from "../../src/testing/index.ts";
import { hangingReply, htmlReply, jsonReply, textReply } from "../../src/testing/index.ts";
import { serve } from "./serve.ts";

const start = (routes: Record<string, ScriptedReply>) => serve(() => textReply("ok"), { routes });
const models = (...data: unknown[]) => jsonReply({ object: "list", data });

describe("servers on this machine", () => {
  const transport = createHttpTransport();
  const port = (server: ScriptedServer) => Number(new URL(server.url).port);

  it("are found by their list of models, in order, and ours by its name", async () => {
    const one = await start({ "GET /v1/models": models({ id: "a" }, { id: "b" }) });
    const ours = await start({
      "GET /v1/models": models(
        { id: "c", state: "not-loaded" },
        { id: "d", state: "loaded", type: "llm" },
        { id: "e", state: "loaded", type: "embeddings" },
      ),
      "GET /health": jsonReply({ server: "lmagent" }),
    });
    const other = await start({ "GET /v1/models": htmlReply("<h1>Router</h1>") });
    const silent = await start({ "GET /v1/models": hangingReply() });
    const found = await findServers(
      [
        { kind: "ollama", port: port(silent) },
        { kind: "lmstudio", port: port(ours) },
        { kind: "ollama", port: port(other) },
        { kind: "llama-server", port: port(one) },
      ],
      { transport, timeoutMs: 1_500 },
    );
    expect(found).toEqual([
      { kind: "lmagent", baseUrl: `${ours.url}/v1`, models: ["c", "d", "e"], loaded: ["d"] },
      { kind: "llama-server", baseUrl: `${one.url}/v1`, models: ["a", "b"] },
    ]);
  });

  it("are looked for without harm where there are none", async () => {
    const found = await discoverLocalServers({ transport });
    expect(Array.isArray(found)).toBe(true);
  });
});
