/** Between which tags a model thinks, as its chat template shows. */
import { THINK_CLOSE, THINK_OPEN } from "../../engine/schema/call-format.ts";

export interface ThinkingTags {
  open: string;
  close: string;
  /** Frames around the answer, which carry nothing. */
  frames: readonly string[];
}

/** What most models write, also those whose template does not show it. */
const PLAIN: ThinkingTags = { open: THINK_OPEN, close: THINK_CLOSE, frames: [] };

/** The sign in the template, and the tags that it stands for. */
const FAMILIES: readonly (readonly [sign: string, tags: ThinkingTags])[] = [
  [
    "<|channel|>analysis",
    {
      open: "<|channel|>analysis<|message|>",
      close: "<|end|>",
      frames: [
        "<|start|>assistant",
        "<|channel|>final<|message|>",
        "<|channel|>commentary<|message|>",
        "<|end|>",
      ],
    },
  ],
  [THINK_OPEN, PLAIN],
  ["[THINK]", { open: "[THINK]", close: "[/THINK]", frames: [] }],
  ["<seed:think>", { open: "<seed:think>", close: "</seed:think>", frames: [] }],
  ["<|START_THINKING|>", { open: "<|START_THINKING|>", close: "<|END_THINKING|>", frames: [] }],
  ["◁think▷", { open: "◁think▷", close: "◁/think▷", frames: [] }],
];

export function detectThinking(template: string): ThinkingTags {
  return FAMILIES.find(([sign]) => template.includes(sign))?.[1] ?? PLAIN;
}

/** The template opens, closes or switches thinking. */
export function knowsThinking(template: string): boolean {
  return (
    FAMILIES.some(([sign]) => template.includes(sign)) ||
    /<\/?think>|enable_thinking|reasoning_effort|reasoning_content/.test(template)
  );
}
