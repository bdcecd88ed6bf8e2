/** The door of what tests of agents need; exported with the package. */
export {
  brokenReply,
  callReply,
  errorReply,
  hangingReply,
  htmlReply,
  jsonReply,
  streamReply,
  textReply,
  toChunk,
} from "./scripted-replies.ts";
export type { CallStyle, ReplyOptions, ReplyPart, ScriptedCall, ScriptedReply } from "./scripted-replies.ts";
export { startScriptedServer } from "./scripted-server.ts";
export type { RecordedRequest, Script, ScriptedServer, ScriptedServerOptions } from "./scripted-server.ts";
export { isSummaryRequest, startWindowedServer } from "./windowed-server.ts";
export type {
  CountedRequest,
  WindowedAnswer,
  WindowedScript,
  WindowedServer,
  WindowedServerOptions,
  WindowedTurn,
} from "./windowed-server.ts";
export { createPromptCache, renderMessage, renderPrompt } from "./prompt-cache.ts";
export type {
  ChatBody,
  PromptCache,
  PromptCacheOptions,
  PromptReading,
  WireMessage,
} from "./prompt-cache.ts";
export { WINDOWED_KINDS } from "./server-kinds.ts";
export type { WindowedKind } from "./server-kinds.ts";
export { describeSandbox } from "./sandbox.ts";
export type { SandboxSubject, TestRunner } from "./sandbox.ts";
export { describeSessionStore } from "./session-store.ts";
export { createScriptedModel, scriptedCall } from "./scripted-model.ts";
export type { ScriptedModel, ScriptedModelOptions } from "./scripted-model.ts";
export { toTensorBytes, writeGguf } from "./gguf-writer.ts";
export type { GgufContent, GgufTensor, GgufTensorType, GgufValue } from "./gguf-writer.ts";
export { writeTinyModel } from "./tiny-model.ts";
export type { TinyModelOptions } from "./tiny-model.ts";
export { describeEngine } from "./engine-cases.ts";
