/** The models that have their place in memory, and the one way in which they lose it. */
import { AgentError, errorMessage } from "../../core/errors.ts";
import type { ModelInstance } from "./loaded-model.ts";
import type { ModelChange } from "./model-manager.ts";
import type { ModelPurpose } from "../protocol.ts";

export type ModelEnd =
  | { type: "evicted"; for: string }
  | { type: "unloaded"; why: "asked" | "idle" | "shutdown" }
  | { type: "failed"; error: Error };

interface EndOptions {
  error: Error;
  graceMs?: number;
  first?: Promise<void>;
}

interface RegistryOptions {
  log: (line: string) => void;
  onChange?: ((change: ModelChange) => void) | undefined;
}

/** Longer waits would end at once. */
const TIMER_LIMIT_MS = 2 ** 31 - 1;

export class ModelRegistry {
  readonly #options: RegistryOptions;
  /** In the order of their loads. */
  readonly #models = new Map<string, ModelInstance>();
  #waiters: (() => void)[] = [];

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  all(): readonly ModelInstance[] {
    return [...this.#models.values()];
  }

  add(model: ModelInstance): void {
    this.#models.set(model.id, model);
    this.tell({ type: "loading", model });
  }

  /** By id, letters in any case; else the newest one of the model that is called so. */
  find(name: string): ModelInstance | undefined {
    const wanted = name.toLowerCase();
    const isGoing = ({ state }: ModelInstance): number => Number(state === "unloading");
    const newestFirst = this.all()
      .toReversed()
      .toSorted((a, b) => isGoing(a) - isGoing(b));
    return (
      this.#models.get(name) ??
      newestFirst.find(({ id }) => id.toLowerCase() === wanted) ??
      newestFirst.find(({ entry }) =>
        [entry.key, ...entry.aliases].some((one) => one.toLowerCase() === wanted),
      )
    );
  }

  get(id: string): ModelInstance | undefined {
    return this.#models.get(id);
  }

  newest(purpose: ModelPurpose): ModelInstance | undefined {
    return this.all().findLast(({ entry, state }) => entry.purpose === purpose && state !== "unloading");
  }

  /**
   * Returns when its memory is free. Who comes for it meanwhile waits for that and loads it anew. `graceMs`: how long to wait for those
   * who use it. What runs on it then fails with `error`. `first`: what has to be done before anybody loads it anew.
   */
  end(model: ModelInstance, end: ModelEnd, options: EndOptions): Promise<void> {
    model.ended ??= this.#end(model, end, options);
    return model.ended;
  }

  async #end(model: ModelInstance, end: ModelEnd, { error, graceMs = 0, first }: EndOptions): Promise<void> {
    model.beginEnd();
    try {
      await first;
      if (graceMs > 0) await this.until(() => model.users === 0 || model.gone.aborted, { limitMs: graceMs });
      await model.end(error);
    } catch (thrown) {
      // It counts as gone all the same: there is nothing else that could be done about it.
      this.#options.log(`model ${model.id}: did not end properly: ${errorMessage(thrown)}`);
    } finally {
      this.#models.delete(model.id);
      this.tell({ ...end, model });
      this.wake();
    }
  }

  /** Whoever waits for something looks again. */
  wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  /** Waits until it holds; false: not within the limit. Throws the signal's reason. */
  async until(
    condition: () => boolean,
    { limitMs, signal }: { limitMs: number; signal?: AbortSignal },
  ): Promise<boolean> {
    const endsAt = performance.now() + limitMs;
    const wake = (): void => this.wake();
    const timer = setTimeout(wake, Math.min(TIMER_LIMIT_MS, Math.max(0, limitMs)));
    signal?.addEventListener("abort", wake, { once: true });
    try {
      for (;;) {
        signal?.throwIfAborted();
        if (condition()) return true;
        if (performance.now() >= endsAt) return false;
        await new Promise<void>((resolve) => this.#waiters.push(resolve));
      }
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
    }
  }

  tell(change: ModelChange): void {
    this.#options.log(`model ${change.model.id}: ${toWords(change)}`);
    this.#options.onChange?.(change);
  }
}

function toWords(change: ModelChange): string {
  switch (change.type) {
    case "loading":
      return "loads";
    case "ready":
      return `ready after ${Math.round(change.loadMs)} ms`;
    case "failed":
      return `not loaded: ${change.error.message}`;
    case "crashed":
      return "its engine died; the next request starts it again";
    case "evicted":
      return `unloaded to make room for ${change.for}`;
    default:
      return change.why === "idle" ? "unloaded, nobody used it" : "unloaded";
  }
}

export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new AgentError("engine_failed", errorMessage(thrown));
}
