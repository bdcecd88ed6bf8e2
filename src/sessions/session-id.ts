/** Session ids: UTC second and six random characters, such as `20260220-143512-a1b2c3`, so that names sort by age. */
import { AgentError } from "../core/errors.ts";

const SESSION_ID = /^\d{8}-\d{6}-[0-9a-z]{6}$/;
const LIST_HINT = "`lmagent --list-sessions` shows those there are.";

/** `newId` must give at least six random letters or digits; its last six are used. */
export function createSessionId(now: () => number, newId: () => string): string {
  const [date, time] = new Date(now()).toISOString().replaceAll(/[-:]/g, "").split("T");
  const random = newId()
    .toLowerCase()
    .replaceAll(/[^0-9a-z]/g, "")
    .slice(-6)
    .padStart(6, "0");
  return `${date}-${time?.slice(0, 6)}-${random}`;
}

export function isSessionId(text: string): boolean {
  return SESSION_ID.test(text);
}

/** The instant in the id, ISO 8601; the epoch when its digits are no date. */
export function toCreatedAt(id: string): string {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)/.exec(id) ?? [];
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return new Date(Number.isNaN(time) ? 0 : time).toISOString();
}

/** The one id that `wanted` names: exactly, or as its unique beginning or end. Throws `session_not_found`. */
export function findSessionId(wanted: string, ids: readonly string[]): string {
  if (!/^[0-9a-z-]{1,64}$/.test(wanted)) {
    throw new AgentError(
      "session_not_found",
      `\`${toPrintable(wanted)}\` is not a session id. ${LIST_HINT}`,
      {
        data: { id: wanted },
      },
    );
  }
  if (ids.includes(wanted)) return wanted;
  const matches = ids.filter((id) => id.startsWith(wanted) || id.endsWith(wanted));
  const [match] = matches;
  if (match !== undefined && matches.length === 1) return match;
  const problem =
    match === undefined
      ? `There is no session \`${wanted}\` in this workspace.`
      : `\`${wanted}\` fits ${matches.length} sessions, such as \`${match}\`; give more of the id.`;
  throw new AgentError("session_not_found", `${problem} ${LIST_HINT}`, { data: { id: wanted, matches } });
}

function toPrintable(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ").slice(0, 80);
}
