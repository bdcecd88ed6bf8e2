/**
 * Control tokens are left out of the text that `llama-server` sends, unless a request names them. Those that open and close thinking
 * and calls must stay, and which they are shows in the model's chat template, which writes earlier ones.
 */
import type { ReplyGrammar } from "../protocol.ts";

const MEANINGFUL =
  /think|tool|channel|message|python|arg|constrain|reason|function|section|call|invoke|parameter/i;
const TAG = /<[|｜]?[/\p{L}\p{N}_:|｜▁.-]{1,40}>|\[\/?[A-Z][A-Z_]{1,30}\]/gu;
/** They end a reply, so no text follows that they could be part of. */
const ENDS = new Set(["<|call|>", "<|return|>", "<|message_end|>", "<|end_of_message|>"]);
/** A template that ends its thinking by another template's means may not show these. */
const USUAL = ["<think>", "</think>", "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<|python_tag|>"];
/** Where a reply is made of channels, these part them and end nothing (OpenAI's Harmony). */
const CHANNELS = { sign: "<|channel|>", tags: ["<|start|>", "<|end|>"] };
const MOST = 64;

export function toControlTags(
  { chatTemplate = "", eosToken }: { chatTemplate?: string; eosToken: string },
  { calls, thinking }: ReplyGrammar = {},
): string[] {
  const shown = [...chatTemplate.matchAll(TAG)].map(([tag]) => tag).filter((tag) => MEANINGFUL.test(tag));
  const wanted = [calls?.open, calls?.close, thinking?.open, thinking?.close].filter(
    (tag) => tag !== undefined && tag !== "",
  ) as string[];
  const channels = chatTemplate.includes(CHANNELS.sign) ? CHANNELS.tags : [];
  const all = new Set([...wanted, ...USUAL, ...channels, ...shown].map((tag) => tag.trim()));
  return [...all].filter((tag) => tag !== eosToken && !ENDS.has(tag)).slice(0, MOST);
}
