/** The door of the sandboxes: where commands run, chosen once and never silently weaker. */
export {
  createBubblewrapSandbox,
  probeBubblewrap,
  type BubblewrapOptions,
  type ProbeResult,
} from "./bubblewrap.ts";
export type { DockerChoice, Unusable } from "./candidates.ts";
export { chooseSandbox, type ChooseOptions, type ChosenSandbox, type PassedOver } from "./choose.ts";
export type { SandboxLimit } from "./describe-limits.ts";
export * from "./docker/index.ts";
export { createLazySandbox } from "./lazy.ts";
export { createProcessSandbox, type ProcessSandboxOptions } from "./process.ts";
export { createSeatbeltSandbox, type SeatbeltSandboxOptions } from "./seatbelt.ts";
export { testSandbox, type SandboxCheck, type SelfTestOptions } from "./self-test.ts";
export { findTrustedBinary } from "./trusted-binary.ts";
