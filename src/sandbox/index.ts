/** The door of the sandboxes: where commands run, chosen once and never silently weaker. */
export {
  createBubblewrapSandbox,
  probeBubblewrap,
  type BubblewrapOptions,
  type ProbeResult,
} from "./bubblewrap.ts";
export { chooseSandbox, type ChooseOptions, type ChosenSandbox } from "./choose.ts";
export { createLazySandbox } from "./lazy.ts";
export { createProcessSandbox, type ProcessSandboxOptions } from "./process.ts";
export { findTrustedBinary } from "./trusted-binary.ts";
