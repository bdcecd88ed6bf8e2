/** One KV sequence: what it holds, going back in it, and sampling on it. */
import type { Batcher } from "./batcher.ts";
import type { Addon, AddonCheckpoint, LogitIndex, Token } from "./llama-addon.ts";
import type { Sampled, Sampler, SamplerFactory, SamplerOptions } from "./sampler.ts";
import type { Drafter } from "./speculation.ts";

/** `length` tokens of it are evaluated. */
export interface LlamaSlot {
  readonly index: number;
  readonly length: number;
  /** `keep` keeps exactly as much as it is asked to. */
  readonly forgetsParts: boolean;
  /** How many of these tokens, from the first on, are already evaluated here. */
  prefixLength(tokens: readonly Token[]): number;
  /** Forgets everything but the first `count` tokens, or more where the model's memory cannot forget just a part. */
  keep(count: number): Promise<void>;
  /** Takes over what another slot holds. Returns whether it worked; if not, this one is empty. */
  copyFrom(other: LlamaSlot): Promise<boolean>;
  /** Evaluates prompt tokens; cannot be interrupted, so give it slices. */
  evaluate(tokens: readonly Token[]): Promise<void>;
  /** Notes where this kind of memory could come back to, for models that cannot go back to just any token. */
  remember(): Promise<void>;
  startSampling(options: SamplingOptions): TokenSource;
}

export interface SamplingOptions extends SamplerOptions {
  /** Guesses ahead; absent: one token at a time. */
  drafter?: Drafter;
}

/** The tokens of one generation. */
export interface TokenSource {
  /** Evaluates `tokens` (the one that it gave last, or others in its place) and samples what follows. `undefined`: nothing can follow. */
  next(tokens: readonly Token[]): Promise<Sampled | undefined>;
  /** As `Sampler.useGrammar`; what was guessed ahead is forgotten. */
  useGrammar(gbnf: string | undefined): void;
  /** Leaves the slot with exactly what was given out and evaluated. */
  end(): Promise<void>;
  readonly drafted: number;
  readonly accepted: number;
}

export interface SlotParts extends Addon {
  index: number;
  batcher: Batcher;
  createSampler: SamplerFactory;
  /** The memory cannot forget just a part: recurrent state, or a window of attention. */
  needsCheckpoints: boolean;
  contextTokens: number;
  /** Tokens that attention looks back on, where it has a limit; else the whole context. */
  windowTokens: number;
}

const KEPT_CHECKPOINTS = 4;

interface Checkpoint {
  length: number;
  state: AddonCheckpoint;
}

export function createSlot(parts: SlotParts): LlamaSlot {
  return new Slot(parts);
}

class Slot implements LlamaSlot {
  readonly index: number;
  readonly #parts: SlotParts;
  #tokens: Token[] = [];
  #checkpoints: Checkpoint[] = [];

  constructor(parts: SlotParts) {
    this.index = parts.index;
    this.#parts = parts;
  }

  get length(): number {
    return this.#tokens.length;
  }

  get forgetsParts(): boolean {
    return !this.#parts.needsCheckpoints;
  }

  prefixLength(tokens: readonly Token[]): number {
    const held = this.#tokens;
    const most = Math.min(held.length, tokens.length);
    for (let at = 0; at < most; at += 1) if (held[at] !== tokens[at]) return at;
    return most;
  }

  async keep(count: number): Promise<void> {
    if (count >= this.length) return;
    await this.#parts.batcher.between(() => this.#forget(count));
  }

  async copyFrom(other: LlamaSlot): Promise<boolean> {
    const { context, batcher } = this.#parts;
    const source = other as Slot;
    return batcher.between(async () => {
      this.#clear();
      const last = await context.copySequenceStateFromOtherSequence(this.index, source.index);
      if (last !== source.length - 1) {
        this.#clear();
        return false;
      }
      this.#tokens = [...source.#tokens];
      return true;
    });
  }

  async evaluate(tokens: readonly Token[]): Promise<void> {
    await this.run(tokens, 0);
  }

  async remember(): Promise<void> {
    const { needsCheckpoints, batcher, bindings, context } = this.#parts;
    const { length } = this;
    if (!needsCheckpoints || length === 0 || this.#checkpoints.at(-1)?.length === length) return;
    const state = new bindings.AddonContextSequenceCheckpoint();
    await batcher.between(() => state.init(context, this.index));
    this.#checkpoints.push({ length, state });
    if (this.#checkpoints.length > KEPT_CHECKPOINTS) this.#checkpoints.shift()?.state.dispose();
  }

  startSampling(options: SamplingOptions): TokenSource {
    const sampler = this.#parts.createSampler(options);
    return new SlotSource(this, { sampler, drafter: options.drafter });
  }

  get held(): readonly Token[] {
    return this.#tokens;
  }

  /** Tokens that still fit. */
  get room(): number {
    return this.#parts.contextTokens - this.length;
  }

  async run(
    tokens: readonly Token[],
    logits: number,
    onLogits?: (places: readonly LogitIndex[]) => Promise<void>,
  ): Promise<void> {
    const position = this.length;
    // What failed half way may be there in part.
    try {
      await this.#parts.batcher.evaluate({
        sequence: this.index,
        position,
        tokens,
        logits,
        ...(onLogits === undefined ? {} : { onLogits }),
      });
    } catch (thrown) {
      await this.#parts.batcher.between(() => this.#forget(position));
      throw thrown;
    }
    for (const token of tokens) this.#tokens.push(token);
  }

  async #forget(count: number): Promise<void> {
    const { context, index, windowTokens } = this.#parts;
    const start = context.getSequenceKvCacheMinPosition(index);
    // A window of attention has let go of older tokens, and what comes after `count` looks back as far as the window reaches.
    const reaches = count > 0 && start <= Math.max(0, count - windowTokens);
    if (reaches && context.removeTokenCellsFromSequence(index, count, -1)) {
      this.#tokens.length = count;
      this.#dropCheckpoints(count);
      return;
    }
    await this.#goBack(count);
  }

  async #goBack(count: number): Promise<void> {
    const { context, index } = this.#parts;
    this.#dropCheckpoints(count);
    const newest = this.#checkpoints.at(-1);
    const restored =
      newest !== undefined && (await context.restoreCheckpoint(newest.state, newest.length - 1, index));
    if (restored) this.#tokens.length = newest.length;
    else this.#clear();
  }

  #dropCheckpoints(count: number): void {
    for (const { state } of this.#checkpoints.filter(({ length }) => length > count)) state.dispose();
    this.#checkpoints = this.#checkpoints.filter(({ length }) => length <= count);
  }

  #clear(): void {
    this.#dropCheckpoints(-1);
    this.#parts.context.disposeSequence(this.index);
    this.#tokens = [];
  }
}

class SlotSource implements TokenSource {
  readonly #slot: Slot;
  readonly #sampler: Sampler;
  readonly #drafter: Drafter | undefined;
  /** Sampled before it was asked for. */
  #ahead: Sampled[] = [];
  /** Newest tokens of the slot that the caller was not seen to go on from. */
  #surplus = 0;
  #last: Token[] = [];
  drafted = 0;
  accepted = 0;

  constructor(slot: Slot, { sampler, drafter }: { sampler: Sampler; drafter: Drafter | undefined }) {
    this.#slot = slot;
    this.#sampler = sampler;
    this.#drafter = drafter;
  }

  async next(tokens: readonly Token[]): Promise<Sampled | undefined> {
    const sampled = this.#ahead.length > 0 ? this.#takeAhead() : await this.#sampleBehind(tokens);
    this.#last = sampled === undefined ? [] : [sampled.token];
    return sampled;
  }

  #takeAhead(): Sampled | undefined {
    this.#surplus -= 1;
    return this.#ahead.shift();
  }

  async #sampleBehind(tokens: readonly Token[]): Promise<Sampled | undefined> {
    await this.#dropSurplus();
    const drafted = (await this.#drafter?.draft(this.#slot.held, tokens)) ?? [];
    const guesses = drafted.slice(0, Math.max(0, this.#slot.room - tokens.length));
    if (guesses.length > 0) return this.#judge(tokens, guesses);
    let sampled: Sampled | undefined;
    await this.#slot.run(tokens, 1, async ([place]) => {
      if (place !== undefined) sampled = await this.#sampler.sample(place);
    });
    return sampled;
  }

  /** Evaluates the guesses as well, and samples on as long as they are what is sampled. */
  async #judge(tokens: readonly Token[], guesses: readonly Token[]): Promise<Sampled | undefined> {
    const sampled: Sampled[] = [];
    let right = 0;
    await this.#slot.run([...tokens, ...guesses], guesses.length + 1, async (places) => {
      for (const [at, place] of places.entries()) {
        const one = await this.#sampler.sample(place);
        if (one === undefined) return;
        sampled.push(one);
        if (one.token !== guesses[at]) return;
        right += 1;
      }
    });
    this.drafted += guesses.length;
    this.accepted += right;
    this.#drafter?.judged(guesses.length, right);
    await this.#slot.keep(this.#slot.length - (guesses.length - right));
    this.#ahead = sampled.slice(1);
    this.#surplus = right;
    return sampled[0];
  }

  useGrammar(gbnf: string | undefined): void {
    this.#ahead = [];
    const known = this.#slot.held.slice(0, this.#slot.length - this.#surplus);
    this.#sampler.useGrammar(gbnf, [...known, ...this.#last]);
  }

  async end(): Promise<void> {
    this.#ahead = [];
    this.#sampler[Symbol.dispose]();
    await this.#dropSurplus();
  }

  async #dropSurplus(): Promise<void> {
    if (this.#surplus === 0) return;
    const { length } = this.#slot;
    await this.#slot.keep(length - this.#surplus);
    this.#surplus = 0;
  }
}
