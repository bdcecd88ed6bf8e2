import { AgentError } from "../../core/errors.ts";

/** A stream that text is written to; `isTTY` and `columns` as Node's own terminal streams have them. */
export type TextOutput = NodeJS.WritableStream & { isTTY?: boolean; columns?: number };

export interface Sink {
  /** Resolves when the stream takes more. Never throws: after a failure what is written goes nowhere. */
  write(text: string): Promise<void>;
  /** Aborted when the reader has gone or the stream failed: nobody sees what comes. */
  readonly closed: AbortSignal;
  /** Lets go of the stream. Throws `AgentError` `storage_failed` when it failed for any reason but a reader that left. */
  finish(): void;
}

/** Writes with back-pressure; a reader that closes its end (`| head -1`) is no error. */
export function createSink(stream: TextOutput): Sink {
  const closing = new AbortController();
  let failure: NodeJS.ErrnoException | undefined;
  const onError = (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "ERR_STREAM_DESTROYED") failure ??= error;
    closing.abort(error);
  };
  const onClose = () => closing.abort();
  stream.on("error", onError);
  stream.on("close", onClose);
  return {
    closed: closing.signal,
    async write(text) {
      if (closing.signal.aborted || text === "") return;
      if (!stream.write(text)) await drained(stream, closing.signal);
    },
    finish() {
      // The error listener stays: a broken pipe may be reported after the last write.
      stream.off("close", onClose);
      if (failure !== undefined) throw toStorageError(failure);
    },
  };
}

async function drained(stream: TextOutput, closed: AbortSignal): Promise<void> {
  if (closed.aborted) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      stream.off("drain", done);
      closed.removeEventListener("abort", done);
      resolve();
    };
    stream.on("drain", done);
    closed.addEventListener("abort", done);
  });
}

function toStorageError(failure: NodeJS.ErrnoException): AgentError {
  const errno = failure.code ?? "unknown";
  return new AgentError(
    "storage_failed",
    `The output could not be written (\`${errno}\`): ${failure.message}. Free space or write elsewhere.`,
    {
      cause: failure,
      data: { errno },
    },
  );
}
