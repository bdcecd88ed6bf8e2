import type { CallDelta } from "./completion.ts";

/** A native call as it came, all pieces together. */
export interface AssembledCall {
  id: string | undefined;
  name: string;
  /** The text of the arguments, or an object when the server sent one. */
  arguments: unknown;
}

interface PartialCall {
  id: string | undefined;
  index: number | undefined;
  names: string[];
  pieces: string[];
  bytes: number;
  object?: unknown;
}

export interface CallAssembler {
  /** Returns the call that grew, for display. */
  push(delta: CallDelta): { name: string; bytes: number };
  end(): AssembledCall[];
}

/**
 * Puts streamed pieces of calls together. Servers differ in what identifies a call: an id on every piece or only on the
 * first, an index, the same index for all, or nothing but the order. So: by id, else by index, else by name and position.
 */
export function createCallAssembler(declared: readonly string[]): CallAssembler {
  const partials: PartialCall[] = [];
  return {
    push(delta) {
      const found = findPartial(partials, delta, declared);
      const partial = found ?? { id: undefined, index: delta.index, names: [], pieces: [], bytes: 0 };
      if (!found) partials.push(partial);
      partial.id ??= delta.id;
      if (delta.name !== undefined) partial.names.push(delta.name);
      if (typeof delta.arguments === "string") {
        partial.pieces.push(delta.arguments);
        partial.bytes += delta.arguments.length;
      } else if (delta.arguments !== undefined) partial.object = delta.arguments;
      return { name: joinNames(partial.names, declared), bytes: partial.bytes };
    },
    end: () => dropRepeats(partials, declared),
  };
}

function toCall(partial: PartialCall, declared: readonly string[]): AssembledCall {
  return { id: partial.id, name: joinNames(partial.names, declared), arguments: joinArguments(partial) };
}

/** Some servers send a finished call once more; with an id or a place of its own it is meant as another call. */
function dropRepeats(partials: readonly PartialCall[], declared: readonly string[]): AssembledCall[] {
  const calls = partials.map((partial) => ({ index: partial.index, call: toCall(partial, declared) }));
  const kept = calls.filter(({ index, call }, at) => {
    if (call.name === "" && call.arguments === "") return false;
    if (call.id !== undefined) return true;
    const text = JSON.stringify([call.name, call.arguments]);
    return !calls.slice(0, at).some((other) => {
      const elsewhere = index !== undefined && other.index !== undefined && index !== other.index;
      return !elsewhere && JSON.stringify([other.call.name, other.call.arguments]) === text;
    });
  });
  return kept.map(({ call }) => call);
}

function findPartial(
  partials: readonly PartialCall[],
  delta: CallDelta,
  declared: readonly string[],
): PartialCall | undefined {
  const sameId = delta.id === undefined ? undefined : partials.findLast((one) => one.id === delta.id);
  if (sameId) return isOtherCall(sameId, delta, declared) ? undefined : sameId;
  const candidate =
    delta.index === undefined ? partials.at(-1) : partials.findLast((one) => one.index === delta.index);
  if (!candidate) return undefined;
  return continues(candidate, delta, declared) ? candidate : undefined;
}

/** Whether a piece without a known id belongs to the newest call at its place, or begins another one. */
function continues(partial: PartialCall, delta: CallDelta, declared: readonly string[]): boolean {
  const otherId = delta.id !== undefined && partial.id !== undefined;
  // A new id for each piece is seen in the wild; a piece that has no name cannot begin a call.
  if (delta.name === undefined) return true;
  if (isOtherCall(partial, delta, declared)) return false;
  const begun = partial.pieces.some((piece) => piece !== "") || partial.object !== undefined;
  if (!begun) return !otherId;
  return (
    delta.name === joinNames(partial.names, declared) &&
    !isWhole(partial) &&
    !startsObject(delta.arguments, partial)
  );
}

/** Another index or another declared name, although the id is the same. */
function isOtherCall(partial: PartialCall, { index, name }: CallDelta, declared: readonly string[]): boolean {
  if (name === undefined) return false;
  if (index !== undefined && partial.index !== undefined && index !== partial.index) return true;
  const known = joinNames(partial.names, declared);
  return known !== name && declared.includes(known) && declared.includes(name);
}

function isWhole(partial: PartialCall): boolean {
  return partial.object !== undefined || isJson(partial.pieces.join(""));
}

/** Arguments that begin anew while the old ones are unfinished: the old call was broken, this is another. */
function startsObject(args: unknown, partial: PartialCall): boolean {
  if (typeof args !== "string") return args !== undefined;
  const before = partial.pieces.join("");
  return args.trimStart().startsWith("{") && isJson(args) && !args.startsWith(before);
}

function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}

/** A name comes whole, in pieces, once more with every piece, or ever longer. */
function joinNames(names: readonly string[], declared: readonly string[]): string {
  const [first = ""] = names;
  const last = names.at(-1) ?? "";
  const joined = names.join("");
  const exact = [joined, last, first].find((name) => declared.includes(name));
  if (exact !== undefined) return exact;
  return names.every((name) => name === first) ? first : joined;
}

/** Pieces are parts, or each holds all that came before, or the whole is sent once more at the end. */
function joinArguments({ pieces, object }: PartialCall): unknown {
  if (object !== undefined) return object;
  const joined = pieces.join("");
  if (joined === "" || isJson(joined)) return joined;
  const last = pieces.at(-1) ?? "";
  const before = pieces.slice(0, -1).join("");
  const repeated = pieces.length > 1 && last === before && isJson(last);
  const growing = pieces.length > 1 && isJson(last) && pieces.every((piece) => last.startsWith(piece));
  return repeated || growing ? last : joined;
}
