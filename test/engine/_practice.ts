/** What the file of the practice model says of itself, so that tests hold for any version of it. */
import { readModelShape } from "../../src/engine/gguf/shape.ts";
import { PRACTICE_MODEL } from "./_bundle.ts";

const { fileBytes, weightBytes, parameters, maxContextTokens = 0 } = await readModelShape(PRACTICE_MODEL);

export const PRACTICE = { fileBytes, weightBytes, parameters, contextTokens: maxContextTokens } as const;

/** No fit for its window: each word is a token at least. */
export const TOO_LONG = "word ".repeat(PRACTICE.contextTokens + 1);
