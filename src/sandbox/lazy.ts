import type { Sandbox } from "../core/sandbox.ts";

/** A sandbox that is chosen at its first command, so that a run without commands pays nothing. A failed choice is tried again. */
export function createLazySandbox(open: () => Promise<Sandbox>): Sandbox {
  let chosen: Sandbox | undefined;
  let opening: Promise<Sandbox> | undefined;
  const ready = async (): Promise<Sandbox> => {
    opening ??= open();
    try {
      chosen = await opening;
      return chosen;
    } catch (thrown) {
      opening = undefined;
      throw thrown;
    }
  };
  return {
    get backend() {
      return chosen?.backend ?? "process";
    },
    get isolated() {
      return chosen?.isolated ?? false;
    },
    get network() {
      return chosen?.network ?? "bridge";
    },
    async prepare() {
      await (await ready()).prepare?.();
    },
    run: async (command, options) => (await ready()).run(command, options),
    start: async (command, options) => (await ready()).start(command, options),
    async [Symbol.asyncDispose]() {
      const left = await opening?.catch(() => undefined);
      await left?.[Symbol.asyncDispose]();
    },
  };
}
