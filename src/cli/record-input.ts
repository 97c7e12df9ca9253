/** Lines of text -> records to produce: plain values, key and value with a separator, or one JSON object a line. */

import type { RecordInput } from "../wire/records.ts";
import { CommandError } from "./errors.ts";

/** How lines are read. */
export interface LineFormat {
  readonly json: boolean;
  readonly keySeparator: string | undefined;
}

/** A record and, when the line names one, its partition. */
export interface ParsedLine {
  readonly record: RecordInput;
  readonly partition: number | undefined;
}

/** Parses one line; `lineNumber` is for messages and counts from 1. @throws {CommandError} when the line has another form */
export function parseLine(
  line: string,
  format: LineFormat,
  now: { readonly lineNumber: number; readonly nowMs: number },
): ParsedLine {
  if (format.json) return parseJsonLine(line, now);
  const timestampMs = BigInt(now.nowMs);
  const { keySeparator } = format;
  const at = keySeparator === undefined ? -1 : line.indexOf(keySeparator);
  if (keySeparator === undefined) return plain({ timestampMs, key: null, value: Buffer.from(line) });
  if (at === -1) throw badLine(now.lineNumber, `has no separator "${keySeparator}"`);
  const key = Buffer.from(line.slice(0, at));
  return plain({ timestampMs, key, value: Buffer.from(line.slice(at + keySeparator.length)) });
}

function plain(record: RecordInput): ParsedLine {
  return { record, partition: undefined };
}

const KNOWN_FIELDS = ["key", "value", "headers", "partition", "timestamp_ms"];

function parseJsonLine(line: string, now: { readonly lineNumber: number; readonly nowMs: number }): ParsedLine {
  const fields = jsonObject(line, now.lineNumber);
  const unknown = Object.keys(fields).find((field) => !KNOWN_FIELDS.includes(field));
  if (unknown !== undefined) {
    throw badLine(now.lineNumber, `has the unknown field "${unknown}"; known are ${KNOWN_FIELDS.join(", ")}`);
  }
  const { partition, timestamp_ms: timestampMs = now.nowMs, headers = {} } = fields;
  if (partition !== undefined && !isWhole(partition)) throw badLine(now.lineNumber, "partition must be a whole number");
  if (!isWhole(timestampMs)) throw badLine(now.lineNumber, "timestamp_ms must be a whole number");
  if (typeof headers !== "object" || headers === null) throw badLine(now.lineNumber, "headers must be an object");
  return {
    partition: partition as number | undefined,
    record: {
      timestampMs: BigInt(timestampMs as number),
      key: bytesOf(fields["key"]),
      value: bytesOf(fields["value"]),
      headers: Object.entries(headers).map(([key, value]) => ({ key, value: bytesOf(value) })),
    },
  };
}

function jsonObject(line: string, lineNumber: number): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // told below, with the number of the line
  }
  throw badLine(lineNumber, 'is no JSON object; write {"key": "k", "value": "v"}, or leave --json out');
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Text is taken as it is, everything else as its JSON; absent and null are null. */
function bytesOf(value: unknown): Buffer | null {
  if (value === undefined || value === null) return null;
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
}

function badLine(lineNumber: number, problem: string): CommandError {
  const message = `line ${lineNumber} ${problem.includes(";") ? problem : `${problem} (stdin); nothing after it was sent`}`;
  return new CommandError({ code: "USAGE", what: `line ${lineNumber}` }, { message });
}
