import { writeFile } from "node:fs/promises";
import { PERMISSION_MODES } from "../core/approval.ts";
import { errorMessage } from "../core/errors.ts";
import type { ScreenCommand } from "../tui/screen/controller.ts";
import type { Agent } from "./agent.ts";
import { toSessionLine } from "./commands/sessions.ts";
import { readContextFiles } from "./context-files.ts";

/** The `/` commands of the screen. What they print is for the user only and never reaches the model. */
export function createReplCommands(agent: Agent): ScreenCommand[] {
  const commands: ScreenCommand[] = [
    command("/help", "what can be typed here", (_args, print) => {
      const lines = commands.map(({ name, description }) => `${name.padEnd(11)} ${description}`);
      print([...lines, "quit        leave; so do exit, Ctrl-D and Ctrl-C twice"].join("\n"));
    }),
    ...sessionCommands(agent),
    ...agentCommands(agent),
  ];
  return commands;
}

function command(
  name: string,
  description: string,
  run: (args: string, print: (text: string) => void) => Promise<void> | void,
): ScreenCommand {
  return {
    name,
    description,
    run: async (args, out) => {
      try {
        await run(args.trim(), (text) => out.print(text));
      } catch (error) {
        out.print(errorMessage(error));
      }
    },
  };
}

function sessionCommands(agent: Agent): ScreenCommand[] {
  return [
    command("/sessions", "recent sessions of this workspace", async (_args, print) => {
      const sessions = (await agent.sessions.list()).slice(0, 20);
      print(sessions.length === 0 ? "No sessions yet." : sessions.map(toSessionLine).join("\n"));
    }),
    command("/session", "id of this session", (_args, print) =>
      print(agent.sessionId ?? "No session yet: it starts with the first request."),
    ),
    command("/new", "start a fresh session", async (_args, print) => {
      await agent.reset();
      print("The next request starts a new session.");
    }),
    command("/resume", "go on with a session: /resume ID", async (id, print) => {
      if (id === "") return print("Which one? /sessions lists them.");
      const { state } = await agent.resume(id);
      print(`Resumed ${agent.sessionId}: ${state.messages.length} messages, mode ${agent.mode}.`);
    }),
    command("/fork", "go on in a copy of this session", async (_args, print) => {
      if (agent.sessionId === undefined) return print("There is nothing to fork yet.");
      const copy = await agent.sessions.fork(agent.sessionId);
      await copy[Symbol.asyncDispose]();
      await agent.resume(copy.id);
      print(`Now in ${copy.id}, a copy.`);
    }),
    command("/export", "write the conversation to a JSON file: /export FILE", async (file, print) => {
      if (file === "") return print("To which file?");
      await writeFile(file, `${JSON.stringify(agent.messages, null, 2)}\n`, { flag: "wx" });
      print(`Wrote ${agent.messages.length} messages to ${file}.`);
    }),
  ];
}

function agentCommands(agent: Agent): ScreenCommand[] {
  return [
    command("/mode", "how often to ask: /mode auto, normal or manual", async (args, print) => {
      if (args === "") return print(`The mode is ${agent.mode}.`);
      const mode = PERMISSION_MODES.find((candidate) => candidate === args.toLowerCase());
      if (mode === undefined) return print(`\`${args}\` is no mode. Use auto, normal or manual.`);
      await agent.setMode(mode);
      print(`The mode is now ${mode}.`);
    }),
    command("/todo", "the agent's list of steps", (_args, print) => {
      const marks = { pending: "[ ]", in_progress: "[>]", completed: "[x]", blocked: "[!]" } as const;
      const lines = agent.todos.map(({ id, text, status }) => `${marks[status]} ${id}. ${text}`);
      print(lines.length === 0 ? "The list is empty." : lines.join("\n"));
    }),
    command("/status", "model, window, mode, sandbox, session", async (_args, print) =>
      print(await describeStatus(agent)),
    ),
    command("/model", "the model in use", async (_args, print) => {
      const { id, server, baseUrl, contextTokens } = await agent.model.describe({});
      print(`${id} on ${server} at ${baseUrl}, window ${contextTokens ?? "unknown"} tokens`);
    }),
    command("/tools", "what the model may call", (_args, print) => {
      print(
        agent.tools
          .map(({ name, access, description }) => `${name.padEnd(14)} ${access.padEnd(8)} ${description}`)
          .join("\n"),
      );
    }),
    command("/soul", "the personality file in force", async (_args, print) => {
      const { soul } = await readContextFiles(agent.workspace);
      print(soul ? `${soul.name}:\n${soul.text}` : "No soul file. Write one: `.soul.md` in the workspace.");
    }),
  ];
}

async function describeStatus(agent: Agent): Promise<string> {
  const model = await agent.model.describe({});
  return [
    `model      ${model.id} (${model.server}, ${model.baseUrl})`,
    `window     ${model.contextTokens ?? "unknown"} tokens`,
    `mode       ${agent.mode}`,
    `sandbox    ${await agent.describeSandbox()}`,
    `workspace  ${agent.workspace.root}`,
    `session    ${agent.sessionId ?? "none yet"}`,
    `messages   ${agent.messages.length}`,
  ].join("\n");
}
