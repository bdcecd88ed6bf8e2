import { denyUnattended, type Approver } from "../core/approval.ts";

export function useColour(stream: { isTTY?: boolean }): boolean {
  return Boolean(stream.isTTY) && process.env["NO_COLOR"] === undefined;
}

/** Asks on the terminal when there is one; a script has nobody to ask. */
export function createAttendedApprover(): Approver {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY) return denyUnattended;
  // One for the process, since it puts questions in a row.
  let opening: Promise<Approver> | undefined;
  const open = async (): Promise<Approver> => {
    const { createTerminalApprover } = await import("../tui/plain/ask.ts");
    return createTerminalApprover({ input: stdin, output: stderr, colour: useColour(stderr) });
  };
  return { ask: async (request, options) => (await (opening ??= open())).ask(request, options) };
}
