import { chmod } from "node:fs/promises";
import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { AgentError } from "../../src/core/errors.ts";
import {
  buildSandboxImage,
  createDockerSandbox,
  probeDocker,
  SANDBOX_IMAGE,
} from "../../src/sandbox/docker/index.ts";
import { findTestDocker } from "./_docker.ts";
import { makeWorkspace, openBox } from "./_docker-box.ts";
import { serveSocket, startDockerProxy } from "./_docker-proxy.ts";

const found = findTestDocker();
const docker = typeof found === "string" ? { socketPath: "", image: "" } : found;

function answer(body: string, type = "application/json"): (socket: Socket) => void {
  return (socket) => {
    socket.on("data", () => {
      const head = `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n`;
      socket.end(`${head}Connection: close\r\n\r\n${body}`);
    });
  };
}

const ODD_ENGINES: readonly [string, (socket: Socket) => void][] = [
  ["hangs", () => {}],
  ["hangs up", (socket) => socket.destroy()],
  ["speaks something else", (socket) => socket.end("220 mail.example ESMTP\r\n")],
  ["answers with a page", answer("<html>It works!</html>", "text/html")],
  ["answers with nothing", answer("")],
  ["answers with null", answer("null")],
  ["answers with a list", answer("[]")],
  ["answers with the wrong fields", answer('{"OSType":7,"ApiVersion":{},"Id":[],"Config":5}')],
  ["never ends its answer", (socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")],
];

describe.concurrent.each(ODD_ENGINES)("an engine that %s", (_, onConnection) => {
  it("is called unusable within some seconds", async ({ expect }) => {
    await using served = await serveSocket(onConnection);
    const started = performance.now();
    const probed = await probeDocker({ socketPath: served.socketPath });
    expect(probed).toMatchObject({ usable: false });
    expect(performance.now() - started).toBeLessThan(7_000);
  });

  it("makes a command fail and runs it nowhere else", async ({ expect }) => {
    await using served = await serveSocket(onConnection);
    await using box = await openBox({ socketPath: served.socketPath });
    const started = performance.now();
    const thrown: unknown = await box.run("touch ran").catch((error: unknown) => error);
    expect(AgentError.is(thrown, "sandbox_unavailable")).toBe(true);
    expect((thrown as AgentError).message).toContain(served.socketPath);
    expect(performance.now() - started).toBeLessThan(7_000);
  });
});

describe("without an engine", () => {
  it("a sandbox is made, and says what is missing when it is used", async () => {
    const workspaceRoot = await makeWorkspace();
    await using sandbox = createDockerSandbox({ workspaceRoot, socketPath: "/nowhere/docker.sock" });
    expect([sandbox.backend, sandbox.isolated, sandbox.network]).toEqual(["docker", true, "none"]);
    await expect(sandbox.run("true")).rejects.toThrow(/there is no such socket/);
    await expect(sandbox.start(["true"])).rejects.toThrow(/there is no such socket/);
  });

  it.each([undefined, "/nowhere/docker.sock", "/etc/passwd"])(
    "the probe of %j says that there is none",
    async (socketPath) => {
      expect(await probeDocker({ socketPath })).toMatchObject({ usable: false, reason: /no such socket/ });
    },
  );

  it.skipIf(process.getuid?.() === 0)("a socket that may not be used is called that", async () => {
    await using served = await serveSocket(() => {});
    await chmod(served.socketPath, 0);
    const probed = await probeDocker({ socketPath: served.socketPath });
    expect(probed).toMatchObject({ usable: false, reason: /may not use/ });
  });
});

describe.skipIf(typeof found === "string")("a real engine", () => {
  it("is usable, and tells which limits it sets", async () => {
    const probed = await probeDocker(docker);
    expect(probed).toMatchObject({
      usable: true,
      limits: { memory: true, pids: true, cpu: true, seccomp: true },
    });
  });

  it("without the image is told how to make it", async () => {
    const image = "lmagent-sandbox-that-nobody-made:1";
    const probed = await probeDocker({ ...docker, image });
    expect(probed).toMatchObject({ usable: false, reason: expect.stringContaining("lmagent sandbox build") });
    await using box = await openBox({ ...docker, image });
    await expect(box.run("true")).rejects.toThrow(/lmagent sandbox build/);
  });

  it.each(["../../containers/json?x=", "a b", "", "-x"])(
    "takes %j for no name of an image",
    async (image) => {
      const probed = await probeDocker({ ...docker, image });
      expect(probed).toMatchObject({ usable: false, reason: expect.stringContaining(SANDBOX_IMAGE) });
    },
  );

  it("says why an image cannot be built", async () => {
    const said: string[] = [];
    const options = { socketPath: docker.socketPath, image: "lmagent-sandbox-test-build:1" };
    const buildArguments = { BASE: "localhost:1/no-such-base:1" };
    const onProgress = (text: string): void => void said.push(text);
    const building = buildSandboxImage({ ...options, buildArguments, onProgress });
    await expect(building).rejects.toThrow(/could not build `lmagent-sandbox-test-build:1`: .*localhost:1/);
    expect(said.join("\n")).toMatch(/^Step 1\/\d+ : ARG BASE=node:\S+@sha256:/);
  });

  it("that stops between two commands makes the second fail", async () => {
    const proxy = await startDockerProxy(docker.socketPath);
    await using box = await openBox({ ...docker, socketPath: proxy.socketPath });
    await box.run("true");
    await proxy[Symbol.asyncDispose]();
    await expect(box.run("touch ran")).rejects.toSatisfy((thrown) =>
      AgentError.is(thrown, "sandbox_unavailable"),
    );
  });

  it("that hangs between two commands makes the second fail in time", async () => {
    await using proxy = await startDockerProxy(docker.socketPath);
    await using box = await openBox({ ...docker, socketPath: proxy.socketPath });
    await box.run("true");
    proxy.freeze();
    const started = performance.now();
    await expect(box.run("true")).rejects.toSatisfy((thrown) => AgentError.is(thrown, "sandbox_unavailable"));
    expect(performance.now() - started).toBeLessThan(7_000);
  });

  it("that stops in the middle of a command makes it fail", async () => {
    const proxy = await startDockerProxy(docker.socketPath);
    await using box = await openBox({ ...docker, socketPath: proxy.socketPath });
    await box.run("true");
    const running = box.run("sleep 60").catch((thrown: unknown) => thrown);
    await proxy[Symbol.asyncDispose]();
    expect(AgentError.is(await running, "sandbox_unavailable")).toBe(true);
  });
});
