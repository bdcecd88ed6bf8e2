/** The door of the engine: local models in their own process. */
export { acquireEngine, createRunFile } from "./acquire.ts";
export type { AcquiredEngine, AcquireOptions, ServerReport, ServerSettings } from "./acquire.ts";
export {
  CALL_CLOSE,
  CALL_OPEN,
  detectCallFormat,
  THINK_CLOSE,
  THINK_OPEN,
  toCallGrammar,
} from "./call-format.ts";
export type { CallFormat } from "./call-format.ts";
export { createChatTemplate } from "./chat-template.ts";
export type { ChatTemplate } from "./chat-template.ts";
export { createEngine } from "./engine.ts";
export type { Engine } from "./engine.ts";
export { createJsonScanner } from "./json-scanner.ts";
export { findModel, planLoad, PRACTICE_MODEL_ID, toModelId } from "./model-file.ts";
export type {
  GenerateEvent,
  GenerateRequest,
  ModelFacts,
  LoadOptions,
  Sampling,
  StopReason,
  Timings,
} from "./protocol.ts";
export { removeRunFile, runFilePath, writeRunFile } from "./run-file.ts";
export { partialLength } from "./stop-scanner.ts";
