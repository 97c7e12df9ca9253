/** Records read -> text: by a format string in the style of kcat, or one JSON object a line. */

import { usageError } from "./errors.ts";
import { renderJsonLine } from "./output.ts";

/** A record with where it was found. */
export interface ReadRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly timestampMs: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[];
}

/** Turns a record into what is printed for it. */
export type RecordPrinter = (record: ReadRecord) => string;

const FIELDS: Readonly<Record<string, RecordPrinter>> = {
  t: (record) => record.topic,
  p: (record) => String(record.partition),
  o: (record) => String(record.offset),
  k: (record) => text(record.key),
  s: (record) => text(record.value),
  T: (record) => String(record.timestampMs),
  K: (record) => String(record.key?.length ?? -1),
  S: (record) => String(record.value?.length ?? -1),
  h: (record) => record.headers.map(({ key, value }) => `${key}=${text(value)}`).join(","),
  "%": () => "%",
};
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "0": "\0", "\\": "\\" };

/** Compiles a format: `%t` topic `%p` partition `%o` offset `%k` key `%s` value `%T` timestamp `%K` `%S` sizes `%h` headers;
 *  `\n`, `\t`, `\r`, `\0`. @throws {CommandError} on an unknown field */
export function compileFormat(format: string): RecordPrinter {
  const parts: RecordPrinter[] = [];
  for (const [token, escaped, field] of format.matchAll(/\\(.)|%(.?)|[^\\%]+|\\$/gs)) {
    if (field !== undefined) {
      const printer = FIELDS[field];
      if (printer === undefined) throw usageError(`format has the unknown field "${token}"; known are ${known()}`);
      parts.push(printer);
    } else {
      const literal = escaped === undefined ? token : (ESCAPES[escaped] ?? escaped);
      parts.push(() => literal);
    }
  }
  return (record) => parts.map((part) => part(record)).join("");
}

function known(): string {
  return Object.keys(FIELDS)
    .map((field) => `%${field}`)
    .join(" ");
}

/** One JSON object a line. Bytes that are no UTF-8 come as base64 under a name that says so. */
export const printJson: RecordPrinter = (record) => {
  const { topic, partition, offset, timestampMs } = record;
  const fields = {
    topic,
    partition,
    offset,
    timestamp_ms: timestampMs,
    ...named("key", record.key),
    ...named("value", record.value),
    headers: record.headers.map(({ key, value }) => ({ key, ...named("value", value) })),
  };
  return `${renderJsonLine(fields)}\n`;
};

function named(name: string, bytes: Buffer | null): object {
  if (bytes === null) return { [name]: null };
  const decoded = bytes.toString("utf8");
  return Buffer.from(decoded).equals(bytes) ? { [name]: decoded } : { [`${name}_base64`]: bytes.toString("base64") };
}

function text(bytes: Buffer | null): string {
  return bytes === null ? "" : bytes.toString("utf8");
}

/** Where reading begins in each partition. */
export type ReadPosition =
  | { readonly kind: "start" | "end" }
  | { readonly kind: "offset"; readonly offset: bigint }
  | { readonly kind: "before-end"; readonly records: bigint }
  | { readonly kind: "time"; readonly timeMs: number };

const AGO_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `start`, `end`, `123`, `-10`, `@2026-11-01T00:00:00Z` or `@-10m`. @throws {CommandError} */
export function parsePosition(textual: string, nowMs: number): ReadPosition {
  if (textual === "start" || textual === "end") return { kind: textual };
  if (/^\d{1,18}$/.test(textual)) return { kind: "offset", offset: BigInt(textual) };
  if (/^-\d{1,18}$/.test(textual)) return { kind: "before-end", records: BigInt(textual.slice(1)) };
  const ago = /^@-(\d+)([smhd])$/.exec(textual);
  if (ago !== null) return { kind: "time", timeMs: nowMs - Number(ago[1]) * (AGO_MS[ago[2] ?? ""] ?? 0) };
  const timeMs = textual.startsWith("@") ? Date.parse(textual.slice(1)) : Number.NaN;
  if (!Number.isNaN(timeMs)) return { kind: "time", timeMs };
  throw usageError(
    `"${textual}" is no position; write start, end, an offset, -10 (before the end), @-10m or @2026-11-01T00:00:00Z`,
  );
}
