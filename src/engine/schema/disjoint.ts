/** Whether schemas plainly exclude each other, so that `oneOf` is no more than `anyOf`. */
import { isObject } from "../../core/json-object.ts";
import { isEqual, lookUp, TYPES, typeOf } from "./node.ts";
import type { SchemaObject } from "./node.ts";

const PAIR_LIMIT = 64;

export function areDisjoint(root: unknown, schemas: readonly (SchemaObject | boolean)[]): boolean {
  if (schemas.length > PAIR_LIMIT) return false;
  const followed = schemas.map((one) => follow(root, one));
  return followed.every((one, at) =>
    followed.slice(at + 1).every((other) => arePairDisjoint(root, one, other)),
  );
}

/** Follows a few references that stand alone or beside annotations. */
function follow(root: unknown, schema: unknown): unknown {
  let at = schema;
  for (let steps = 0; steps < 8 && isObject(at) && typeof at["$ref"] === "string"; steps += 1) {
    // References that lead nowhere are refused where they are used.
    if (!at["$ref"].startsWith("#")) return at;
    try {
      at = lookUp(root, at["$ref"], "#").value;
    } catch {
      return at;
    }
  }
  return at;
}

function arePairDisjoint(root: unknown, one: unknown, other: unknown): boolean {
  if (one === false || other === false) return true;
  if (!isObject(one) || !isObject(other)) return false;
  const [types, others] = [typesOf(one), typesOf(other)];
  const shared = types.filter((type) => others.includes(type));
  if (shared.length === 0) return true;
  const [values, otherValues] = [valuesOf(one), valuesOf(other)];
  if (values !== undefined && otherValues !== undefined)
    return !values.some((value) => otherValues.some((second) => isEqual(value, second)));
  return shared.length === 1 && shared[0] === "object" && haveDisjointProperty(root, one, other);
}

/** A property that both require, with values that differ: a discriminator. */
function haveDisjointProperty(root: unknown, one: SchemaObject, other: SchemaObject): boolean {
  const [required, others] = [one["required"], other["required"]];
  const [properties, second] = [one["properties"], other["properties"]];
  if (!Array.isArray(required) || !Array.isArray(others) || !isObject(properties) || !isObject(second))
    return false;
  return required.some((key: unknown) => {
    if (typeof key !== "string" || !others.includes(key)) return false;
    if (!Object.hasOwn(properties, key) || !Object.hasOwn(second, key)) return false;
    const [left, right] = [follow(root, properties[key]), follow(root, second[key])];
    if (!isObject(left) || !isObject(right)) return false;
    const [values, otherValues] = [valuesOf(left), valuesOf(right)];
    if (values !== undefined && otherValues !== undefined)
      return !values.some((value) => otherValues.some((two) => isEqual(value, two)));
    const [types, otherTypes] = [typesOf(left), typesOf(right)];
    return !types.some((type) => otherTypes.includes(type));
  });
}

function valuesOf(schema: SchemaObject): readonly unknown[] | undefined {
  if (Object.hasOwn(schema, "const")) return [schema["const"]];
  return Array.isArray(schema["enum"]) ? (schema["enum"] as unknown[]) : undefined;
}

function typesOf(schema: SchemaObject): readonly string[] {
  const values = valuesOf(schema);
  if (values !== undefined) return values.map((value) => typeOf(value));
  const type = schema["type"];
  if (type === undefined || type === null) return TYPES;
  const list = (Array.isArray(type) ? type : [type]).map((one) =>
    one === "integer" ? "number" : String(one),
  );
  return schema["nullable"] === true ? [...list, "null"] : list;
}
