const ENDING_SIGNALS = ["SIGTERM", "SIGHUP"] as const;

/**
 * However the process ends, its terminal is given back: at exit (which an uncaught error leads to as well) and on the
 * signals that end it. A terminal that goes away (closed window) is like a user who leaves. Returns what lets go again.
 */
export function holdProcessTerminal({
  restore,
  leave,
}: {
  restore: () => void;
  leave: () => void;
}): () => void {
  const end = (signal: NodeJS.Signals) => {
    restore();
    release();
    process.kill(process.pid, signal);
  };
  const release = () => {
    process.off("exit", restore);
    for (const signal of ENDING_SIGNALS) process.off(signal, end);
    process.stdin.off("end", leave).off("error", leave);
    process.stdout.off("error", leave);
  };
  process.on("exit", restore);
  for (const signal of ENDING_SIGNALS) process.on(signal, end);
  process.stdin.on("end", leave).on("error", leave);
  process.stdout.on("error", leave);
  return release;
}

/** Where nobody can continue a stopped process, stopping it does nothing: then it goes on after this time. */
const NOT_STOPPED_MS = 200;

/** Stops this process and its group like Ctrl-Z in a shell; calls `resume` when it is continued. */
export function suspendProcess(resume: () => void): void {
  const onContinue = () => {
    clearTimeout(timer);
    process.off("SIGCONT", onContinue);
    resume();
  };
  process.on("SIGCONT", onContinue);
  const timer = setTimeout(onContinue, NOT_STOPPED_MS);
  process.kill(0, "SIGTSTP");
}
