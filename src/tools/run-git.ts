/**
 * Git runs only in the sandbox, with its arguments as a list. Nothing that the repository's own configuration names is started:
 * fixed settings are overridden here, and those with names of their own choice by the script that starts git. Should one be
 * missing, the sandbox is the boundary.
 */
import type { ToolContext, ToolFailure } from "../core/tool.ts";
import type { Sandbox } from "../core/sandbox.ts";
import { GIT_SCRIPT } from "./git-script.ts";
import { createKeptOutput } from "./kept-output.ts";

const SETTINGS = [
  "core.fsmonitor=false",
  "core.hooksPath=/dev/null",
  "core.attributesFile=/dev/null",
  "core.pager=cat",
  "core.editor=false",
  "core.sshCommand=false",
  "core.gitProxy=",
  "core.alternateRefsCommand=false",
  "core.askPass=false",
  "core.quotePath=false",
  "credential.helper=",
  "protocol.allow=never",
  "commit.gpgSign=false",
  "gc.auto=0",
  "maintenance.auto=false",
  "submodule.recurse=false",
  "diff.ignoreSubmodules=dirty",
  "diff.submodule=short",
  "status.submoduleSummary=false",
  "log.showSignature=false",
  "color.ui=false",
  "advice.detachedHead=false",
  "safe.directory=*",
  "safe.bareRepository=explicit",
].flatMap((setting) => ["-c", setting]);

const ENVIRONMENT = {
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_ATTR_NOSYSTEM: "1",
  GIT_TERMINAL_PROMPT: "0",
  GIT_NO_LAZY_FETCH: "1",
  GIT_ALLOW_PROTOCOL: "none",
  GIT_PAGER: "cat",
  GIT_EDITOR: "false",
} as const;

/** Paths are names, not patterns: `:(exclude)x` and `[id].ts` are files. */
const PLAIN = ["--no-pager", "--literal-pathspecs"];

/** Errors of git are short; more than this is a list of files. */
const MAX_ERROR_BYTES = 2_000;
const FRAME_BYTES = 160;

export interface GitEnd {
  ok: boolean;
  stdout: string;
  stderr: string;
  exitCode: number;
  stopped?: string;
}

export interface GitRun {
  sandbox: Sandbox;
  context: ToolContext;
  /** Whether git may refresh its index on the way; false for what must change nothing. */
  locks?: boolean;
}

export async function runGit(
  args: readonly string[],
  { sandbox, context, locks = true }: GitRun,
): Promise<GitEnd> {
  const maxBytes = Math.max(context.resultBytes / 2, context.resultBytes - FRAME_BYTES);
  const stdout = createKeptOutput({ maxBytes, advice: "name one path to see less at once" });
  const stderr = createKeptOutput({ maxBytes: MAX_ERROR_BYTES });
  const {
    exitCode,
    stopped,
    warnings = [],
  } = await sandbox.run(["/bin/sh", "-c", GIT_SCRIPT, "git", ...PLAIN, ...SETTINGS, ...args], {
    env: { ...ENVIRONMENT, ...(locks ? {} : { GIT_OPTIONAL_LOCKS: "0" }) },
    signal: context.signal,
    onOutput: (chunk, stream) => (stream === "stdout" ? stdout : stderr).append(chunk),
  });
  for (const message of warnings) context.emit({ type: "warning", message });
  return {
    ok: exitCode === 0 && stopped === undefined,
    stdout: await stdout.finish(),
    stderr: await stderr.finish(),
    exitCode,
    ...(stopped === undefined ? {} : { stopped }),
  };
}

/** Git's own words without its prefixes and hints, and the way out where there is a plain one. */
export function toGitFailure({ stdout, stderr, exitCode, stopped }: GitEnd): ToolFailure {
  if (stopped !== undefined) return { ok: false, error: `git was stopped (${stopped})` };
  if (/not a git repository/i.test(stderr)) {
    return { ok: false, error: "not a git repository; `git init` in the shell makes one" };
  }
  if (exitCode === 127) return { ok: false, error: "git is not installed where commands run" };
  const lines = (stderr.trim() === "" ? stdout : stderr).split("\n");
  const words = lines.filter((line) => line.trim() !== "" && !line.startsWith("hint:")).map(withoutPrefix);
  return { ok: false, error: words.join("\n") || `git ended with exit code ${exitCode}` };
}

function withoutPrefix(line: string): string {
  return line.replace(/^(fatal|error|warning): /, "");
}

/** A command line for people to look at, on which every argument can be told from the next. */
export function toCommandLine(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(" ");
}
