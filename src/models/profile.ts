import type { ModelProfile } from "../core/model.ts";

export interface ProfileRule {
  /** Tested against the model's id. */
  pattern: RegExp;
  profile: ModelProfile;
}

const DEFAULT_PROFILE: ModelProfile = { name: "default" };

/** It follows only what it was trained on: short conversations, these tools, no randomness. */
const PRACTICE_PROFILE: ModelProfile = {
  name: "practice",
  notice: [
    "This is the practice model (2 MB): it creates, reads, edits, lists and searches files and runs commands that you name, in simple English; longer texts and other wordings confuse it.",
    "For real work use a real model: start LM Studio or Ollama, pass `--base-url URL`, or `--model FILE.gguf`.",
  ],
  temperature: 0,
  maxTokens: 200,
  recentRequests: 1,
  resultBytes: 700,
  namedPathsOnly: true,
  resultFields: ["ok", "output", "error"],
  tools: [
    "write",
    "read",
    "edit",
    "ls",
    "glob",
    "grep",
    "mkdir",
    "shell",
    "git_status",
    "git_commit",
    "todo_add",
    "get_time",
  ],
};

const PRACTICE_NAME = /^lmagent-practice/;

export const PROFILES: readonly ProfileRule[] = [{ pattern: PRACTICE_NAME, profile: PRACTICE_PROFILE }];

/** What can be known about the model that ships with the package is known. */
export function isPracticeModel(modelId: string): boolean {
  return PRACTICE_NAME.test(modelId);
}

/** The first profile whose pattern fits. */
export function findProfile(modelId: string, profiles: readonly ProfileRule[] = PROFILES): ModelProfile {
  return profiles.find(({ pattern }) => pattern.test(modelId))?.profile ?? DEFAULT_PROFILE;
}
