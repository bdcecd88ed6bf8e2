/** One container with one model: made, started, waited for, removed. */
import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import type { Container, ContainerCreateOptions } from "dockerode";
import { errorMessage } from "../../core/errors.ts";
import { createDemultiplexer } from "../../docker/demultiplexer.ts";
import { statusOf, WORK_MS } from "../../docker/engine.ts";
import type { DockerEngine } from "../../docker/engine.ts";
import { mayBeAlive, parseOwnerLabel, readOwner } from "../../docker/owner.ts";
import { unrefStream } from "../../docker/stream.ts";
import { removeContainer } from "../../docker/sweep.ts";
import { engineFailed } from "../engine-failure.ts";
import { toFields, toText } from "../llama-server/fields.ts";
import { createLogTail } from "../llama-server/log-tail.ts";
import type { LogTail } from "../llama-server/log-tail.ts";
import { waitUntilReady } from "../llama-server/ready.ts";
import type { RunningServer } from "../llama-server/source.ts";
import { connectModelDocker } from "./docker-facts.ts";
import { findServerProcess } from "./server-process.ts";
import { MODEL_OWNER_LABEL, toCreateOptions } from "./specification.ts";
import type { ContainerPlan } from "./specification.ts";

/** Containers of one name, for so many of our processes at a time. */
const MAX_NAMES = 16;

/** A container whose model can be used. */
export interface ModelContainer extends RunningServer {
  readonly id: string;
  /** `<prefix>-<model>-server`, with a number behind it when that was taken. */
  readonly name: string;
  readonly port: number;
  readonly apiKey: string;
}

export interface OpenContainerOptions {
  plan: Omit<ContainerPlan, "apiKey">;
  prefix: string;
  readyMs: number;
  signal: AbortSignal;
  /** Told as soon as there is something to remove. */
  onCreated: (id: string) => void;
  log: (line: string) => void;
}

/** Throws `engine_failed` `load_failed` with the end of the log; nothing is left of the container then. */
export async function openContainer(
  engine: DockerEngine,
  options: OpenContainerOptions,
): Promise<ModelContainer> {
  const startedAt = performance.now();
  const plan = { ...options.plan, apiKey: randomBytes(24).toString("hex") };
  const made = toCreateOptions(plan);
  const { handle, name } = await createContainer(engine, made, { ...options, plan });
  options.onCreated(handle.id);
  // Nothing in it needs saving, and when it is busy it takes long to end by itself.
  const stop = async (): Promise<void> => removeContainer(engine, handle.id);
  try {
    const { ended, tail } = await attach(engine, handle);
    await engine.ask({ to: "start a container", deadlineMs: WORK_MS }, () => handle.start());
    const baseUrl = `http://127.0.0.1:${plan.port}`;
    const { apiKey, port } = plan;
    const { readyMs: deadlineMs, signal } = options;
    await waitUntilReady({ baseUrl, apiKey, deadlineMs, ended, tail: tail.read, signal });
    const loadMs = Math.round(performance.now() - startedAt);
    const pid = await findServerProcess(engine, handle.id, made.Cmd ?? []);
    const known = pid === undefined ? {} : { pid };
    return { id: handle.id, name, port, apiKey, baseUrl, loadMs, ended, stop, ...known };
  } catch (thrown) {
    await removeContainer(engine, handle.id).catch(() => undefined);
    options.signal.throwIfAborted();
    throw isOurs(thrown) ? toLoadError(thrown, plan, name) : thrown;
  }
}

function isOurs(thrown: unknown): thrown is Error {
  return thrown instanceof Error && thrown.name === "AgentError";
}

function toLoadError(thrown: Error, { model, image }: ContainerPlan, name: string): Error {
  return engineFailed(
    "load_failed",
    `The model \`${model.path}\` could not be loaded in the container \`${name}\` of \`${image.name}\`: ${thrown.message}`,
    { path: model.path, backend: "docker", status: statusOf(thrown) },
  );
}

async function createContainer(
  engine: DockerEngine,
  options: ContainerCreateOptions,
  { plan, prefix, log }: OpenContainerOptions,
): Promise<{ handle: Container; name: string }> {
  const usual = `${prefix}-${plan.model.name}-server`;
  for (let number = 1; number <= MAX_NAMES; number += 1) {
    const name = number === 1 ? usual : `${usual}-${number}`;
    const handle =
      (await tryCreate(engine, options, name)) ??
      ((await removeForsaken(engine, name)) ? await tryCreate(engine, options, name) : undefined);
    if (handle === undefined) continue;
    if (number > 1)
      log(`the name \`${usual}\` is taken by another container; this one is called \`${name}\``);
    return { handle, name };
  }
  throw engine.fail(`has ${MAX_NAMES} containers called \`${usual}\` already; remove some`);
}

/** `undefined` when the name is taken. */
async function tryCreate(
  engine: DockerEngine,
  options: ContainerCreateOptions,
  name: string,
): Promise<Container | undefined> {
  try {
    return await engine.ask({ to: "create a container", deadlineMs: WORK_MS }, () =>
      engine.docker.createContainer({ ...options, name }),
    );
  } catch (thrown) {
    if (statusOf(thrown) === 409) return undefined;
    throw thrown;
  }
}

/** One of ours whose owner has ended is in the way of nobody. Returns whether the name may be free now. */
async function removeForsaken(engine: DockerEngine, name: string): Promise<boolean> {
  try {
    const found: unknown = await engine.ask({ to: "describe a container" }, () =>
      engine.docker.getContainer(name).inspect(),
    );
    const labels = toFields(toFields(toFields(found)["Config"])["Labels"]);
    const owner = parseOwnerLabel(labels[MODEL_OWNER_LABEL]);
    const id = toText(toFields(found)["Id"]);
    if (id === undefined || owner === undefined || mayBeAlive(owner, readOwner())) return false;
    await removeContainer(engine, id);
    return true;
  } catch (thrown) {
    if (statusOf(thrown) === 404) return true;
    throw thrown;
  }
}

/** Before it is started, since a container that has ended is gone with its log. Does not keep this process alive. */
async function attach(
  engine: DockerEngine,
  handle: Container,
): Promise<{ ended: Promise<string>; tail: LogTail }> {
  const tail = createLogTail();
  // Over a connection of its own: an answer that does not come in time closes the shared one, and this model runs on without Docker.
  const own = await connectModelDocker(engine.socketPath);
  const stream = (await own.ask({ to: "attach to a container" }, () =>
    own.docker.getContainer(handle.id).attach({ stream: true, stdout: true, stderr: true }),
  )) as unknown as Readable;
  unrefStream(stream);
  const decoder = new TextDecoder();
  const push = createDemultiplexer(
    (bytes) => tail.push(decoder.decode(bytes, { stream: true })),
    () => engine.fail("sent output in a form that is not its own"),
  );
  const ended = new Promise<string>((resolve) => {
    stream.on("data", (chunk: Buffer) => {
      try {
        push(chunk);
      } catch (thrown) {
        stream.destroy(thrown as Error);
      }
    });
    stream.on("error", (thrown) => resolve(`is out of reach (${errorMessage(thrown)})`));
    stream.once("end", () => resolve("container has ended"));
    stream.once("close", () => resolve("container has ended"));
  });
  return { ended, tail };
}
