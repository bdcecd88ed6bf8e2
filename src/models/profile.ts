import type { ModelProfile } from "../core/model.ts";

export interface ProfileRule {
  /** Tested against the model's id. */
  pattern: RegExp;
  profile: ModelProfile;
}

const DEFAULT_PROFILE: ModelProfile = { name: "default" };

/** It follows only what it was trained on: conversations of up to 3,200 tokens, these tools, no randomness. */
const PRACTICE_PROFILE: ModelProfile = {
  name: "practice",
  notice: [
    "This is the practice model (4 MB): it creates, reads, edits, copies, moves, lists and searches files, runs commands that you name, uses git and keeps todos, in simple English; it does not think.",
    "For real work use a real model: start LM Studio or Ollama, pass `--base-url URL`, or `--model FILE.gguf`.",
  ],
  temperature: 0,
  maxTokens: 1200,
  recentRequests: 8,
  recentBytes: 7000,
  resultBytes: 2000,
  namedPathsOnly: true,
  resultFields: ["ok", "output", "error"],
  tools: [
    "read",
    "write",
    "edit",
    "glob",
    "grep",
    "ls",
    "mkdir",
    "shell",
    "git_status",
    "git_diff",
    "git_add",
    "git_commit",
    "todo_add",
    "todo_complete",
    "todo_list",
    "plan_propose",
    "plan_complete_step",
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
