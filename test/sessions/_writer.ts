/**
 * A process of its own that writes to a session: `node writer.mjs ACTION WORKSPACE [ID]`. It reports each step as a line of JSON, and
 * only what was acknowledged. Bundled and started by the tests.
 */
import { createJsonlSessionStore } from "../../src/sessions/index.ts";
import { join } from "node:path";
import { writeSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { errorMessage } from "../../src/core/errors.ts";
import type { AgentError } from "../../src/core/errors.ts";
import { assistant, result, user } from "./_entries.ts";

const [action, workspace = "", id] = process.argv.slice(2);
const folder = join(workspace, ".lmagent", "sessions");
const store = createJsonlSessionStore({
  folder,
  makeFolder: () => mkdir(folder, { recursive: true }),
  workspace,
  now: () => Date.now(),
  newId: () => String(Math.random()),
  version: "0.0.0",
});
const report = (line: unknown) => writeSync(1, `${JSON.stringify(line)}\n`);

// Without a listener the first write beyond `ulimit -f` would end the process.
process.on("SIGXFSZ", () => undefined);

try {
  const session = await (id === undefined ? store.create() : store.open(id));
  report({ opened: session.id, interrupted: session.state.interrupted });
  if (action === "hold") process.stdin.resume();
  if (action === "append" || action === "fill") {
    for (let number = session.state.messages.length; ; number += 4) {
      await session.append(user(`request ${number} ${"x".repeat((number * 37) % 700)}`));
      report({ stored: number + 1 });
      await session.append(assistant(`a${number}`, `b${number}`));
      report({ stored: number + 2 });
      await Promise.all([session.append(result(`a${number}`)), session.append(result(`b${number}`))]);
      report({ stored: number + 4 });
    }
  }
  if (action === "undo") {
    for (let kept = session.state.requests.length; ; kept += 1) {
      await session.append(user(`kept ${kept}`));
      await session.append(user(`undone ${"x".repeat((kept * 37) % 700)}`));
      await session.append(assistant("a"));
      await session.undo(1);
      report({ stored: kept + 1 });
    }
  }
} catch (error) {
  const { code, data } = error as AgentError;
  report({ failed: code, message: errorMessage(error), data });
}
