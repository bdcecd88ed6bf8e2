import { AgentError, errnoOf } from "../core/errors.ts";

/** The path may not be used, whatever is there. */
export function pathRefused(path: string, why: string): AgentError {
  return new AgentError("path_refused", `\`${shorten(path)}\` refused: ${why}`, { data: { path } });
}

/** An ordinary failure. `message` is whole: its first words are what a small model looks for. */
export function fileFailed(path: string, message: string, cause?: unknown): AgentError {
  const errno = errnoOf(cause);
  return new AgentError("file_failed", message, {
    cause,
    data: { path, ...(errno === undefined ? {} : { errno }) },
  });
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the disk is read-only",
  ENOSPC: "no space left on the disk",
  EDQUOT: "the disk quota is used up",
  EMFILE: "too many open files",
  ENAMETOOLONG: "the name is too long",
  ENOTDIR: "a part of the path is a file, not a folder",
  EISDIR: "it is a folder",
  EEXIST: "something else has this name",
};

/** Turns what a system call threw into a `file_failed` that says what was tried; an `AgentError` stays what it is. */
export function systemFailure(path: string, doing: string, thrown: unknown): AgentError {
  if (AgentError.is(thrown)) return thrown;
  const errno = errnoOf(thrown);
  if (errno === "ENOENT") return fileFailed(path, `no such file: ${shorten(path)}`, thrown);
  const why = (errno && REASONS[errno]) ?? errno ?? String(thrown);
  return fileFailed(path, `cannot ${doing} ${shorten(path)}: ${why}`, thrown);
}

function shorten(path: string): string {
  const shown = path.replaceAll(/\p{Cc}|\p{Surrogate}/gu, "?");
  return shown.length > 200 ? `${shown.slice(0, 200)}…` : shown;
}
