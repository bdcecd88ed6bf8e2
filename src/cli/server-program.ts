/** The commands of the model runtime: `server`, `daemon`, `models`, `load`, `unload`, `ps`, `download`. Loaded for these alone. */
import { Option } from "commander";
import type { Command } from "commander";
import type { ServerFlags } from "./server-settings.ts";

type Finish = (code: number) => void;

export function addServerCommands(program: Command, finish: Finish): void {
  addServer(program, finish);
  addDaemon(program, finish);
  addModels(program.command("models").description("model files on this machine"), finish);
  addLoading(program, finish);
  addAliases(program, finish);
}

/**
 * An action over all its flags, also those that the whole program has, such as `--json`: commander gives these to the program wherever
 * they stand.
 */
function act(
  command: Command,
  finish: Finish,
  /** Takes its own flags: each function says which. */
  run: (flags: never, argument: string) => Promise<number>,
): void {
  command.action(async (argument: unknown) => {
    finish(await run(command.optsWithGlobals<never>(), typeof argument === "string" ? argument : ""));
  });
}

const list = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

const origins = (value: string | boolean, before: string[] | boolean | undefined): string[] | boolean =>
  typeof value === "string" ? [...(Array.isArray(before) ? before : []), value] : value;

function addServer(program: Command, finish: Finish): void {
  const server = program
    .command("server")
    .description("the model server: clients of OpenAI, Anthropic, LM Studio and Ollama can use it");
  const start = server
    .command("start")
    .description("serve in the background; prints the URL")
    .option("-p, --port <n>", "port (default 1234; 0 takes a free one)")
    .option("--bind <address>", "address to listen on (default 127.0.0.1)")
    .option("--cors [origin]", "let pages of this origin use it; without one, pages of any", origins)
    .option("--api-key <key>", "a key that clients may send, besides the stored ones; may be repeated", list)
    .option("--allow-unauthenticated", "serve without a key where others can reach it")
    .option("--ttl <time>", "rest after which a model that a request loaded is unloaded (default 60m; never)")
    .option("--jit", "let a request load its model (the default)")
    .option("--no-jit", "serve only models that were loaded with `lmagent load`")
    .option("--max-models <n>", "most models loaded at once")
    .option("--memory <amount>", "most memory for all models together, such as 12GB")
    .option("--parallel <n>", "requests at the same time, of one model")
    .option("-c, --context-length <n>", "tokens of context for each of them")
    .option("--threads <n>", "most processor threads of a model")
    .option("--gpu <layers>", "layers on the GPU: off, max, or a number")
    .option("--engine <engine>", "docker, host or embedded; may be repeated: tried in this order", list)
    .option("--reasoning-field <field>", "where thinking goes: content, reasoning, both or inline")
    .option("--foreground", "stay, and print the log")
    .option("--json", "the result as JSON");
  act(start, finish, async (flags: ServerFlags) =>
    (await import("./commands/server.ts")).startServer(withoutFlagsOfTheProgram(flags)),
  );
  act(
    server.command("stop").description("stop serving; exit code 1 when it was not running"),
    finish,
    async () => (await import("./commands/server.ts")).stopServer(),
  );
  act(
    server
      .command("status")
      .description("whether it runs, and where")
      .option("--json", "as JSON, in the form of `lms server status --json`"),
    finish,
    async (flags) => (await import("./commands/server.ts")).showServerStatus(flags),
  );
  addWatching(server, finish);
  addKeys(server, finish);
  addModels(server.command("models", { hidden: true }), finish);
}

/** The address of a server to use is nothing to the one that is started here. */
function withoutFlagsOfTheProgram({ baseUrl: _baseUrl, ...flags }: ServerFlags): ServerFlags {
  return flags;
}

function addWatching(server: Command, finish: Finish): void {
  act(
    server
      .command("stats")
      .description("what each loaded model does and takes")
      .option("-w, --watch", "again every second")
      .option("--json", "as JSON"),
    finish,
    async (flags) => (await import("./commands/server-stats.ts")).showStats(flags),
  );
  addLogs(server.command("logs").description("the log of the server and its models"), finish);
}

function addLogs(command: Command, finish: Finish): void {
  command
    .option("-f, --follow", "go on as it grows")
    .option("-n, --lines <n>", "how many of the last lines (default 100)")
    .option("-s, --source <source>", "only server, model or runtime")
    .option("--json", "each entry as one line of JSON");
  act(command, finish, async (flags) => (await import("./commands/server-logs.ts")).showLogs(flags));
}

function addKeys(server: Command, finish: Finish): void {
  const key = server.command("key").description("keys that clients must send");
  act(
    key
      .command("create")
      .description("make a key and print it; only its hash is kept")
      .option("--name <name>", "what to call it"),
    finish,
    async (flags) => (await import("./commands/server-keys.ts")).createServerKey(flags),
  );
  act(
    key.command("list").description("the keys that there are").option("--json", "as JSON"),
    finish,
    async (flags) => (await import("./commands/server-keys.ts")).listServerKeys(flags),
  );
  act(
    key.command("revoke <id>").description("take a key back, by its id or name; at once"),
    finish,
    async (_flags, id) => (await import("./commands/server-keys.ts")).revokeServerKey(id),
  );
}

function addDaemon(program: Command, finish: Finish): void {
  const daemon = program.command("daemon").description("the background process that holds loaded models");
  const add = (name: string, description: string): Command =>
    daemon.command(name).description(description).option("--json", "as JSON, in the form of `lms daemon`");
  act(add("up", "start it, without a server"), finish, async (flags) =>
    (await import("./commands/daemon.ts")).startDaemonCommand(flags),
  );
  act(add("down", "end it, its server and all models"), finish, async (flags) =>
    (await import("./commands/daemon.ts")).stopDaemon(flags),
  );
  act(add("status", "whether it runs"), finish, async (flags) =>
    (await import("./commands/daemon.ts")).showDaemonStatus(flags),
  );
}

function addLoading(program: Command, finish: Finish): void {
  const load = program
    .command("load <name>")
    .description("load a model and keep it")
    .option("-c, --context-length <n>", "tokens of context for each request")
    .option("--parallel <n>", "requests at the same time")
    .option("--gpu <layers>", "layers on the GPU: off, max, or a number")
    .option("--ttl <time>", "unload it after this rest (default: never)")
    .option("--identifier <id>", "what clients call it")
    .option("--flash-attention", "use FlashAttention")
    .option("--speculative-lookup", "guess tokens ahead from the text so far")
    .option("--speculative-draft-model <name>", "guess tokens ahead with a smaller model")
    .option("--estimate-only", "only say what it would take")
    // Nothing is asked; `lms` has it, and scripts give it.
    .addOption(new Option("-y, --yes").hideHelp())
    .option("--json", "the result as JSON");
  act(load, finish, async (flags, name) => (await import("./commands/load.ts")).loadModel(name, flags));
  const unload = program
    .command("unload [id]")
    .description("unload a model; exit code 1 when it was not loaded")
    .option("-a, --all", "all of them");
  act(unload, finish, async (flags, id) => (await import("./commands/load.ts")).unloadModel(id, flags));
  const ps = program.command("ps").description("the loaded models").option("--json", "as JSON");
  act(ps, finish, async (flags) => (await import("./commands/server-stats.ts")).showLoaded(flags));
  addDownload(program.command("download <reference>"), finish);
}

function addDownload(command: Command, finish: Finish): void {
  command
    .description("fetch a model: owner/repo, owner/repo@quant, or a URL; prints the file")
    .option("--quant <name>", "which quantisation, such as Q4_K_M")
    .option("--sha256 <hex>", "what the file must have")
    .option("-y, --yes", "without a question")
    .option("--json", "progress and result as lines of JSON");
  act(command, finish, async (flags, reference) =>
    (await import("./commands/download.ts")).downloadModel(reference, flags),
  );
}

function addModels(models: Command, finish: Finish): void {
  addList(models.command("list").alias("ls"), finish);
  addDownload(models.command("get <reference>"), finish);
  act(
    models
      .command("show <name>")
      .description("what the file says about the model")
      .option("--json", "as JSON"),
    finish,
    async (flags, name) => (await import("./commands/models.ts")).showModel(name, flags),
  );
  act(
    models
      .command("rm <name>")
      .description("delete a model from our own folder")
      .option("-y, --yes", "without a question"),
    finish,
    async (flags, name) => (await import("./commands/models.ts")).removeModel(name, flags),
  );
  addImport(models.command("import <file>"), finish);
  act(
    models
      .command("estimate <name>")
      .description("what it would take, and whether that fits; exit code 1 when not")
      .option("-c, --context <n>", "tokens of context for each request")
      .option("--slots <n>", "requests at the same time")
      .option("--gpu-layers <layers>", "layers on the GPU: off, max, or a number")
      .option("--json", "as JSON"),
    finish,
    async (flags, name) => (await import("./commands/models.ts")).estimateModel(name, flags),
  );
}

function addList(command: Command, finish: Finish): void {
  command
    .description("the models on this machine: ours, and those of LM Studio, Ollama and Hugging Face")
    .option("--loaded", "only those that are loaded")
    .option("--llm", "only those that write")
    .option("--embedding", "only those that make embeddings")
    .option("--json", "as JSON");
  act(command, finish, async (flags) => (await import("./commands/models.ts")).listModels(flags));
}

function addImport(command: Command, finish: Finish): void {
  command
    .description("take a .gguf file into our own folder")
    .option("--user-repo <owner/repo>", "where to put it")
    .option("-c, --copy", "copy it instead of moving it")
    .option("-L, --hard-link", "link to it (same disk)")
    .option("-l, --symbolic-link", "point to it")
    .option("--dry-run", "only say what would happen")
    .option("-y, --yes", "without a question");
  act(command, finish, async (flags, file) =>
    (await import("./commands/models.ts")).importModel(file, flags),
  );
}

/** The spellings of `lms`. */
function addAliases(program: Command, finish: Finish): void {
  addDownload(program.command("get <reference>", { hidden: true }), finish);
  addList(program.command("ls", { hidden: true }), finish);
  addImport(program.command("import <file>", { hidden: true }), finish);
  addLogs(program.command("log", { hidden: true }).command("stream"), finish);
}
