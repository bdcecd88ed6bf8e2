/** One question at a time on the screen, whoever asks. */
import type {
  ApprovalDecision,
  ApprovalRequest,
  Approver,
  Plan,
  PlanDecision,
  PlanReviewer,
} from "../../core/index.ts";
import type { ChoiceRequest, Choose } from "../choice.ts";

/** Shows a question and calls `answer` once, or never when the returned function takes it down first. */
export type ShowQuestion<Subject, Answer> = (
  subject: Subject,
  answer: (decision: Answer) => void,
) => () => void;

/** What a screen that is shown can ask. */
export interface Asking {
  showCall: ShowQuestion<ApprovalRequest, ApprovalDecision>;
  showPlan: ShowQuestion<Plan, PlanDecision>;
  showChoice: <Value>(
    request: ChoiceRequest<Value>,
    answer: (value: Value | undefined) => void,
  ) => () => void;
}

interface AskOptions<Answer> {
  /** Shows it and returns how it is taken down again. */
  show: (asking: Asking, answer: (decision: Answer) => void) => () => void;
  /** The answer where there is no screen to ask on. */
  unattended: Answer;
  signal: AbortSignal;
}

export interface Questions {
  readonly approver: Approver;
  readonly planReviewer: PlanReviewer;
  /** For commands. */
  readonly choose: Choose;
}

const NEVER = new AbortController().signal;

/** `asking` returns `undefined` while no screen is shown. */
export function createQuestions(asking: () => Asking | undefined): Questions {
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <Answer>(options: AskOptions<Answer>): Promise<Answer> => {
    const answer = last.then(() => ask(asking(), options));
    last = answer.catch(() => undefined);
    return answer;
  };
  return {
    approver: {
      ask: (request, { signal }) =>
        inTurn<ApprovalDecision>({
          show: (screen, answer) => screen.showCall(request, answer),
          unattended: { decision: "deny", unattended: true },
          signal,
        }),
    },
    planReviewer: {
      review: (plan, { signal }) =>
        inTurn<PlanDecision>({
          show: (screen, answer) => screen.showPlan(plan, answer),
          unattended: { decision: "unattended" },
          signal,
        }),
    },
    choose: <Value>(request: ChoiceRequest<Value>, { signal = NEVER }: { signal?: AbortSignal }) =>
      inTurn<Value | undefined>({
        show: (screen, answer) => screen.showChoice(request, answer),
        unattended: undefined,
        signal,
      }),
  };
}

async function ask<Answer>(
  asking: Asking | undefined,
  { show, unattended, signal }: AskOptions<Answer>,
): Promise<Answer> {
  signal.throwIfAborted();
  if (asking === undefined) return unattended;
  return new Promise<Answer>((resolve, reject) => {
    const takeDown = show(asking, (decision) => {
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
