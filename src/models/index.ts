/** The door of the model client: portable, over a transport that is passed in. */
export { parseBaseUrl } from "./base-url.ts";
export type { ServerUrl } from "./base-url.ts";
export { createChatModel } from "./chat-model.ts";
export type { ChatModelOptions } from "./chat-model.ts";
export { createFetchTransport } from "./fetch-transport.ts";
export { keepSlot } from "./keep-slot.ts";
export { discoverLocalServers } from "./local-servers.ts";
export type { DiscoverOptions, LocalServer } from "./local-servers.ts";
export {
  COUNT,
  FINDING_RULES,
  FLAG,
  isEmptyFindings,
  parseFindings,
  withFindings,
} from "./probe-findings.ts";
export type { FieldRule } from "./probe-findings.ts";
export { probeModel } from "./probe.ts";
export type { ProbeLimits, ProbeOptions, ProbeResult, ProbeStep, ProbeStepName } from "./probe.ts";
export { recordingTransport } from "./recording-transport.ts";
export type { RecordingOptions, RecordingSink } from "./recording-transport.ts";
export { formatRecordingEntry, parseRecording } from "./recording.ts";
export type { RecordingEntry } from "./recording.ts";
export { createReplayTransport } from "./replay-transport.ts";
export type { ReplayOptions, ReplayTransport } from "./replay-transport.ts";
export { findProfile, isPracticeModel, PROFILES } from "./profile.ts";
export type { ProfileRule } from "./profile.ts";
export { ConnectionFailure } from "./transport.ts";
export type { ConnectionFailureKind, Transport, TransportRequest, TransportResponse } from "./transport.ts";
