/** Puts the matrix of the modes and the rules together. The strictest rule that fits wins; without one the matrix decides. */
import type { RememberedCalls } from "../core/approval.ts";
import { AgentError } from "../core/errors.ts";
import {
  classifyCall,
  decidePermission,
  type CallClass,
  type PermissionCall,
  type PermissionDecision,
  type PermissionPolicy,
} from "../core/permission.ts";
import { toRule, type ApprovalStore } from "./approvals.ts";
import { toOfferedPrefix } from "./offer.ts";
import { describeRule, type Rule } from "./rule.ts";
import { findAllowing, firesOn, toAllowedPrefixes, toTarget, type RuleTarget } from "./rule-match.ts";

export interface PolicyOptions {
  /** Of all layers, in any order. */
  rules: readonly Rule[];
  /** Absolute path of the workspace with links resolved. */
  workspace: string;
  /** Absent: answers can be kept for the conversation only. */
  approvals?: ApprovalStore;
  /** False where no person follows what happens, such as sub-agents and scheduled jobs: remembered answers neither count nor are offered. */
  remembered?: boolean;
  /** Told in words for the user, once each, when remembered answers cannot be read; they do not count then. */
  onProblem?: (message: string) => void;
}

/** A policy that has all it needs and answers at once. */
export interface RulePolicy extends PermissionPolicy {
  decide(call: PermissionCall): PermissionDecision;
}

/** Lives as long as its conversation: what is remembered for a session is kept in it. */
export function createPolicy(options: PolicyOptions): RulePolicy {
  const session: Rule[] = [];
  const told = new Set<string>();
  const onProblem = (message: string): void => {
    if (!told.has(message)) options.onProblem?.(message);
    told.add(message);
  };
  return {
    decide: (call) => decide(call, { ...options, onProblem }, session),
    async remember(calls, scope) {
      if (options.remembered === false) throw new AgentError("usage", "Nothing is remembered here.");
      if (scope === "session") session.push(toRule({ ...calls, id: "session" }));
      else if (options.approvals === undefined)
        throw new AgentError("usage", "There is nowhere to keep an answer for this workspace.");
      else await options.approvals.add(options.workspace, calls);
    },
  };
}

function decide(call: PermissionCall, options: PolicyOptions, session: readonly Rule[]): PermissionDecision {
  const target = toTarget(call, options.workspace);
  const base = decidePermission(call);
  const denying = findFiring(options.rules, "deny", target);
  if (denying !== undefined) return { decision: "refuse", ...toWhy(denying), rule: describeRule(denying) };
  if (base.decision === "refuse" && !isLiftable(call)) return base;
  const asking = findFiring(options.rules, "ask", target);
  if (asking !== undefined && base.decision !== "refuse")
    return { decision: "ask", ...toWhy(asking, base), rule: describeRule(asking) };
  if (base.decision === "run") return base;
  if (!isLiftable(call)) return base;
  const namedOnly = NAMED_ONLY.has(classifyCall(call).class);
  const all = [...options.rules, ...(namedOnly ? [] : readRemembered(options, session))];
  const allowing = asking === undefined ? findAllowing(all, target, { namedOnly }) : undefined;
  if (allowing !== undefined) return { decision: "run", rule: describeRule(allowing) };
  return base.decision === "ask" ? withOffer(base, { call, target, options, rules: all }) : base;
}

function findFiring(rules: readonly Rule[], decision: "ask" | "deny", target: RuleTarget): Rule | undefined {
  return rules.find((rule) => rule.decision === decision && firesOn(rule, target));
}

function toWhy(rule: Rule, base?: PermissionDecision): { why: string } {
  const own = rule.reason ?? `${describeRule(rule)} does not let it run`;
  const asked = rule.reason ?? `${describeRule(rule)} wants it`;
  if (base === undefined) return { why: own };
  return { why: base.decision === "run" ? asked : `${asked}; ${base.why}` };
}

/** Only a rule with the path itself, without `*`, says that this very file is meant. */
const NAMED_ONLY: ReadonlySet<CallClass> = new Set(["protectedFile", "notableFile"]);
/** Without walls, and in manual mode, every call is a question. */
const LIFTABLE: ReadonlySet<CallClass> = new Set<CallClass>([
  "protectedFile",
  "notableFile",
  "manyFiles",
  "command",
  "riskyCommand",
  "network",
]);

function isLiftable(call: PermissionCall): boolean {
  if (call.mode !== "normal" && call.mode !== "auto") return false;
  const { class: kind } = classifyCall(call);
  // A tool of which nothing says where it runs, and which is no command, is allowed by its name.
  const isNamedTool = kind === "openCommand" && call.tool !== "shell" && call.preview.place === undefined;
  return isNamedTool || LIFTABLE.has(kind);
}

function readRemembered(
  { approvals, workspace, remembered = true, onProblem }: PolicyOptions,
  session: readonly Rule[],
): readonly Rule[] {
  if (!remembered) return [];
  try {
    return [...session, ...(approvals?.list(workspace) ?? []).map(toRule)];
  } catch (error) {
    if (!AgentError.is(error)) throw error;
    onProblem?.(error.message);
    return session;
  }
}

interface Offering {
  call: PermissionCall;
  target: RuleTarget;
  options: PolicyOptions;
  /** Those that may allow something. */
  rules: readonly Rule[];
}

function withOffer(
  base: Extract<PermissionDecision, { decision: "ask" }>,
  { call, target, options, rules }: Offering,
): PermissionDecision {
  const { class: kind } = classifyCall(call);
  if (options.remembered === false || NAMED_ONLY.has(kind) || kind === "riskyCommand") return base;
  const offer: RememberedCalls | undefined =
    target.line === undefined ? toOfferedTool(call) : toOfferedPrefix(target.line, toAllowedPrefixes(rules));
  return offer === undefined ? base : { ...base, offer };
}

function toOfferedTool({ tool, preview: { version } }: PermissionCall): RememberedCalls {
  return { tool, ...(version === undefined ? {} : { version }) };
}
