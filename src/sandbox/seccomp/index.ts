/** The door of the filter for system calls. */
export { toSeccompProgram } from "./bpf.ts";
export { toDockerSeccompProfile } from "./docker-profile.ts";
export type { SeccompArch } from "./syscalls.ts";
