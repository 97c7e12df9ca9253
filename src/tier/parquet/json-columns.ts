/** Columns taken out of values that are JSON objects, each of a type that is named. */

import type { JsonColumn, JsonColumnType } from "../../core/json-column.ts";

/** A column's value; null where there is none, or one that the type cannot hold without loss. */
export type JsonColumnValue = string | bigint | number | boolean | null;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** The columns' values of one record; all null when its value is no JSON object. Numbers keep the digits that were written. */
export function jsonColumnValues(value: Buffer | null, columns: readonly JsonColumn[]): readonly JsonColumnValue[] {
  const object = value === null ? undefined : parseObject(value);
  return columns.map(({ path, type }) => {
    let at: unknown = object;
    for (const member of path) at = isObject(at) && Object.hasOwn(at, member) ? at[member] : undefined;
    return at === undefined || at === null ? null : typed(at, type);
  });
}

// Of ECMAScript's "JSON.parse source text access", which Node has and the compiler's library does not know yet.
const { rawJSON: rawJson } = JSON as unknown as { readonly rawJSON: (text: string) => unknown };

/** A number as it was written, since reading it may lose digits. */
class Written {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toJSON(): unknown {
    return rawJson(this.text);
  }
}

function parseObject(value: Buffer): unknown {
  try {
    return JSON.parse(
      value.toString("utf8"),
      (_key: string, member: unknown, context?: { readonly source?: string }) =>
        typeof member === "number" && context?.source !== undefined ? new Written(context.source) : member,
    );
  } catch {
    return undefined;
  }
}

function typed(member: unknown, type: JsonColumnType): JsonColumnValue {
  switch (type) {
    case "string":
      return typeof member === "string" ? member : JSON.stringify(member);
    case "boolean":
      return typeof member === "boolean" ? member : null;
    case "double":
      return member instanceof Written ? Number(member.text) : null;
    case "int64":
      return member instanceof Written ? wholeNumber(member.text) : null;
  }
}

function wholeNumber(text: string): bigint | null {
  if (!/^-?\d+$/.test(text)) return null;
  const whole = BigInt(text);
  return whole >= INT64_MIN && whole <= INT64_MAX ? whole : null;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Written);
}
