/** Where other programs say that they keep models, and what a hub needs. */
const NAMES = [
  "OLLAMA_MODELS",
  "HF_HOME",
  "HF_HUB_CACHE",
  "HF_ENDPOINT",
  "HF_TOKEN",
  "XDG_CACHE_HOME",
] as const;

/** These of the environment that are set. */
export function pickModelEnv(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    NAMES.flatMap((name) => {
      const value = env[name];
      return value === undefined || value === "" ? [] : [[name, value]];
    }),
  );
}
