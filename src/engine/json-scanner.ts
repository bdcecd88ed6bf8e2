/** Follows JSON text that arrives in pieces, just closely enough to know where the first object or array ends. */
export interface JsonScanner {
  /** Returns how many characters of `text` belong to the value, or `undefined` while it is still open. */
  push(text: string): number | undefined;
}

export function createJsonScanner(): JsonScanner {
  let depth = 0;
  let inString = false;
  let escaped = false;
  let opened = false;

  const step = (character: string): boolean => {
    if (inString) {
      if (escaped) escaped = false;
      else if (character === "\\") escaped = true;
      else if (character === '"') inString = false;
      return false;
    }
    if (character === '"') inString = true;
    else if (character === "{" || character === "[") {
      depth += 1;
      opened = true;
    } else if (character === "}" || character === "]") depth -= 1;
    return opened && depth <= 0;
  };

  return {
    push: (text) => {
      for (let at = 0; at < text.length; at += 1) {
        if (step(text[at] as string)) return at + 1;
      }
      return undefined;
    },
  };
}
