import { writeFile } from "node:fs/promises";
import { PERMISSION_MODES } from "../core/approval.ts";
import { errorMessage } from "../core/errors.ts";
import type { ScreenCommand, ScreenOutput } from "../tui/screen/controller.ts";
import { formatCount } from "../tui/format.ts";
import { formatTodos } from "../tui/session-view.ts";
import { toTerminalLine } from "../tui/terminal-text.ts";
import type { TokenTotals } from "../core/session.ts";
import type { Agent } from "./agent.ts";
import { toSessionLine } from "./commands/sessions.ts";
import { readContextFiles } from "./context-files.ts";
import { createTaskCommands, type Follow } from "./repl-task-commands.ts";

/** The `/` commands of the screen. What they print is for the user only and never reaches the model. */
export function createReplCommands(agent: Agent, follow: Follow): ScreenCommand[] {
  const commands: ScreenCommand[] = [
    toCommand({
      name: "/help",
      description: "what can be typed here",
      whileRunning: true,
      run: (_args, out) => {
        const lines = commands.map(({ name, description }) => `${name.padEnd(11)} ${description}`);
        out.print([...lines, "quit        leave; so do exit, Ctrl-D and Ctrl-C twice"].join("\n"));
      },
    }),
    ...sessionCommands(agent),
    ...switchCommands(agent),
    ...createTaskCommands(agent, follow),
    ...agentCommands(agent),
    ...permissionCommands(agent),
  ];
  return commands;
}

interface CommandDefinition extends Omit<ScreenCommand, "run"> {
  run(args: string, out: ScreenOutput): Promise<void> | void;
}

/** What goes wrong in a command is said on the screen and ends nothing. */
function toCommand({ run, ...definition }: CommandDefinition): ScreenCommand {
  return {
    ...definition,
    run: async (args, out) => {
      try {
        await run(args.trim(), out);
      } catch (error) {
        out.warn(errorMessage(error));
      }
    },
  };
}

function sessionCommands(agent: Agent): ScreenCommand[] {
  return [
    {
      name: "/sessions",
      description: "recent sessions of this workspace",
      whileRunning: true,
      run: async (_args: string, out: ScreenOutput) => {
        const sessions = (await agent.sessions.list()).slice(0, 20);
        out.print(sessions.length === 0 ? "No sessions yet." : sessions.map(toSessionLine).join("\n"));
      },
    },
    {
      name: "/session",
      description: "id of this session",
      whileRunning: true,
      run: (_args: string, out: ScreenOutput) =>
        out.print(agent.sessionId ?? "No session yet: it starts with the first request."),
    },
    {
      name: "/export",
      description: "write the conversation to a JSON file: /export FILE",
      run: async (file: string, out: ScreenOutput) => {
        if (file === "") return out.print("To which file?");
        await writeFile(file, `${JSON.stringify(agent.messages, null, 2)}\n`, { flag: "wx" });
        out.print(`Wrote ${agent.messages.length} messages to ${file}.`);
      },
    },
  ].map(toCommand);
}

/** Commands that put another conversation on the screen. */
function switchCommands(agent: Agent): ScreenCommand[] {
  return [
    {
      name: "/new",
      description: "start a fresh session",
      run: async (_args: string, out: ScreenOutput) => {
        await agent.reset();
        out.reload();
        out.print("The next request starts a new session.");
      },
    },
    {
      name: "/resume",
      description: "go on with a session: /resume ID",
      complete: async (prefix: string) =>
        (await agent.sessions.list()).map(({ id }) => id).filter((id) => id.startsWith(prefix)),
      run: async (id: string, out: ScreenOutput) => {
        if (id === "") {
          const sessions = (await agent.sessions.list()).slice(0, 5);
          return out.print(["Which one? `/resume ID`", ...sessions.map(toSessionLine)].join("\n"));
        }
        await agent.resume(id);
        out.reload();
        out.print(`Resumed ${agent.sessionId}, mode ${agent.mode}.`);
      },
    },
    {
      name: "/fork",
      description: "go on in a copy of this session",
      run: async (_args: string, out: ScreenOutput) => {
        if (agent.sessionId === undefined) return out.print("There is nothing to fork yet.");
        const copy = await agent.sessions.fork(agent.sessionId);
        await copy[Symbol.asyncDispose]();
        await agent.resume(copy.id);
        out.print(`Now in ${copy.id}, a copy; mode ${agent.mode}.`);
      },
    },
  ].map(toCommand);
}

function agentCommands(agent: Agent): ScreenCommand[] {
  return [
    {
      name: "/mode",
      description: "how often to ask: /mode auto, normal or manual",
      whileRunning: true,
      complete: async (prefix: string) => PERMISSION_MODES.filter((mode) => mode.startsWith(prefix)),
      run: async (args: string, out: ScreenOutput) => {
        if (args === "") return out.print(`The mode is ${agent.mode}.`);
        const mode = PERMISSION_MODES.find((candidate) => candidate === args.toLowerCase());
        if (mode === undefined) return out.warn(`\`${args}\` is no mode. Use auto, normal or manual.`);
        await agent.setMode(mode);
        out.print(`The mode is now ${mode}.`);
      },
    },
    {
      name: "/todo",
      description: "the agent's list of steps",
      whileRunning: true,
      run: (_args: string, out: ScreenOutput) => out.print(describeTodos(agent)),
    },
    {
      name: "/status",
      description: "model, window, mode, sandbox, session",
      whileRunning: true,
      run: async (_args: string, out: ScreenOutput) => out.print(await describeStatus(agent)),
    },
    {
      name: "/model",
      description: "the model in use",
      whileRunning: true,
      run: async (_args: string, out: ScreenOutput) => out.print(await describeModel(agent)),
    },
    {
      name: "/tools",
      description: "what the model may call",
      whileRunning: true,
      run: (_args: string, out: ScreenOutput) =>
        out.print(
          agent.tools
            .map(({ name, access, description }) => `${name.padEnd(14)} ${access.padEnd(8)} ${description}`)
            .join("\n"),
        ),
    },
    {
      name: "/soul",
      description: "the personality file in force",
      whileRunning: true,
      run: async (_args: string, out: ScreenOutput) => {
        const { soul } = await readContextFiles(agent.workspace);
        out.print(
          soul ? `${soul.name}:\n${soul.text}` : "No soul file. Write one: `.soul.md` in the workspace.",
        );
      },
    },
  ].map(toCommand);
}

function permissionCommands(agent: Agent): ScreenCommand[] {
  return [
    toCommand({
      name: "/permissions",
      description: "rules and remembered answers; take one back: /permissions revoke ID",
      whileRunning: true,
      complete: async (prefix: string) => ["list", "revoke"].filter((word) => word.startsWith(prefix)),
      run: async (args: string, out: ScreenOutput) => {
        const [word = "list", id, ...more] = args.split(/\s+/).filter(Boolean);
        const list = await import("./permission-list.ts");
        if (word === "revoke" && id !== undefined && more.length === 0) {
          const count = await list.revokeAnswers(agent.settings, id);
          if (count === 0) return out.warn(`Nothing with the id \`${id}\` is remembered.`);
          return out.print(list.describeRevoked(count));
        }
        if (word !== "list" || id !== undefined)
          return out.warn("Use `/permissions`, or `/permissions revoke ID`.");
        const { root } = agent.workspace;
        const { rows, warnings } = await list.readPermissions(agent.settings, root);
        out.print(list.toPermissionLines(rows, root).join("\n"));
        for (const warning of warnings) out.warn(warning);
      },
    }),
  ];
}

function describeTodos({ todos }: Agent): string {
  if (todos.length === 0) return "The list is empty.";
  return formatTodos({ todos }).join("\n");
}

/** How much of what was sent the server had read before, in words. */
export function describeCache({ prompt, cached, completion, counted }: Readonly<TokenTotals>): string {
  if (counted === 0)
    return completion === 0
      ? "the server has told no counts yet"
      : "this server does not tell what it had read before";
  const share = prompt === 0 ? 0 : Math.round((cached / prompt) * 100);
  return `${share} % of ${formatCount(prompt)} prompt tokens were already read (${counted} ${counted === 1 ? "request" : "requests"})`;
}

async function describeModel(agent: Agent): Promise<string> {
  const { id, server, baseUrl, contextTokens } = await agent.model.describe({});
  return toTerminalLine(`${id} on ${server} at ${baseUrl}, window ${formatWindow(contextTokens)}`);
}

function formatWindow(tokens: number | undefined): string {
  return tokens === undefined ? "unknown" : `${formatCount(tokens)} tokens`;
}

async function describeStatus(agent: Agent): Promise<string> {
  const model = await agent.model.describe({});
  return [
    toTerminalLine(`model      ${model.id} (${model.server}, ${model.baseUrl})`),
    `window     ${formatWindow(model.contextTokens)}`,
    `mode       ${agent.mode}`,
    `sandbox    ${await agent.describeSandbox()}`,
    `workspace  ${agent.workspace.root}`,
    `session    ${agent.sessionId ?? "none yet"}`,
    `messages   ${agent.messages.length}`,
    `cache      ${describeCache(agent.tokens)}`,
  ].join("\n");
}
