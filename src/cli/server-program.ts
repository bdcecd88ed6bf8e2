/** The commands of the model runtime: `server`, `daemon`, `models`, `load`, `unload`, `ps`, `download`. Loaded for these alone. */
import type { Command } from "commander";

type Finish = (code: number) => void;

export function addServerCommands(program: Command, finish: Finish): void {
  addServer(program, finish);
  addDaemon(program, finish);
  addModels(program.command("models").description("model files on this machine"), finish);
  addLoading(program, finish);
  addAliases(program, finish);
}

const list = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

function addServer(program: Command, finish: Finish): void {
  const server = program
    .command("server")
    .description("the model server: OpenAI, Anthropic, LM Studio and Ollama clients can use it");
  server
    .command("start")
    .description("serve in the background; prints the URL")
    .option("-p, --port <n>", "port (default 1234; 0 takes a free one)")
    .option("--bind <address>", "address to listen on (default 127.0.0.1)")
    .option("--cors [origin]", "let pages of this origin use it; without one, pages of any", collectOrigins)
    .option(
      "--api-key <key>",
      "a key that clients must send, besides the stored ones; more than once for more keys",
      list,
    )
    .option("--allow-unauthenticated", "serve without a key where others can reach it")
    .option("--ttl <time>", "rest after which a model that a request loaded is unloaded (default 60m; never)")
    .option("--no-jit", "serve only models that were loaded with `lmagent load`")
    .option("--max-models <n>", "most models loaded at once")
    .option("--memory <amount>", "most memory for all models together, such as 12GB")
    .option("--parallel <n>", "requests at the same time, of one model")
    .option("-c, --context-length <n>", "tokens of context for each of them")
    .option("--threads <n>", "most processor threads of a model")
    .option("--gpu <layers>", "layers on the GPU: off, max, or a number")
    .option("--engine <engine>", "docker, host or embedded; more than once: tried in this order", list)
    .option("--reasoning-field <field>", "where thinking goes: content, reasoning, both or inline")
    .option("--foreground", "stay, and print the log")
    .option("--json", "the result as JSON")
    .action(async (flags: Record<string, unknown>) => {
      const { startServer } = await import("./commands/server.ts");
      // Commander's default of a `--no-` flag is no wish of the user.
      finish(await startServer(flags["jit"] === true ? { ...flags, jit: undefined as never } : flags));
    });
  server
    .command("stop")
    .description("stop serving; exit code 1 when it was not running")
    .action(async () => finish(await (await import("./commands/server.ts")).stopServer()));
  server
    .command("status")
    .description("whether it runs, and where")
    .option("--json", "as JSON, in the form of `lms server status --json`")
    .action(async (flags: { json?: boolean }) =>
      finish(await (await import("./commands/server.ts")).showServerStatus(flags)),
    );
  addWatching(server, finish);
  addKeys(server, finish);
  addModels(server.command("models", { hidden: true }), finish);
}

function collectOrigins(value: string | boolean, before: string[] | boolean | undefined): string[] | boolean {
  return typeof value === "string" ? [...(Array.isArray(before) ? before : []), value] : value;
}

function addWatching(server: Command, finish: Finish): void {
  server
    .command("stats")
    .description("what each loaded model does and takes")
    .option("-w, --watch", "again every second")
    .option("--json", "as JSON")
    .action(async (flags: { watch?: boolean; json?: boolean }) =>
      finish(await (await import("./commands/server-stats.ts")).showStats(flags)),
    );
  withLogFlags(server.command("logs").description("the log of the server and its models"), finish);
}

function withLogFlags(command: Command, finish: Finish): void {
  command
    .option("-f, --follow", "go on as it grows")
    .option("-n, --lines <n>", "how many of the last lines (default 100)")
    .option("-s, --source <source>", "only server, model or runtime")
    .option("--json", "each entry as one line of JSON")
    .action(async (flags: { follow?: boolean }) =>
      finish(await (await import("./commands/server-logs.ts")).showLogs(flags)),
    );
}

function addKeys(server: Command, finish: Finish): void {
  const key = server.command("key").description("keys that clients must send");
  key
    .command("create")
    .description("make a key and print it; only its hash is kept")
    .option("--name <name>", "what to call it")
    .action(async (flags: { name?: string }) =>
      finish(await (await import("./commands/server-keys.ts")).createServerKey(flags)),
    );
  key
    .command("list")
    .option("--json", "as JSON")
    .action(async (flags: { json?: boolean }) =>
      finish(await (await import("./commands/server-keys.ts")).listServerKeys(flags)),
    );
  key
    .command("revoke <id>")
    .description("take a key back, by its id or name; at once")
    .action(async (id: string) =>
      finish(await (await import("./commands/server-keys.ts")).revokeServerKey(id)),
    );
}

function addDaemon(program: Command, finish: Finish): void {
  const daemon = program.command("daemon").description("the background process that holds loaded models");
  const json = (command: Command): Command =>
    command.option("--json", "as JSON, in the form of `lms daemon`");
  json(daemon.command("up").description("start it, without a server")).action(
    async (flags: { json?: boolean }) =>
      finish(await (await import("./commands/daemon.ts")).startDaemonCommand(flags)),
  );
  json(daemon.command("down").description("end it, its server and all models")).action(
    async (flags: { json?: boolean }) =>
      finish(await (await import("./commands/daemon.ts")).stopDaemon(flags)),
  );
  json(daemon.command("status").description("whether it runs")).action(async (flags: { json?: boolean }) =>
    finish(await (await import("./commands/daemon.ts")).showDaemonStatus(flags)),
  );
}

function addLoading(program: Command, finish: Finish): void {
  program
    .command("load <name>")
    .description("load a model and keep it")
    .option("-c, --context-length <n>", "tokens of context for each request")
    .option("--parallel <n>", "requests at the same time")
    .option("--gpu <layers>", "layers on the GPU: off, max, or a number")
    .option("--ttl <time>", "unload it after this rest (default: never)")
    .option("--identifier <id>", "what clients call it")
    .option("--flash-attention", "use FlashAttention")
    .option("--speculative-lookup", "guess tokens ahead from the text so far")
    .option("--speculative-draft-model <file>", "guess tokens ahead with a smaller model")
    .option("--estimate-only", "only say what it would take")
    .option("--json", "the result as JSON")
    .action(async (name: string, flags: object) =>
      finish(await (await import("./commands/load.ts")).loadModel(name, flags)),
    );
  program
    .command("unload [id]")
    .description("unload a model; exit code 1 when it was not loaded")
    .option("-a, --all", "all of them")
    .action(async (id: string | undefined, flags: { all?: boolean }) =>
      finish(await (await import("./commands/load.ts")).unloadModel(id, flags)),
    );
  program
    .command("ps")
    .description("the loaded models")
    .option("--json", "as JSON")
    .action(async (flags: { json?: boolean }) =>
      finish(await (await import("./commands/server-stats.ts")).showLoaded(flags)),
    );
  withDownloadFlags(program.command("download <reference>"), finish);
}

function withDownloadFlags(command: Command, finish: Finish): void {
  command
    .description("fetch a model: owner/repo, owner/repo@quant, or a URL; prints the file")
    .option("--quant <name>", "which quantisation, such as Q4_K_M")
    .option("--sha256 <hex>", "what the file must have")
    .option("-y, --yes", "without a question")
    .option("--json", "progress and result as lines of JSON")
    .action(async (reference: string, flags: object) =>
      finish(await (await import("./commands/download.ts")).downloadModel(reference, flags)),
    );
}

function addModels(models: Command, finish: Finish): void {
  withListFlags(models.command("list").alias("ls"), finish);
  withDownloadFlags(models.command("get <reference>"), finish);
  models
    .command("show <name>")
    .description("what the file says about the model")
    .option("--json", "as JSON")
    .action(async (name: string, flags: object) =>
      finish(await (await import("./commands/models.ts")).showModel(name, flags)),
    );
  models
    .command("rm <name>")
    .description("delete a model from our own folder")
    .option("-y, --yes", "without a question")
    .action(async (name: string, flags: object) =>
      finish(await (await import("./commands/models.ts")).removeModel(name, flags)),
    );
  withImportFlags(models.command("import <file>"), finish);
  models
    .command("estimate <name>")
    .description("what it would take, and whether that fits; exit code 1 when not")
    .option("-c, --context <n>", "tokens of context for each request")
    .option("--slots <n>", "requests at the same time")
    .option("--gpu-layers <layers>", "layers on the GPU: off, max, or a number")
    .option("--json", "as JSON")
    .action(async (name: string, flags: object) =>
      finish(await (await import("./commands/models.ts")).estimateModel(name, flags)),
    );
}

function withListFlags(command: Command, finish: Finish): void {
  command
    .description("the models on this machine: ours, and those of LM Studio, Ollama and Hugging Face")
    .option("--json", "as JSON")
    .action(async (flags: object) => finish(await (await import("./commands/models.ts")).listModels(flags)));
}

function withImportFlags(command: Command, finish: Finish): void {
  command
    .description("take a .gguf file into our own folder")
    .option("--user-repo <owner/repo>", "where to put it")
    .option("-c, --copy", "copy it instead of moving it")
    .option("-L, --hard-link", "link to it (same disk)")
    .option("-l, --symbolic-link", "point to it")
    .option("--dry-run", "only say what would happen")
    .option("-y, --yes", "without a question")
    .action(async (file: string, flags: object) =>
      finish(await (await import("./commands/models.ts")).importModel(file, flags)),
    );
}

/** The spellings of `lms`. */
function addAliases(program: Command, finish: Finish): void {
  withDownloadFlags(program.command("get <reference>", { hidden: true }), finish);
  withListFlags(program.command("ls", { hidden: true }), finish);
  withImportFlags(program.command("import <file>", { hidden: true }), finish);
  const log = program.command("log", { hidden: true });
  const stream = log.command("stream");
  stream.option("--stats", "as `lms` has it: entries have these anyway");
  withLogFlags(stream, finish);
}
