/** `profiles:` of `config.yaml`: what the user knows better about models than a probe or we do. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { AgentError } from "../core/errors.ts";
import type { ModelInfo, ModelProfile, ProbeFindings } from "../core/model.ts";
import { matchesWildcards } from "../core/wildcard.ts";
import { COUNT, FINDING_RULES, FLAG, type FieldRule } from "../models/probe-findings.ts";
import { isObject } from "../core/json-object.ts";

/** What holds for every model whose name the pattern fits. */
export interface ProfileOverride {
  /** A model's name in any case, with `*` for any letters. */
  pattern: string;
  profile: Partial<ModelProfile>;
  findings: Partial<ProbeFindings>;
  /** Counts only where the server does not tell its window. */
  contextTokens?: number;
}

type ProfileField = Exclude<keyof ModelProfile, "probe">;

const LIST: FieldRule = {
  fits: (value) => Array.isArray(value) && value.every((one) => typeof one === "string" && one !== ""),
  wanted: "a list of names",
};

const PROFILE_RULES: Readonly<Record<ProfileField, FieldRule>> = {
  name: { fits: (value) => typeof value === "string" && value !== "", wanted: "a name" },
  notice: LIST,
  temperature: {
    fits: (value) => typeof value === "number" && value >= 0 && value <= 2,
    wanted: "a number from 0 to 2",
  },
  maxTokens: COUNT,
  recentRequests: COUNT,
  recentBytes: COUNT,
  resultBytes: COUNT,
  resultFields: LIST,
  namedPathsOnly: FLAG,
  tools: LIST,
  thinkingTokens: {
    fits: (value) => value === 0 || COUNT.fits(value),
    wanted: "a whole number, 0 for no thinking",
  },
  usableTokens: COUNT,
};

const { probedAt: _unset, usableTokens: _ofProfile, ...SETTABLE_FINDINGS } = FINDING_RULES;
const RULES: Readonly<Record<string, FieldRule>> = {
  ...SETTABLE_FINDINGS,
  ...PROFILE_RULES,
  contextTokens: COUNT,
};
/** `usable_tokens`, `usableTokens` and `USABLE_TOKENS` are one field. */
const NAMES = new Map(Object.keys(RULES).map((name) => [toKey(name), name]));

function toKey(name: string): string {
  return name.replaceAll(/[_-]/g, "").toLowerCase();
}

/** `usableTokens` → `usable_tokens`, as the other settings are written. */
function toSettingName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Throws `AgentError` `config_invalid` for a field that does not exist or a value that it cannot have. */
export async function readOverrides(home: string): Promise<readonly ProfileOverride[]> {
  const file = join(home, "config.yaml");
  if (!existsSync(file)) return [];
  const text = readFileSync(file, "utf8");
  if (!/profiles/i.test(text)) return [];
  // By its default export: a bundled CommonJS module has no other.
  const { parse } = (await import("yaml")).default;
  return parseOverrides(parse(text));
}

function parseOverrides(config: unknown): readonly ProfileOverride[] {
  const entry = Object.entries(toFields(config) ?? {}).find(([name]) => name.toLowerCase() === "profiles");
  if (entry === undefined || entry[1] === null) return [];
  const patterns = toFields(entry[1]);
  if (patterns === undefined)
    throw invalid("profiles", entry[1], "models with their fields, such as `qwen3*: {temperature: 0.6}`");
  return Object.entries(patterns).map(([pattern, fields]) => parseOverride(pattern, fields));
}

function parseOverride(pattern: string, value: unknown): ProfileOverride {
  const label = `profiles: ${pattern}`;
  const fields = toFields(value);
  if (fields === undefined)
    throw invalid(label, value, "fields with their values, such as `temperature: 0.6`");
  const known = Object.entries(fields).map(([written, one]): [string, unknown] => {
    const name = NAMES.get(toKey(written));
    const rule = name === undefined ? undefined : RULES[name];
    if (name === undefined || rule === undefined) throw unknownField(label, written);
    if (!rule.fits(one)) throw invalid(`${label}: ${written}`, one, rule.wanted);
    return [name, one];
  });
  const pick = (is: (name: string) => boolean): object =>
    Object.fromEntries(known.filter(([name]) => is(name)));
  return {
    pattern,
    profile: pick((name) => Object.hasOwn(PROFILE_RULES, name)),
    findings: pick((name) => Object.hasOwn(SETTABLE_FINDINGS, name)),
    ...pick((name) => name === "contextTokens"),
  };
}

function toFields(value: unknown): Record<string, unknown> | undefined {
  return isObject(value) ? value : undefined;
}

const SHOWN_CHARS = 100;

function invalid(field: string, value: unknown, wanted: string): AgentError {
  const shown = toShown(value).slice(0, SHOWN_CHARS);
  return new AgentError("config_invalid", `\`${field}\` is \`${shown}\`, but must be ${wanted}.`, {
    data: { field, value: shown },
  });
}

function toShown(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return JSON.stringify(value);
  } catch {
    // An alias of YAML may hold itself.
    return Array.isArray(value) ? "a list" : "a map";
  }
}

function unknownField(label: string, written: string): AgentError {
  const known = Object.keys(RULES).map(toSettingName).sort().join(", ");
  return new AgentError(
    "config_invalid",
    `\`${label}\` has a field \`${written.slice(0, SHOWN_CHARS)}\`, which does not exist. There are ${known}.`,
    { data: { field: `${label}: ${written}` } },
  );
}

/** Those for this model; where several fit, what a later one says counts. */
export function findOverride(
  overrides: readonly ProfileOverride[],
  { id }: Pick<ModelInfo, "id">,
): Omit<ProfileOverride, "pattern"> {
  const name = id.toLowerCase();
  const fitting = overrides.filter(({ pattern }) =>
    matchesWildcards(pattern.toLowerCase(), name, { many: "*", fits: (one, other) => one === other }),
  );
  const contextTokens = fitting.findLast((one) => one.contextTokens !== undefined)?.contextTokens;
  return {
    profile: Object.assign({}, ...fitting.map(({ profile }) => profile)) as Partial<ModelProfile>,
    findings: Object.assign({}, ...fitting.map(({ findings }) => findings)) as Partial<ProbeFindings>,
    ...(contextTokens === undefined ? {} : { contextTokens }),
  };
}
