/** Where the whole output of a call is kept when it is longer than what the model sees. */
export interface OutputLog {
  /** Opens a new file for one call; nothing exists on disk before the first `append`. */
  open(callId: string): OutputFile;
}

export interface OutputFile {
  /** Workspace-relative path that the model can pass to `read`. */
  readonly path: string;
  /** Never throws for a full disk or quota: the log just ends there and `complete` turns false. */
  append(chunk: Uint8Array): Promise<void>;
  readonly complete: boolean;
  close(): Promise<void>;
}
