/** `POST /v1/embeddings` (https://platform.openai.com/docs/api-reference/embeddings). */
import * as z from "zod/mini";
import { ttlField, toTtlMs } from "../chat/common-fields.ts";
import { parseBody } from "../http/body.ts";
import { ApiFailure, fromThrown, renameField } from "../http/errors.ts";
import { addPost, refuseOtherMethods } from "../http/routes.ts";
import type { App } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import type { Services } from "../services.ts";
import { withModel } from "../use-model.ts";
import { toPrompts } from "./completion-body.ts";
import { refuse } from "./refuse.ts";

const PATH = "/v1/embeddings";
/** As OpenAI has it. */
const INPUT_LIMIT = 2048;

const optional = z.nullish;
const text = z.string().check(z.minLength(1));
const tokens = z.array(z.int().check(z.minimum(0))).check(z.minLength(1));

const embeddingsBody = z.object({
  model: optional(z.string()),
  input: z.union([
    text,
    z.array(text).check(z.minLength(1), z.maxLength(INPUT_LIMIT)),
    tokens,
    z.array(tokens).check(z.minLength(1), z.maxLength(INPUT_LIMIT)),
  ]),
  encoding_format: optional(z.enum(["float", "base64"])),
  dimensions: optional(z.int().check(z.minimum(1))),
  ttl: ttlField,
});

/** `path`: another dialect's, with the same body and answer. */
export function addEmbeddings(app: App, services: Services, path = PATH): void {
  addPost(app, path, async ({ body: sent, outgoing, signal }) => {
    const body = parseBody(sent, embeddingsBody);
    const use = { purpose: "embedding" as const, signal, ...toTtlMs(body) };
    await withModel(services, body.model || undefined, use, async (model) => {
      const { vectors, promptTokens } = await model.engine
        .embed({ inputs: toPrompts(body.input) }, { signal })
        .catch((thrown: unknown) => {
          throw new ApiFailure(renameField(fromThrown(thrown), "input"));
        });
      const shorten = createShortener(body.dimensions);
      const data = vectors.map((vector, index) => ({
        object: "embedding",
        index,
        embedding: encode(shorten(vector), body.encoding_format ?? "float"),
      }));
      const usage = { prompt_tokens: promptTokens, total_tokens: promptTokens };
      sendJson(outgoing, 200, { object: "list", data, model: model.id, usage });
    });
  });
  refuseOtherMethods(app, [path], "POST");
}

/** The first numbers of a vector, made as long as 1 again: what models are trained for whose vectors may be cut. */
function createShortener(
  wanted: number | null | undefined,
): (vector: readonly number[]) => readonly number[] {
  return (vector) => {
    if (wanted === undefined || wanted === null || wanted === vector.length) return vector;
    if (wanted > vector.length) {
      const message = `\`dimensions\` is \`${wanted}\`, and this model's vectors have ${vector.length}.`;
      throw refuse(message, "dimensions");
    }
    const kept = vector.slice(0, wanted);
    const length = Math.hypot(...kept);
    return length === 0 ? kept : kept.map((value) => value / length);
  };
}

/** Base64 is of 32-bit numbers, little-endian; OpenAI's client for Node asks for it unless told otherwise. */
function encode(vector: readonly number[], format: "float" | "base64"): readonly number[] | string {
  if (format === "float") return vector;
  const bytes = Buffer.alloc(vector.length * 4);
  vector.forEach((value, index) => bytes.writeFloatLE(value, index * 4));
  return bytes.toString("base64");
}
