#!/usr/bin/env node
/** The command line. Parses arguments and loads the command they name, and nothing else: each command is a chunk of its own. */
import { Command, CommanderError, Option } from "commander";
import { AgentError, errnoOf, errorMessage } from "../core/errors.ts";
import { toTerminalText } from "../tui/terminal-text.ts";
import { EXIT_PIPE, EXIT_USAGE, toErrorExitCode } from "./exit-code.ts";
import { packageVersion } from "./package-root.ts";
import type { SettingFlags } from "./settings.ts";

export interface TaskFlags extends SettingFlags {
  resume?: string;
  continue?: boolean;
  listSessions?: boolean;
  json?: boolean;
  verbose?: boolean;
}

/** The first words of the commands in `server-program.ts`. */
const SERVER_WORDS = "server daemon models load unload ps download get ls log import".split(" ");

/** Commands of the design that this version does not have: better said than taken for a task. */
const PLANNED = new Set("web serve-ui agent bridge train mcp acp".split(" "));

async function createProgram(finish: (code: number) => void): Promise<Command> {
  const program = withSettings(new Command("lmagent"))
    .description("An AI agent that runs on your own machine and your own model.")
    .argument("[task]", "what to do, in quotes; without it the interactive screen opens")
    .option("--resume <id>", "go on with this session")
    .option("--continue", "go on with the newest session of this workspace")
    .option("--list-sessions", "list the sessions of this workspace")
    .option("--plan", "plan first; nothing is changed before you have approved the plan")
    .option("--json", "write every event as one line of JSON")
    .option("--record", "keep the raw requests and replies of the model server, for a bug report or a replay")
    .option("--verbose", "also show thinking and the output of commands")
    .version(packageVersion(), "--version")
    .showSuggestionAfterError()
    .showHelpAfterError("Try `lmagent --help`.")
    .action(async (task: string | undefined, flags: TaskFlags) => {
      if (task !== undefined && PLANNED.has(task)) {
        throw new AgentError(
          "usage",
          `\`lmagent ${task}\` does not exist in this version. For a task of one word, say more.`,
        );
      }
      const { startCommand } = await import("./commands/start.ts");
      finish(await startCommand(task, flags));
    });
  program.hook("preAction", (_program, command) => {
    // A task has a view that notices this itself and ends in order.
    if (command !== program) leaveWithReader();
  });
  // Most starts are a task or the screen: building the other commands would cost each of them a few milliseconds.
  const words = new Set(process.argv.slice(2));
  const all = words.has("--help") || words.has("-h") || words.has("help");
  if (all || words.has("tool")) addToolCommands(program, finish);
  if (all || words.has("sandbox")) addSandboxCommands(program, finish);
  if (all || words.has("sessions")) addSessionCommands(program, finish);
  if (all || words.has("permissions")) addPermissionCommands(program, finish);
  if (all || words.has("trust")) addTrustCommands(program, finish);
  if (all || words.has("doctor")) addDoctorCommand(program, finish);
  if (all || words.has("probe")) addProbeCommand(program, finish);
  if (all || SERVER_WORDS.some((word) => words.has(word))) {
    const { addServerCommands } = await import("./server-program.ts");
    addServerCommands(program, finish);
  }
  return program;
}

function withSettings(command: Command): Command {
  return command
    .option("--workspace <folder>", "folder to work in (default: the current one)")
    .option("--model <name>", "model of the server, or a .gguf file for the embedded runtime")
    .option(
      "--base-url <url>",
      "OpenAI-compatible server, such as http://localhost:1234; `embedded` for our own runtime",
    )
    .option("--permission <mode>", "how often to ask: auto, normal or manual")
    .option("--max-iterations <n>", "most requests to the model in a run")
    .option("--max-time <seconds>", "most time for a run")
    .option("--sandbox <backend>", "where commands run: docker, bubblewrap, seatbelt or process")
    .option("--network <network>", "what commands can reach: none or bridge")
    .option("--allow-unsandboxed", "let auto mode run commands where nothing isolates them")
    .addOption(new Option("--debug", "show stacks of errors").hideHelp());
}

function addToolCommands(program: Command, finish: (code: number) => void): void {
  const tool = program.command("tool").description("call one tool the way the agent does");
  tool
    .command("list")
    .description("the tools and their parameters")
    .option("--json", "the schemas as they are sent")
    .action(async (_flags: unknown, command: Command) => {
      const { listTools } = await import("./commands/tool.ts");
      finish(await listTools(command.optsWithGlobals()));
    });
  tool
    .command("run <name>")
    .description("run one tool; the result is JSON, exit code 1 for a tool error")
    .option("--args <json>", "the arguments as a JSON object", "{}")
    .action(async (name: string, _flags: unknown, command: Command) => {
      const { runTool } = await import("./commands/tool.ts");
      finish(await runTool(name, command.optsWithGlobals()));
    });
}

function addSandboxCommands(program: Command, finish: (code: number) => void): void {
  const sandbox = program.command("sandbox").description("where commands run");
  sandbox
    .command("status")
    .description("the backend in force, and why")
    .action(async (_flags: unknown, command: Command) => {
      const { showSandboxStatus } = await import("./commands/sandbox.ts");
      finish(await showSandboxStatus(command.optsWithGlobals()));
    });
  sandbox
    .command("test")
    .description("try what a command must not be able to do")
    .action(async (_flags: unknown, command: Command) => {
      const { testSandbox } = await import("./commands/sandbox.ts");
      finish(await testSandbox(command.optsWithGlobals()));
    });
  sandbox
    .command("run <command...>")
    .description("run a command in it; ends with the command's exit code")
    .option("--backend <backend>", "docker, bubblewrap, seatbelt or process")
    .option("--timeout <seconds>", "wall clock, 1 to 120 (default 30)")
    .option("--memory <mb>", "memory, 64 to 2048 (default 512)")
    .action(async (words: string[], _flags: unknown, command: Command) => {
      const { runInSandbox } = await import("./commands/sandbox.ts");
      finish(await runInSandbox(words, command.optsWithGlobals()));
    });
  sandbox
    .command("build")
    .description("make the Docker image that commands run in, after asking")
    .option("--yes", "without a question")
    .action(async (_flags: unknown, command: Command) => {
      const { buildImage } = await import("./commands/sandbox-build.ts");
      finish(await buildImage(command.optsWithGlobals()));
    });
}

function addPermissionCommands(program: Command, finish: (code: number) => void): void {
  const permissions = program.command("permissions").description("rules, and answers kept for later calls");
  permissions
    .command("list")
    .description("the rules in force here and the answers that were kept")
    .option("--json", "as JSON")
    .action(async (_flags: unknown, command: Command) => {
      const { listPermissions } = await import("./commands/permissions.ts");
      finish(await listPermissions(command.optsWithGlobals()));
    });
  permissions
    .command("revoke [id]")
    .description("take back an answer that was kept")
    .option("--all", "every one of them, in every workspace")
    .action(async (id: string | undefined, _flags: unknown, command: Command) => {
      const { revokePermission } = await import("./commands/permissions.ts");
      finish(await revokePermission(id, command.optsWithGlobals()));
    });
}

function addTrustCommands(program: Command, finish: (code: number) => void): void {
  const trust = program.command("trust").description("what of a workspace you have agreed to run");
  trust
    .command("list")
    .description("what lies here and what was agreed to")
    .option("--json", "as JSON")
    .action(async (_flags: unknown, command: Command) => {
      const { listTrust } = await import("./commands/trust.ts");
      finish(await listTrust(command.optsWithGlobals()));
    });
  trust
    .command("add [names...]")
    .description(
      "show tools of the workspace and trust them after a yes; without names all that are new or changed",
    )
    .option("--yes", "without a question")
    .option("--outside-sandbox", "let them run without the sandbox")
    .action(async (names: string[], _flags: unknown, command: Command) => {
      const { addTrust } = await import("./commands/trust.ts");
      finish(await addTrust(names, command.optsWithGlobals()));
    });
  trust
    .command("revoke [name]")
    .description("take an agreement back; without a name all of this workspace")
    .action(async (name: string | undefined, _flags: unknown, command: Command) => {
      const { revokeTrust } = await import("./commands/trust.ts");
      finish(await revokeTrust(name, command.optsWithGlobals()));
    });
}

function addDoctorCommand(program: Command, finish: (code: number) => void): void {
  program
    .command("doctor")
    .description("look at all that an agent needs; exit code 1 when something is broken")
    .option("--json", "the findings as JSON")
    .action(async (_flags: unknown, command: Command) => {
      const { runDoctor } = await import("./commands/doctor.ts");
      finish(await runDoctor(command.optsWithGlobals()));
    });
}

function addProbeCommand(program: Command, finish: (code: number) => void): void {
  program
    .command("probe")
    .description("test what the model can do on its server; about a minute, kept for later")
    .option("--refresh", "test again although findings are kept")
    .option("--json", "the findings as JSON")
    .action(async (_flags: unknown, command: Command) => {
      const { runProbe } = await import("./commands/probe.ts");
      finish(await runProbe(command.optsWithGlobals()));
    });
}

function addSessionCommands(program: Command, finish: (code: number) => void): void {
  const sessions = program.command("sessions").description("stored conversations of a workspace");
  sessions
    .command("list")
    .option("--json")
    .action(async (_flags: unknown, command: Command) => {
      const { listSessions } = await import("./commands/sessions.ts");
      finish(await listSessions(command.optsWithGlobals()));
    });
  for (const [name, description] of [
    ["show", "print a conversation"],
    ["export", "print a conversation as JSON"],
    ["diff", "what it changed in files"],
    ["rm", "delete a session"],
  ] as const) {
    sessions
      .command(`${name} <id>`)
      .description(description)
      .action(async (id: string, _flags: unknown, command: Command) => {
        const commands = await import("./commands/sessions.ts");
        const action = {
          show: commands.showSession,
          export: commands.exportSession,
          diff: commands.diffSession,
          rm: commands.removeSession,
        }[name];
        finish(await action(id, command.optsWithGlobals()));
      });
  }
}

/** `lmagent … | head`: when nobody reads any more there is nothing left to do, as for any other command in a pipe. */
function leaveWithReader(): void {
  process.stdout.on("error", (error) => {
    if (errnoOf(error) === "EPIPE") process.exit(EXIT_PIPE);
    throw error;
  });
}

function withChildren(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withChildren)];
}

async function main(): Promise<number> {
  let code = 0;
  const program = await createProgram((exitCode) => (code = exitCode));
  for (const command of withChildren(program)) command.exitOverride();
  await program.parseAsync();
  return code;
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => (process.exitCode = report(error)),
);

function report(error: unknown): number {
  // Commander has written its own message; help and version are no errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  process.stderr.write(`lmagent: ${toTerminalText(errorMessage(error))}\n`);
  if (process.argv.includes("--debug") && error instanceof Error)
    process.stderr.write(`${toTerminalText(error.stack ?? "")}\n`);
  return toErrorExitCode(error);
}
