/** The body of `POST /v1/completions` (https://platform.openai.com/docs/api-reference/completions), with llama.cpp's fields beside it. */
import * as z from "zod/mini";
import type { Prompt, Sampling } from "../../engine/protocol.ts";
import { parseBody } from "../http/body.ts";
import type { ReplyFormat } from "../chat/chat-request.ts";
import { toSlot, toTtlMs } from "../chat/common-fields.ts";
import { refuse } from "./refuse.ts";
import { formatFields, toFormat } from "./response-format.ts";
import { generationFields, toSampling, toStop } from "./sampling.ts";

const optional = z.nullish;

const tokens = z.array(z.int().check(z.minimum(0))).check(z.minLength(1));
const PROMPT_LIMIT = 128;

export const promptSchema = z.union([
  z.string(),
  z.array(z.string()).check(z.minLength(1), z.maxLength(PROMPT_LIMIT)),
  tokens,
  z.array(tokens).check(z.minLength(1), z.maxLength(PROMPT_LIMIT)),
]);

const completionBody = z.object({
  ...generationFields,
  ...formatFields,
  // With `echo`, 0 is a sound wish.
  max_tokens: optional(z.int().check(z.minimum(-1))),
  model: optional(z.string()),
  prompt: promptSchema,
  suffix: optional(z.string()),
  echo: optional(z.boolean()),
  logprobs: optional(z.int().check(z.minimum(0), z.maximum(20))),
  best_of: optional(z.int()),
});

type ParsedBody = z.output<typeof completionBody>;

export interface CompletionBody {
  model: string | undefined;
  prompts: readonly Prompt[];
  /** Text that comes after what is written. */
  suffix?: string;
  echo: boolean;
  /** Answers to each prompt. */
  n: number;
  stream: boolean;
  includeUsage: boolean;
  includeProgress: boolean;
  ttlMs?: number;
  /** 0: nothing is written. */
  maxTokens?: number;
  sampling: Partial<Sampling>;
  stop: readonly string[];
  format: ReplyFormat;
  logprobs?: number;
  slot?: number;
}

/** Throws `ApiFailure`; its message names the field. */
export function parseCompletionBody(text: string): CompletionBody {
  const body = parseBody(text, completionBody);
  const n = body.n ?? 1;
  checkFields(body, n);
  const { max_tokens: maxTokens, logprobs, suffix } = body;
  return {
    model: body.model || undefined,
    prompts: toPrompts(body.prompt),
    echo: body.echo ?? false,
    n,
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    includeProgress: body.return_progress ?? false,
    sampling: toSampling({ ...body, max_tokens: undefined }),
    stop: toStop(body.stop),
    format: toFormat(body),
    ...toTtlMs(body),
    ...toSlot(body),
    ...(typeof suffix === "string" && suffix !== "" ? { suffix } : {}),
    ...(typeof maxTokens === "number" && maxTokens >= 0 ? { maxTokens } : {}),
    ...(typeof logprobs === "number" ? { logprobs } : {}),
  };
}

function checkFields(body: ParsedBody, n: number): void {
  if (typeof body.best_of === "number" && body.best_of !== 1)
    throw refuse("`best_of` is not served: ask for `n` answers and choose among them.", "best_of");
  if (body.echo === true && typeof body.logprobs === "number")
    throw refuse("`echo` goes without `logprobs`: those of the prompt are not computed.", "echo");
  if (body.max_tokens === 0 && body.echo !== true)
    throw refuse("`max_tokens` is `0`: must not be 0", "max_tokens");
  if (toPrompts(body.prompt).length * n > PROMPT_LIMIT)
    throw refuse(`\`n\` is \`${n}\`: prompts times \`n\` must not be more than ${PROMPT_LIMIT}.`, "n");
}

export function toPrompts(prompt: z.output<typeof promptSchema>): readonly Prompt[] {
  if (typeof prompt === "string" || typeof prompt[0] === "number") return [prompt as Prompt];
  return prompt as readonly Prompt[];
}
