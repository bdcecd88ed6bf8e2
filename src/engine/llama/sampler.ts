/** llama.cpp's samplers for one generation: their settings, the grammar that rules just now, and what the tokens' chances were. */
import { AgentError } from "../../core/errors.ts";
import type {
  Addon,
  AddonGrammar,
  AddonSampler,
  Bindings,
  LogitIndex,
  SamplerConfig,
  Token,
} from "./llama-addon.ts";
import type { Sampling } from "../protocol.ts";

const DEFAULT_PENALTY_TOKENS = 64;
const KEPT_GRAMMARS = 16;
/** As OpenAI defines the field: such a bias means never. */
const BAN = -100;

export interface SamplerOptions {
  sampling: Sampling;
  /** Alternatives to tell beside each token; absent: no chances at all. */
  logprobs?: number;
  /** The tokens so far, oldest first: what the penalties see. */
  history: readonly Token[];
}

export interface Sampled {
  token: Token;
  /** Before sampling: without penalties, biases, temperature, grammar. */
  chances?: { logprob: number; top: readonly Chance[] };
}

export interface Chance {
  token: Token;
  /** Natural logarithm. */
  logprob: number;
}

export interface Sampler {
  /** `undefined`: the text ends here. */
  sample(at: LogitIndex): Promise<Sampled | undefined>;
  /** Rules from the next token on, from its beginning. `history` as in `SamplerOptions`, as it is by now. */
  useGrammar(gbnf: string | undefined, history: readonly Token[]): void;
  [Symbol.dispose](): void;
}

export type SamplerFactory = (options: SamplerOptions) => Sampler;

export interface SamplerSubject extends Addon {
  contextTokens: number;
  /** The tokens that end a text. */
  endTokens: () => readonly Token[];
}

export function createSamplerFactory(subject: SamplerSubject): SamplerFactory {
  const { bindings, model, context, contextTokens, endTokens } = subject;
  const grammars = createGrammarCache(bindings);
  return ({ sampling, logprobs, history }) => {
    const sampler = new bindings.AddonSampler(model);
    const meter = logprobs === undefined ? undefined : createChanceMeter(subject, logprobs);
    const fixed: SamplerConfig = {
      ...toSamplerConfig(sampling),
      ...toBias(sampling, sampling.ignoreEnd === true ? endTokens() : []),
    };
    const useGrammar: Sampler["useGrammar"] = (gbnf, newest) => {
      const penalties = toPenalties(sampling, { history: newest, contextTokens });
      const state = gbnf && { grammarEvaluationState: grammars.start(gbnf, subject) };
      sampler.applyConfig({ ...fixed, ...penalties, ...state });
    };
    useGrammar(undefined, history);
    return {
      sample: async (at) => {
        const token = await context.sampleToken(at, sampler);
        if (token < 0 || model.isEogToken(token)) return undefined;
        return meter === undefined ? { token } : { token, chances: await meter.measure(at, token) };
      },
      useGrammar,
      [Symbol.dispose]: () => {
        sampler.dispose();
        meter?.[Symbol.dispose]();
      },
    };
  };
}

/** A seed of its own where none is given: the library would take the time in seconds. */
function toSamplerConfig({ temperature, seed, topK, topP, minP }: Sampling): SamplerConfig {
  return {
    temperature,
    seed: (seed ?? Math.floor(Math.random() * 2 ** 32)) >>> 0,
    // A sampler that lets everything pass would still sort the whole vocabulary.
    ...(topK > 0 ? { topK } : {}),
    ...(topP < 1 ? { topP } : {}),
    ...(minP > 0 ? { minP } : {}),
  };
}

function toPenalties(
  sampling: Sampling,
  { history, contextTokens }: { history: readonly Token[]; contextTokens: number },
): Partial<SamplerConfig> {
  const { repeatPenalty = 1, frequencyPenalty = 0, presencePenalty = 0 } = sampling;
  const { repeatLastTokens: wanted = DEFAULT_PENALTY_TOKENS } = sampling;
  const lastTokens = wanted < 0 ? contextTokens : Math.min(wanted, contextTokens);
  const none = repeatPenalty === 1 && frequencyPenalty === 0 && presencePenalty === 0;
  if (none || lastTokens === 0) return {};
  return {
    repeatPenaltyTokens: Uint32Array.from(history.slice(-lastTokens)),
    repeatPenaltyMaxTokens: lastTokens,
    repeatPenalty,
    repeatPenaltyFrequencyPenalty: frequencyPenalty,
    repeatPenaltyPresencePenalty: presencePenalty,
  };
}

function toBias({ logitBias = [] }: Sampling, banned: readonly Token[]): Partial<SamplerConfig> {
  const biases = new Map(
    logitBias.map(({ token, bias }) => [token, bias <= BAN ? Number.NEGATIVE_INFINITY : bias]),
  );
  for (const token of banned) biases.set(token, Number.NEGATIVE_INFINITY);
  if (biases.size === 0) return {};
  return {
    tokenBiasKeys: Uint32Array.from(biases.keys()),
    tokenBiasValues: Float32Array.from(biases.values()),
  };
}

interface ChanceMeter {
  measure(at: LogitIndex, token: Token): Promise<NonNullable<Sampled["chances"]>>;
  [Symbol.dispose](): void;
}

/** Looks at the same logits with a sampler that changes nothing. */
function createChanceMeter({ bindings, model, context }: Addon, topCount: number): ChanceMeter {
  const sampler: AddonSampler = new bindings.AddonSampler(model);
  sampler.applyConfig({ temperature: 0, seed: 0 });
  return {
    measure: async (at, token) => {
      // At least the best one: the weights are relative to it.
      const filter = [[token], false, false, false, Math.max(1, topCount)] as const;
      const measured = await context.sampleToken(at, sampler, false, false, filter, true);
      const [, , , pairs, totalWeight] = measured;
      const base = (pairs[1] ?? 0) + Math.log(totalWeight);
      const chances: Chance[] = [];
      for (let place = 0; place + 1 < pairs.length; place += 2)
        chances.push({ token: pairs[place] as Token, logprob: (pairs[place + 1] as number) - base });
      const own = chances.find((chance) => chance.token === token);
      return { logprob: own?.logprob ?? Number.NEGATIVE_INFINITY, top: chances.slice(0, topCount) };
    },
    [Symbol.dispose]: () => sampler.dispose(),
  };
}

/** Tool lists rarely change within a run, so a few compiled grammars are enough. */
function createGrammarCache(bindings: Bindings) {
  const compiled = new Map<string, AddonGrammar>();
  const compile = (gbnf: string): AddonGrammar => {
    const known = compiled.get(gbnf);
    if (known !== undefined) return known;
    if (compiled.size >= KEPT_GRAMMARS) compiled.clear();
    const grammar = new bindings.AddonGrammar(gbnf, { addonExports: bindings, rootRuleName: "root" });
    compiled.set(gbnf, grammar);
    return grammar;
  };
  return {
    /** Throws `AgentError` `engine_failed` (reason `invalid_request`) for a text that is no grammar. */
    start: (gbnf: string, { model }: Pick<Addon, "model">) => {
      try {
        return new bindings.AddonGrammarEvaluationState(model, compile(gbnf));
      } catch (cause) {
        const message = "The grammar cannot be read. It has to be GBNF with a rule `root`.";
        throw new AgentError("engine_failed", message, { cause, data: { reason: "invalid_request" } });
      }
    },
  };
}
