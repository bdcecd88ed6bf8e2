/** The examples as a program of somebody else's runs them: through the doors that `exports` of package.json names. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { PRACTICE_MODEL } from "../engine/_bundle.ts";
import { ask } from "../server/_agent.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const OUT = join(ROOT, "dist", "test-bundle", "examples");

/** From `lmagent/engine` to the source of what it is built from. */
async function readDoors(): Promise<Record<string, string>> {
  const { exports } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
    exports: Record<string, { default: string }>;
  };
  const toSource = (built: string): string =>
    built.replace("./dist/", join(ROOT, "src/")).replace(/\.js$/, ".ts");
  return Object.fromEntries(
    Object.entries(exports).map(([path, door]) => [path.replace(".", "lmagent"), toSource(door.default)]),
  );
}

async function buildExample(name: string): Promise<string> {
  const doors = await readDoors();
  await build({
    absWorkingDir: ROOT,
    entryPoints: { [name]: `examples/${name}.ts`, "llama/child": "src/engine/llama/child.ts" },
    outdir: OUT,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    plugins: [
      {
        name: "doors",
        setup: ({ onResolve }) =>
          onResolve({ filter: /^lmagent(\/|$)/ }, ({ path }) => ({
            path: doors[path] ?? `no door: ${path}`,
          })),
      },
    ],
    logLevel: "error",
  });
  return join(OUT, `${name}.js`);
}

test("serve-models serves a model until it is interrupted", async () => {
  const program = spawn(process.execPath, [await buildExample("serve-models"), PRACTICE_MODEL], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    const [url] = (await once(createInterface({ input: program.stdout }), "line")) as [string];
    const answer = await ask(`${url}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ messages: [{ role: "user", content: "Hello" }], max_tokens: 8 }),
    });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({
      model: "lmagent-practice",
      choices: [{ message: { content: expect.stringMatching(/\w/) as string } }],
    });
    const ended = once(program, "exit");
    program.kill("SIGINT");
    expect(await ended).toEqual([0, null]);
  } finally {
    program.kill("SIGKILL");
  }
});
