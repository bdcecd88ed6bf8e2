/**
 * Checks of parsed JSON that make nothing: a log of many thousand records is checked in a few milliseconds, and what is used afterwards is
 * the very value that was read.
 */
import { isObject } from "../core/json-object.ts";

/** `undefined` when the value fits, else the path of the first field that does not: `message.content`, or empty for the value itself. */
export type Shape = (value: unknown) => string | undefined;

export const isText: Shape = (value) => (typeof value === "string" ? undefined : "");

export const isWord: Shape = (value) => (typeof value === "string" && value !== "" ? undefined : "");

export const isNumber: Shape = (value) => (Number.isFinite(value) ? undefined : "");

/** ISO 8601, UTC, as `Date.toISOString` gives it. */
export const isInstant: Shape = (value) =>
  typeof value === "string" &&
  /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?Z$/.test(value) &&
  !Number.isNaN(Date.parse(value))
    ? undefined
    : "";

export function oneOf(...values: readonly string[]): Shape {
  const known = new Set<unknown>(values);
  return (value) => (known.has(value) ? undefined : "");
}

export function optional(shape: Shape): Shape {
  return (value) => (value === undefined ? undefined : shape(value));
}

export function nullable(shape: Shape): Shape {
  return (value) => (value === null ? undefined : shape(value));
}

export function anyOf(...shapes: readonly Shape[]): Shape {
  return (value) => (shapes.some((shape) => shape(value) === undefined) ? undefined : "");
}

export function listOf(shape: Shape, length?: number): Shape {
  return (value) => {
    if (!Array.isArray(value) || (length !== undefined && value.length !== length)) return "";
    for (let index = 0; index < value.length; index += 1) {
      const path = shape(value[index]);
      if (path !== undefined) return join(String(index), path);
    }
    return undefined;
  };
}

/** An object with at least these fields. */
export function hasFields(shapes: Readonly<Record<string, Shape>>): Shape {
  const fields = Object.entries(shapes);
  return (value) => {
    if (!isObject(value)) return "";
    for (const [name, shape] of fields) {
      const path = shape(value[name]);
      if (path !== undefined) return join(name, path);
    }
    return undefined;
  };
}

/** An object whose field `name` says which of the shapes it has. */
export function variantOf(name: string, shapes: Readonly<Record<string, Shape>>): Shape {
  return (value) => {
    if (!isObject(value)) return "";
    const variant = value[name];
    if (typeof variant !== "string" || !Object.hasOwn(shapes, variant)) return name;
    return shapes[variant]?.(value);
  };
}

/** An object used as a table, whose values all have one shape. */
export function tableOf(shape: Shape): Shape {
  return (value) => {
    if (!isObject(value)) return "";
    for (const [name, each] of Object.entries(value)) if (shape(each) !== undefined) return name;
    return undefined;
  };
}

function join(name: string, path: string): string {
  return path === "" ? name : `${name}.${path}`;
}
