import { describe, expect, it } from "vitest";
import { parseServerError } from "../../src/models/failure.ts";
import { isContextOverflow, overflowCounts } from "../../src/models/overflow.ts";

const BOTH = { promptTokens: 9000, contextTokens: 4096 };
const overflow = (status: number, body: unknown) => {
  const error = parseServerError(status, JSON.stringify(body));
  const { promptTokens, contextTokens } = error;
  const counts = { ...(promptTokens ? { promptTokens } : {}), ...(contextTokens ? { contextTokens } : {}) };
  return { overflow: isContextOverflow(error), ...counts };
};

describe("an overflow of the context", () => {
  it.each<[string, number, unknown, object]>([
    [
      "llama-server",
      400,
      {
        error: {
          code: 400,
          message:
            "request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it",
          type: "exceed_context_size_error",
          n_prompt_tokens: 9000,
          n_ctx: 4096,
        },
      },
      BOTH,
    ],
    [
      "llama-server in the middle of a reply",
      200,
      { error: { code: 500, message: "Context size has been exceeded.", type: "server_error" } },
      {},
    ],
    [
      "our own server",
      400,
      {
        error: {
          message:
            "This model's maximum context length is 4096 tokens. However, your messages resulted in 9000 tokens.",
          type: "invalid_request_error",
          code: "context_length_exceeded",
          n_prompt_tokens: 9000,
          n_ctx: 4096,
        },
      },
      BOTH,
    ],
    [
      "LM Studio by numbers",
      400,
      {
        error:
          "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 9000>= n_ctx: 4096). Try to load the model with a larger context length, or provide a shorter input.",
      },
      BOTH,
    ],
    [
      "LM Studio in words",
      400,
      {
        error:
          "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough.",
      },
      BOTH,
    ],
    [
      "LM Studio as a string",
      400,
      "The model has reached its maximum context length of 4096",
      { contextTokens: 4096 },
    ],
    [
      "Ollama",
      400,
      { error: { message: "the input length exceeds the context length", type: "api_error" } },
      {},
    ],
    ["Ollama by a runner", 500, { error: "prompt too long; exceeded max context length by 100 tokens" }, {}],
    [
      "vLLM",
      400,
      {
        object: "error",
        message:
          "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens (8500 in the messages, 500 in the completion). Please reduce the length of the messages or completion.",
        type: "BadRequestError",
        code: 400,
      },
      { ...BOTH, promptTokens: 8500 },
    ],
    [
      "vLLM of late",
      400,
      {
        error: {
          message:
            "You passed 9000 input tokens and requested 100 output tokens. However, the model's context length is only 4096 tokens, resulting in a maximum input length of 3996 tokens.",
        },
      },
      BOTH,
    ],
    [
      "vLLM by the length of its model",
      400,
      {
        message:
          "The decoder prompt (length 9000) is longer than the maximum model length of 4096. Make sure",
      },
      BOTH,
    ],
    [
      "OpenAI",
      400,
      {
        error: {
          message:
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
          code: "context_length_exceeded",
        },
      },
      {},
    ],
    [
      "OpenRouter",
      400,
      {
        error: {
          message:
            "This endpoint's maximum context length is 4096 tokens. However, you requested about 9000 tokens (8000 of text input, 1000 in the output).",
          code: 400,
        },
      },
      { ...BOTH, promptTokens: 8000 },
    ],
    [
      "Anthropic",
      400,
      {
        type: "error",
        error: { type: "invalid_request_error", message: "prompt is too long: 9000 tokens > 4096 maximum" },
      },
      BOTH,
    ],
    [
      "Mistral",
      400,
      {
        object: "error",
        message: "Prompt contains 9000 tokens, too large for model with 4096 maximum context length",
        code: "3051",
      },
      BOTH,
    ],
    [
      "text-generation-inference",
      422,
      {
        error:
          "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 9000 `inputs` tokens and 512 `max_new_tokens`",
        error_type: "validation",
      },
      BOTH,
    ],
    [
      "text-generation-inference without room",
      422,
      { error: "Input validation error: `inputs` must have less than 4096 tokens. Given: 9000" },
      BOTH,
    ],
    [
      "SGLang",
      400,
      { message: "The input (9000 tokens) is longer than the model's context length (4096 tokens)." },
      BOTH,
    ],
    [
      "SGLang with the reply",
      400,
      {
        message:
          "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of 9000 tokens: 8500 tokens from the input messages and 500 tokens for the completion.",
      },
      { ...BOTH, promptTokens: 8500 },
    ],
    [
      "KoboldCpp and others that name the setting",
      500,
      { detail: { msg: "Prompt of 9000 tokens is larger than max_context_length 4096", type: "bad_input" } },
      { contextTokens: 4096 },
    ],
    ["TabbyAPI", 400, { detail: "Prompt length 9000 is greater than max_seq_len 4096" }, BOTH],
    [
      "Gemini",
      400,
      {
        error: {
          message: "The input token count (9000) exceeds the maximum number of tokens allowed (4096).",
          status: "INVALID_ARGUMENT",
        },
      },
      BOTH,
    ],
    [
      "xAI",
      400,
      { error: "This model's maximum prompt length is 4096 but the request contains 9000 tokens." },
      BOTH,
    ],
    [
      "Kimi",
      400,
      { error: { message: "Your request exceeded model token limit: 4096 (requested: 9000)" } },
      BOTH,
    ],
    [
      "ds4, with commas",
      400,
      { error: { message: "Prompt has 9,000 tokens, but the configured context size is 4,096 tokens" } },
      BOTH,
    ],
    [
      "DashScope",
      400,
      { error: { message: "Range of input length should be [1, 4096]" } },
      { contextTokens: 4096 },
    ],
    ["z.ai", 400, { error: { code: "model_context_window_exceeded", message: "failed" } }, {}],
    ["Groq", 400, { error: { message: "Please reduce the length of the messages or completion." } }, {}],
    ["Bedrock", 400, { message: "Input is too long for requested model." }, {}],
  ])("is known from the words of %s", (_name, status, body, counts) => {
    expect(overflow(status, body)).toEqual({ overflow: true, ...counts });
  });

  it.each<[string, number, unknown]>([
    [
      "a limit on tokens in a time",
      429,
      { error: { message: "Rate limit reached: too many tokens per minute" } },
    ],
    [
      "a request larger than such a limit",
      413,
      {
        error: {
          message: "Request too large for model on tokens per minute (TPM): Limit 6000, Requested 9000",
        },
      },
    ],
    ["a body that is too large", 413, "too large"],
    ["an unknown model", 404, { error: { message: "model 'context-7b' not found" } }],
    ["a limit of the reply alone", 400, { error: { message: "max_tokens must be at least 1" } }],
    ["a template", 500, { error: { message: "Conversation roles must alternate user/assistant" } }],
  ])("is not seen in %s", (_name, status, body) => {
    expect(overflow(status, body)).toMatchObject({ overflow: false });
  });

  it("gives no count that cannot be one", () => {
    expect(overflowCounts(`maximum context length is ${"9".repeat(400)} tokens, requested 0 tokens`)).toEqual(
      {},
    );
  });

  it.each([
    ["a ".repeat(2_000)],
    ["exceeds ".repeat(500)],
    ["prompt (length ".repeat(250)],
    ["9,".repeat(2_000)],
  ])("is looked for in little time in a long answer: %#", (words) => {
    const startedAt = performance.now();
    isContextOverflow({ message: words, kind: words });
    overflowCounts(words);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});
