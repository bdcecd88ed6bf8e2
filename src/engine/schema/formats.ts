/**
 * The formats of JSON Schema (https://json-schema.org/draft/2020-12/json-schema-validation#section-7.3) as patterns of their canonical
 * spelling: what they allow is always of that format, rare spellings of it are left out.
 */
import type { Automaton } from "./automaton.ts";
import { parsePattern } from "./regex.ts";
import { toAutomaton } from "./regex-automaton.ts";

const HOUR = "(?:[01][0-9]|2[0-3])";
const SIXTY = "[0-5][0-9]";
const OFFSET = `(?:Z|[+-]${HOUR}:${SIXTY})`;
const TIME = `${HOUR}:${SIXTY}:${SIXTY}(?:\\.[0-9]{1,9})?${OFFSET}`;
const LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26]|00)00)";
const DATE =
  "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))" +
  `|${LEAP_YEAR}-02-29)`;
/** Six labels of up to 40 characters stay below the 253 that a name may have, with few states. */
const LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,38}[a-zA-Z0-9])?";
const HOSTNAME = `${LABEL}(?:\\.${LABEL}){0,5}`;
const MAIL_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const IPV4 = `${BYTE}(?:\\.${BYTE}){3}`;
const ATOM = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+";
const ESCAPED = "%[0-9a-fA-F]{2}";
const PATH_CHARACTER = `(?:[a-zA-Z0-9._~!$&'()*+,;=:@-]|${ESCAPED})`;
const AFTER_PATH = `(?:\\?(?:${PATH_CHARACTER}|[/?])*)?(?:#(?:${PATH_CHARACTER}|[/?])*)?`;
const PORT = "(?::[0-9]{1,5})?";
const AUTHORITY = `(?:[a-zA-Z0-9._~!$&'()*+,;=-]|${ESCAPED})+`;
const URI =
  `(?:[a-zA-Z][a-zA-Z0-9+.-]*:(?://${AUTHORITY}${PORT}(?:/${PATH_CHARACTER}*)*` +
  `|${PATH_CHARACTER}+(?:/${PATH_CHARACTER}*)*)${AFTER_PATH})`;
const HEX_DIGITS = "[0-9a-fA-F]";
const DURATION_TIME = "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)";
const DURATION_DATE = "(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)";

const PATTERNS: Readonly<Record<string, string>> = {
  date: DATE,
  time: TIME,
  "date-time": `${DATE}T${TIME}`,
  duration: `P(?:${DURATION_DATE}(?:${DURATION_TIME})?|${DURATION_TIME}|[0-9]+W)`,
  uuid: `${HEX_DIGITS}{8}-(?:${HEX_DIGITS}{4}-){3}${HEX_DIGITS}{12}`,
  email: `${ATOM}(?:\\.${ATOM})*@(?:${MAIL_LABEL}\\.)+${MAIL_LABEL}`,
  hostname: HOSTNAME,
  ipv4: IPV4,
  ipv6: ipv6(),
  uri: URI,
  "uri-reference": `(?:${URI}|(?:/${PATH_CHARACTER}*)+${AFTER_PATH}|[a-zA-Z0-9._~-]+(?:/${PATH_CHARACTER}*)*${AFTER_PATH})`,
  "json-pointer": "(?:/(?:[^/~]|~[01])*)*",
  "relative-json-pointer": "(?:0|[1-9][0-9]{0,8})(?:#|(?:/(?:[^/~]|~[01])*)*)",
  byte: "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
};

const SAME: Readonly<Record<string, string>> = {
  "idn-email": "email",
  "idn-hostname": "hostname",
  iri: "uri",
  url: "uri",
  "iri-reference": "uri-reference",
  guid: "uuid",
  ip: "ipv4",
  "ip-address": "ipv4",
};

/** Names that tell about strings, or about numbers where `type` does not, and rule nothing out. */
const ANNOTATIONS = new Set([
  "password",
  "binary",
  "float",
  "double",
  "decimal",
  "int32",
  "int64",
  "uint32",
  "uint64",
]);

/** Formats of integers, as OpenAPI has them. */
export const INTEGER_FORMATS: Readonly<Record<string, readonly [minimum: string, maximum: string]>> = {
  int8: ["-128", "127"],
  uint8: ["0", "255"],
  int16: ["-32768", "32767"],
  uint16: ["0", "65535"],
  int32: ["-2147483648", "2147483647"],
  uint32: ["0", "4294967295"],
  int64: ["-9223372036854775808", "9223372036854775807"],
  uint64: ["0", "18446744073709551615"],
};

export function isAnnotation(format: string): boolean {
  return ANNOTATIONS.has(format) || Object.hasOwn(INTEGER_FORMATS, format);
}

const automata = new Map<string, Automaton | undefined>();

/** `undefined`: no format of strings that is known. */
export function formatAutomaton(format: string): Automaton | undefined {
  const name = Object.hasOwn(SAME, format) ? (SAME[format] as string) : format;
  if (!Object.hasOwn(PATTERNS, name)) return undefined;
  if (!automata.has(name)) {
    const parsed = parsePattern(`^(?:${PATTERNS[name]})$`);
    automata.set(name, parsed.ok ? toAutomaton(parsed.pattern) : undefined);
  }
  return automata.get(name);
}

function ipv6(): string {
  const group = `${HEX_DIGITS}{1,4}`;
  const last = `(?:${group}:${group}|${IPV4})`;
  const forms = [`(?:${group}:){6}${last}`];
  for (let before = 0; before <= 7; before += 1) {
    const head = before === 0 ? "" : `${group}(?::${group}){${before - 1}}`;
    const most = 7 - before;
    // `::` stands for at least one group.
    const tail = most === 0 ? "" : `(?:${group}(?::${group}){0,${most - 1}})?`;
    const mixed = most >= 2 ? `|${head}::(?:${group}:){0,${most - 2}}${IPV4}` : "";
    forms.push(`${head}::${tail}${mixed}`);
  }
  return `(?:${forms.join("|")})`;
}
