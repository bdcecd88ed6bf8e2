import type { ChangeRecorder, CheckpointStore } from "../core/checkpoint.ts";

/** A checkpoint for each request of a run: one that a follow-up continues has several. */
export class RequestCheckpoints implements ChangeRecorder {
  readonly #begin: () => ChangeRecorder;
  #current: ChangeRecorder;

  constructor(store: CheckpointStore, session: string) {
    this.#begin = () => store.begin({ session });
    this.#current = this.#begin();
  }

  get id(): string {
    return this.#current.id;
  }

  get changed(): boolean {
    return this.#current.changed;
  }

  /** What changes from now on belongs to the next request. */
  next(): void {
    this.#current = this.#begin();
  }

  before(
    paths: readonly string[] | undefined,
    options: { signal: AbortSignal },
  ): Promise<string | undefined> {
    return this.#current.before(paths, options);
  }

  after(paths: readonly string[] | undefined): Promise<string | undefined> {
    return this.#current.after(paths);
  }
}
