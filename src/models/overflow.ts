/** How servers word that a prompt does not fit, and the counts in those words. Each has its own sentence, and changes it now and then. */

/** Of a type or code. OpenAI, vLLM and ours; llama-server; z.ai; Anthropic for a body that is too long to be read at all. */
const OVERFLOW_KIND =
  /exceed_context_size|context_length_exceeded|model_context_window_exceeded|context_window_exceeded/i;

const OVERFLOW_WORDS: readonly RegExp[] = [
  // llama-server: "the request exceeds the available context size"; "Context size has been exceeded."; Ollama, OpenAI: "exceeds the context window".
  /context[_ ]?(?:size|length|window|limit)[^.]{0,40}exceed|exceed\w*[^.]{0,60}context/i,
  // OpenAI, vLLM, OpenRouter, DeepSeek, Mistral: "too large for model with 32768 maximum context length".
  /(?:maximum|max) (?:context|model|prompt|input) length/i,
  // vLLM of late, LM Studio; SGLang: "longer than the model's context length".
  /context length (?:of|is) only|(?:longer|greater|larger) than the (?:max\w*|(?:model's )?(?:available )?context)/i,
  // LM Studio: "n_keep: 9000 >= n_ctx: 4096"; "Trying to keep the first 9000 tokens when context the overflows".
  /n_keep.{0,20}n_ctx|context (?:the )?overflows/i,
  // Anthropic, Ollama, Bedrock, MLC.
  /(?:prompt|input|conversation|request) (?:is )?too long/i,
  // text-generation-inference and Together.
  /`?inputs`? (?:tokens \+ `?max_new_tokens`? must be|must have less than)/i,
  // KoboldCpp, TabbyAPI and others by their settings: "Prompt length 9000 is greater than max_seq_len 4096".
  /prompt[^.]{0,60}(?:exceed|greater|larger|longer)[^.]{0,40}(?:max_?seq_?len|max_?context|n_ctx|ctx)/i,
  // Gemini; Kimi; DashScope.
  /exceeds? the maximum number of (?:input )?tokens|exceeded model token limit|range of input length should be/i,
  // Groq; ds4: "Prompt has 300,000 tokens, but the configured context size is 131,072 tokens".
  /reduce the length of the messages|configured context size is/i,
  /too many (?:input )?tokens/i,
];

/** A limit on how much may be sent in a time passes by itself. */
const RATE_LIMIT = /\brate.?limit|tokens? per (?:minute|hour|day|second)|\b(?:TPM|TPD|RPM)\b|quota/i;

/** The prompt is too long for the window, whatever status, type and words the server chose for it. */
export function isContextOverflow({ message, kind }: { message: string; kind: string }): boolean {
  if (OVERFLOW_KIND.test(kind)) return true;
  return !RATE_LIMIT.test(message) && OVERFLOW_WORDS.some((words) => words.test(message));
}

const CONTEXT_COUNTS: readonly RegExp[] = [
  /(?:maximum|max) (?:context|model|prompt) length (?:is|of) ([\d,]+)/i,
  /context length (?:is )?(?:of )?only ([\d,]+)/i,
  /context length \(([\d,]+)/i,
  /context size(?: is)? \(?([\d,]+)/i,
  /n_ctx[^\d]{0,4}([\d,]+)/i,
  /> ([\d,]+) maximum/i,
  /(?:with|than) ([\d,]+) maximum context/i,
  /must be <= ([\d,]+)/i,
  /must have less than ([\d,]+)/i,
  /maximum number of (?:input )?tokens allowed \(([\d,]+)/i,
  /token limit: ([\d,]+)/i,
  /max_?seq_?len[^\d]{0,4}([\d,]+)/i,
  /max_?context\w*[^\d]{0,4}([\d,]+)/i,
  /should be \[\d+, ([\d,]+)\]/i,
];

const PROMPT_COUNTS: readonly RegExp[] = [
  // Where the reply that was asked for is told apart, it is no part of the prompt.
  /([\d,]+) (?:tokens )?(?:in the messages|of text input|from the input messages)/i,
  /(?:requested|resulted in|passed|requested about|requested a total of|request contains|prompt contains|prompt has)(?: at least)?:? ([\d,]+)/i,
  /request \(([\d,]+) tokens\)/i,
  /input \(([\d,]+) tokens\)/i,
  /n_keep[^\d]{0,4}([\d,]+)/i,
  /the first ([\d,]+) tokens/i,
  /too long: ([\d,]+)/i,
  /prompt \(length ([\d,]+)/i,
  /prompt length(?: is| of)? \(?([\d,]+)/i,
  /given: ([\d,]+)/i,
  /input token count \(([\d,]+)/i,
];

/** Counts of tokens inside the words. */
export function overflowCounts(message: string): { promptTokens?: number; contextTokens?: number } {
  const context = firstCount(message, CONTEXT_COUNTS);
  const prompt = firstCount(message, PROMPT_COUNTS);
  return { ...(prompt ? { promptTokens: prompt } : {}), ...(context ? { contextTokens: context } : {}) };
}

function firstCount(text: string, patterns: readonly RegExp[]): number | undefined {
  for (const pattern of patterns) {
    const count = Number(pattern.exec(text)?.[1]?.replaceAll(",", ""));
    if (Number.isSafeInteger(count) && count > 0) return count;
  }
  return undefined;
}
