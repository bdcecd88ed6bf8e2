/** What is measured: our own server, and llama.cpp's, each as processes of their own. */
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { build } from "esbuild";
import type { Plugin } from "esbuild";
import type { LoadOptions } from "../src/engine/protocol.ts";
import type { OwnServerReport, OwnServerSettings } from "./own-server.ts";

const ROOT = resolve(import.meta.dirname, "..");
const OUT = join(ROOT, "dist", "bench-server");

export interface Subject {
  name: string;
  url: string;
  /** What requests call the model. */
  model: string;
  /** Sends it a SIGKILL and waits. */
  stop: () => Promise<void>;
}

export interface OwnSubject extends Subject {
  httpPid: number;
  enginePid: number;
  /** Resident bytes of the HTTP process before a model was loaded. */
  idleBytes: number;
  totalMs: number;
  loadMs: number;
}

/** Bundled as the package is. */
export async function bundleOwnServer(): Promise<void> {
  // Not TypeScript, and without types of their own.
  const [docker, llama]: string[] = ["../scripts/bundle-docker.mjs", "../scripts/bundle-llama.mjs"];
  const { bundleDocker } = (await import(docker as string)) as { bundleDocker: Plugin };
  const { bundleLlama } = (await import(llama as string)) as { bundleLlama: Plugin };
  await build({
    absWorkingDir: ROOT,
    entryPoints: { server: "bench/own-server.ts", child: "src/engine/llama/child.ts" },
    outdir: OUT,
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    plugins: [bundleDocker, bundleLlama],
    external: ["@node-llama-cpp/*", "electron", "koffi"],
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
    logLevel: "error",
  });
}

export async function startOwn(modelPath: string, load: Partial<LoadOptions>): Promise<OwnSubject> {
  const settings: OwnServerSettings = { modelPath, engineChild: join(OUT, "child.js"), load };
  const child = fork(join(OUT, "server.js"), [JSON.stringify(settings)], {
    execArgv: [],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const next = async <Type extends OwnServerReport["type"]>(
    type: Type,
  ): Promise<Extract<OwnServerReport, { type: Type }>> => {
    for (;;) {
      const [report] = (await once(child, "message")) as [OwnServerReport];
      if (report.type === type) return report as Extract<OwnServerReport, { type: Type }>;
    }
  };
  const { port, model } = await next("listening");
  // Until start-up has settled.
  await delay(1000);
  const httpPid = child.pid as number;
  const idleBytes = residentBytes(httpPid);
  child.send("load");
  const { enginePid, totalMs, loadMs } = await next("loaded");
  return {
    name: "lmagent",
    url: `http://127.0.0.1:${port}`,
    model,
    httpPid,
    enginePid,
    idleBytes,
    totalMs,
    loadMs,
    stop: async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

export interface LlamaServerOptions {
  command: string;
  modelPath: string;
  contextTokens: number;
  slots: number;
}

export async function startLlamaServer(options: LlamaServerOptions): Promise<Subject> {
  const { command, modelPath, contextTokens, slots } = options;
  const port = await freePort();
  const context = String(contextTokens * slots);
  const sizes = ["-c", context, "-np", String(slots), "-t", "1", "-ngl", "0"];
  const child = spawn(command, ["-m", modelPath, "--host", "127.0.0.1", "--port", String(port), ...sizes], {
    stdio: "ignore",
  });
  const url = `http://127.0.0.1:${port}`;
  while (!(await isHealthy(url))) {
    if (child.exitCode !== null) throw new Error(`\`${command}\` ended with code ${child.exitCode}.`);
    await delay(50);
  }
  return {
    name: "llama-server",
    url,
    model: "any",
    stop: async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

async function isHealthy(url: string): Promise<boolean> {
  return fetch(`${url}/health`).then(
    ({ status }) => status === 200,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export function residentBytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}
