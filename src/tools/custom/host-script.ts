/**
 * The program that runs one custom tool inside the sandbox, for `node --input-type=module -e`. It takes lines of JSON: first
 * `{nonce, file, source, maxBytes}`, then calls `{id, args}`. It answers with lines that begin with the nonce, so that whatever else the
 * tool writes to its output is told apart: `{type: "ready", …}`, `{type: "failed", error}`, `{id, output}`, `{id, error}`, and before it
 * ends because of an error that nobody caught `{id?, error, fatal: true}`. Both outputs of the tool go the same way, which keeps their order.
 *
 * The tool shares this process and could break all of it; the walls are those of the sandbox, and whoever reads the answers trusts
 * none of them. What is guarded here is against accidents: noise on the output, values that are no JSON, errors that nobody caught.
 */
export const HOST_SCRIPT = String.raw`
const { stdin, stdout, exit } = process;
const { parse, stringify } = JSON;
const { byteLength } = Buffer;
const write = stdout.write.bind(stdout);
Object.defineProperty(process, "stderr", { value: stdout, configurable: true });

let nonce = "", file = "tool", url = "", maxBytes = 0, current, run;

const send = (message) => write("\n" + nonce + stringify(message) + "\n");

const MISSING = new Set(["ERR_UNSUPPORTED_RESOLVE_REQUEST", "ERR_MODULE_NOT_FOUND", "ERR_INVALID_URL"]);

const describe = (thrown) => {
  try {
    if (!(thrown instanceof Error)) return "it threw " + String(stringify(thrown) ?? thrown).slice(0, 1000);
    const text = String(thrown.message).replaceAll(url, file).slice(0, 1000);
    const stack = String(thrown.stack).replaceAll(url, file);
    if (MISSING.has(thrown.code) && stack.includes(file)) {
      const what = /specifier "([^"]{1,200})"|find (?:module|package) '([^']{1,200})'/.exec(text);
      return "it imports ${"`"}" + (what?.[1] ?? what?.[2] ?? "?") + "${"`"}, but a custom tool is one file and can import only Node's own modules, such as ${"`"}node:fs${"`"}";
    }
    if (thrown instanceof SyntaxError && !stack.includes(file + ":"))
      return "SyntaxError: " + text + " (${"`"}node --check .lmagent/tools/" + file + "${"`"} shows where)";
    const at = stack.split(file + ":")[1]?.match(/^\d+:\d+/)?.[0];
    const name = thrown.name === "Error" ? "" : String(thrown.name).slice(0, 60) + ": ";
    return name + text + (at === undefined ? "" : " (" + file + ":" + at + ")");
  } catch {
    return "it threw something that cannot be shown";
  }
};

const toText = (value) => {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  const text = stringify(value);
  if (typeof text === "string") return text;
  throw new TypeError("the result is a " + typeof value + ", which is not JSON");
};

const fits = (message) => {
  const size = byteLength(stringify(message));
  if (size > maxBytes) throw new RangeError("the result has " + size + " bytes, at most " + maxBytes + " fit");
  return message;
};

const load = async (start) => {
  ({ nonce, file, maxBytes } = start);
  url = "data:text/javascript;base64," + Buffer.from(start.source).toString("base64");
  try {
    const tool = await import(url);
    run = typeof tool.default === "function" ? tool.default : tool.execute;
    if (typeof run !== "function") throw new TypeError("it exports no function; write ${"`"}export default async function (args) { … }${"`"}");
    const { description, parameters, timeoutSeconds } = tool;
    send(fits({ type: "ready", description, parameters, timeoutSeconds }));
  } catch (thrown) {
    send({ type: "failed", error: describe(thrown) });
  }
};

const log = (text) => write(String(text).slice(0, 10000) + "\n");

const call = async ({ id, args }) => {
  current = id;
  try {
    send(fits({ id, output: toText(await run(args, { workspace: process.cwd(), log })) }));
  } catch (thrown) {
    send({ id, error: describe(thrown) });
  } finally {
    if (current === id) current = undefined;
  }
};

const onStray = (thrown) => {
  const error = "nobody caught " + describe(thrown);
  if (run === undefined) send({ type: "failed", error });
  else send({ id: current, error, fatal: true });
  exit(1);
};
process.on("uncaughtException", onStray);
process.on("unhandledRejection", onStray);

let text = "", started = false;
stdin.setEncoding("utf8");
stdin.on("data", (piece) => {
  text += piece;
  for (let end; (end = text.indexOf("\n")) !== -1; ) {
    const message = parse(text.slice(0, end));
    text = text.slice(end + 1);
    if (started) call(message);
    else load(message);
    started = true;
  }
});
stdin.on("end", () => exit(0));
`;
