/** How a request's wish to think reaches the chat template: the names that templates ask for, and those that do not ignore them. */

export type Effort = "low" | "medium" | "high";

/**
 * `enable_thinking` is Qwen's and GLM's, `thinking` DeepSeek's, Granite's and Kimi's, `reasoning_effort` that of gpt-oss.
 * Without a wish there are no variables, and the model does as it does.
 */
export function toThinkingVariables({
  thinks,
  effort,
}: {
  thinks?: boolean;
  effort?: Effort;
}): Readonly<Record<string, unknown>> {
  return {
    ...(thinks === undefined ? {} : { enable_thinking: thinks, thinking: thinks }),
    ...(effort === undefined ? {} : { reasoning_effort: effort }),
  };
}

/** Words of more steps than templates know: `minimal`, `xhigh`, `max`. */
export function toEffort(word: string): Effort {
  if (word === "medium") return word;
  return word === "high" || word === "xhigh" || word === "max" ? "high" : "low";
}
