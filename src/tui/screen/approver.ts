import type { ApprovalDecision, ApprovalRequest, Approver } from "../../core/index.ts";

/** Shows a question and calls `answer` once, or never when the returned function takes it down first. */
export type ShowQuestion = (
  request: ApprovalRequest,
  answer: (decision: ApprovalDecision) => void,
) => () => void;

/** Asks one question at a time. `show` returns `undefined` when there is no screen to ask on. */
export function createScreenApprover(show: () => ShowQuestion | undefined): Approver {
  let last: Promise<unknown> = Promise.resolve();
  return {
    ask(request, { signal }) {
      const answer = last.then(() => ask(request, { show: show(), signal }));
      last = answer.catch(() => undefined);
      return answer;
    },
  };
}

async function ask(
  request: ApprovalRequest,
  { show, signal }: { show: ShowQuestion | undefined; signal: AbortSignal },
): Promise<ApprovalDecision> {
  signal.throwIfAborted();
  if (show === undefined) return { decision: "deny", unattended: true };
  return new Promise<ApprovalDecision>((resolve, reject) => {
    const takeDown = show(request, (decision) => {
      signal.removeEventListener("abort", onAbort);
      takeDown();
      resolve(decision);
    });
    const onAbort = () => {
      takeDown();
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
