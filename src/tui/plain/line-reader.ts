/** Whole lines from a stream, asked for one at a time; what nobody asked for is dropped, so that nothing typed ahead counts as an answer. */
export interface LineReader {
  /** The next line typed from `graceMs` on; `undefined` at the end of the input. Throws the signal's reason on abort. */
  read(options: { graceMs: number; signal: AbortSignal }): Promise<string | undefined>;
}

export function createLineReader(input: NodeJS.ReadableStream): LineReader {
  return {
    async read({ graceMs, signal }) {
      signal.throwIfAborted();
      if (isOver(input)) return undefined;
      return new Promise<string | undefined>((resolve, reject) => {
        const startsAt = performance.now() + graceMs;
        const decoder = new TextDecoder();
        let text = "";
        const onData = (chunk: Uint8Array | string) => {
          const piece = typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
          if (performance.now() < startsAt) return;
          text += piece;
          const end = text.search(/[\r\n]/);
          if (end !== -1) settle(() => resolve(text.slice(0, end)));
        };
        const onEnd = () => settle(() => resolve(undefined));
        const onAbort = () => settle(() => reject(signal.reason as Error));
        const settle = (finish: () => void) => {
          input.off("data", onData).off("end", onEnd).off("close", onEnd).off("error", onEnd);
          signal.removeEventListener("abort", onAbort);
          // Paused, a terminal does not keep the process alive.
          input.pause();
          finish();
        };
        input.on("data", onData).on("end", onEnd).on("close", onEnd).on("error", onEnd);
        signal.addEventListener("abort", onAbort, { once: true });
        input.resume();
      });
    },
  };
}

function isOver(input: NodeJS.ReadableStream): boolean {
  const { readableEnded, destroyed } = input as { readableEnded?: boolean; destroyed?: boolean };
  return readableEnded === true || destroyed === true;
}
