/** Downloads that go on beside everything else, each with a job that can be asked about. */

export type DownloadStatus =
  | "downloading"
  | "paused"
  | "completed"
  | "failed"
  | "already_downloaded"
  | "cancelled";

export interface DownloadJob {
  readonly id: string;
  /** As it was asked for. */
  readonly model: string;
  readonly status: DownloadStatus;
  readonly totalBytes?: number;
  readonly downloadedBytes: number;
  readonly bytesPerSecond?: number;
  readonly startedAt: Date;
  readonly completedAt?: Date;
  readonly estimatedCompletion?: Date;
  /** Of a failed one: what was wrong and what to do. */
  readonly error?: string;
  /** Of a completed one: absolute path of the model's file. */
  readonly path?: string;
}

export interface Downloads extends AsyncDisposable {
  /** The same model twice is the same job. Throws `AgentError` `download_failed` for a reference that can be none, or is not the hub's. */
  start(request: { model: string; quantization?: string }): Promise<DownloadJob>;
  get(id: string): DownloadJob | undefined;
  list(): readonly DownloadJob[];
  /** Stops it and keeps what is there for a later start. False: no such job, or it has ended. */
  cancel(id: string): Promise<boolean>;
}
