import { denyUnattended, type Approver } from "../core/approval.ts";
import { reviewUnattended, type PlanReviewer } from "../core/plan.ts";

export function useColour(stream: { isTTY?: boolean }): boolean {
  return Boolean(stream.isTTY) && process.env["NO_COLOR"] === undefined;
}

/** Shows plans on the terminal when there is one. */
export function createAttendedReviewer(): PlanReviewer {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY) return reviewUnattended;
  return {
    async review(plan, options) {
      const { createTerminalPlanReviewer } = await import("../tui/plain/review-plan.ts");
      const reviewer = createTerminalPlanReviewer({
        input: stdin,
        output: stderr,
        colour: useColour(stderr),
      });
      return reviewer.review(plan, options);
    },
  };
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
