import type { SandboxProcess, SandboxRunOptions } from "../core/sandbox.ts";

/** What a sandbox has under way, so that its end is the end of all of it. */
export interface UnderWay {
  /** A command, which is aborted when the sandbox ends. */
  run<T, O extends SandboxRunOptions>(options: O, body: (options: O) => Promise<T>): Promise<T>;
  keep(program: SandboxProcess): SandboxProcess;
  /** Ends everything and waits for that. What is run later is aborted at once. */
  end(): Promise<void>;
}

export function createUnderWay(): UnderWay {
  const ending = new AbortController();
  const commands = new Set<Promise<unknown>>();
  const programs = new Set<SandboxProcess>();
  return {
    async run(options, body) {
      const signal = AbortSignal.any([
        ending.signal,
        ...(options.signal === undefined ? [] : [options.signal]),
      ]);
      const running = body({ ...options, signal });
      commands.add(running);
      try {
        return await running;
      } finally {
        commands.delete(running);
      }
    },
    keep(program) {
      programs.add(program);
      void program.ended.then(() => programs.delete(program));
      return program;
    },
    async end() {
      ending.abort();
      await Promise.all([...programs].map((program) => program[Symbol.asyncDispose]()));
      await Promise.allSettled(commands);
    },
  };
}
