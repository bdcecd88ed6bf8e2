/** Calls of a reply that did not come to its own end never run, however whole they look: half a file is worse than none. */
import type { ModelReply } from "./model.ts";
import type { Tool } from "./tool.ts";

/** The same reply; where it was cut, with calls that only say so. */
export function refuseCutCalls<Reply extends ModelReply>(reply: Reply, tools: readonly Tool[]): Reply {
  const isWhole = reply.finish === "stop" || reply.finish === "tool_calls";
  if (isWhole || reply.calls.length === 0) return reply;
  const calls = reply.calls.map((call) => ({
    ...call,
    arguments: undefined,
    problem: describeCut(
      tools.find(({ name }) => name === call.name),
      tools,
    ),
  }));
  return { ...reply, calls };
}

function describeCut(tool: Tool | undefined, tools: readonly Tool[]): string {
  const cut = "The reply was cut off at the length limit, so this call did not run";
  if (tool?.access !== "write") return `${cut}. Make it again, shorter.`;
  const has = (name: string): boolean => tools.some((other) => other.name === name);
  const ways = [
    ...(has("edit") ? ["`edit` (replace the last line by it and what follows)"] : []),
    ...(has("shell") ? ["`shell` (`cat >> file`)"] : []),
  ];
  const rest = ways.length === 0 ? "in further calls" : `with ${ways.join(" or ")}`;
  return `${cut} and nothing was changed. Do it in parts: first a call with the first third only, then add the rest ${rest}.`;
}
