import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Place } from "./_agent.ts";

export const TOOL = `export const description = "say hello";
export const parameters = { type: "object", properties: { name: { type: "string" } }, required: ["name"] };
export default ({ name }) => "hello " + name;
`;

/** Puts a tool into a workspace and returns its path. */
export function writeTool({ workspace }: Pick<Place, "workspace">, file: string, text: string): string {
  const folder = join(workspace, ".lmagent/tools");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, file), text);
  return join(folder, file);
}
