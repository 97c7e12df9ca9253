/** How values of options and arguments are read, for all commands alike. */

import { InvalidArgumentError } from "commander";
import { type JsonColumn, parseJsonColumns } from "../core/json-column.ts";
import type { Endpoint } from "../core/network.ts";
import { parseDurationMs, parseRate, parseSizeBytes } from "../topology/units.ts";
import { parseHttpAddress } from "../web/http-address.ts";

/** @throws {InvalidArgumentError} */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("it must be a whole number.");
  return Number(text);
}

/** @throws {InvalidArgumentError} */
export function wholeBigint(text: string): bigint {
  if (!/^\d{1,19}$/.test(text)) throw new InvalidArgumentError("it must be a whole number.");
  return BigInt(text);
}

/** Milliseconds. @throws {InvalidArgumentError} */
export function duration(text: string): number {
  const durationMs = parseDurationMs(text);
  if (durationMs === undefined) throw new InvalidArgumentError("it must be a duration, for example 24h.");
  return durationMs;
}

/** Milliseconds since the epoch, of a time with a zone. @throws {InvalidArgumentError} */
export function time(text: string): number {
  const timeMs = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(timeMs)) throw new InvalidArgumentError("it must be a time, for example 2026-01-31T00:00:00Z.");
  return timeMs;
}

/** Without a zone a time would mean another one on another machine. */
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/;

/** An offset, or a time. @throws {InvalidArgumentError} */
export function rangeBound(text: string): { readonly offset: bigint } | { readonly timeMs: number } {
  return /^\d{1,19}$/.test(text) ? { offset: BigInt(text) } : { timeMs: time(text) };
}

/** Bytes. @throws {InvalidArgumentError} */
export function byteSize(text: string): number {
  const bytes = parseSizeBytes(text);
  if (bytes === undefined) throw new InvalidArgumentError("it must be a size, for example 1GiB.");
  return bytes;
}

/** Bytes in a second. @throws {InvalidArgumentError} */
export function rate(text: string): number {
  const bytesPerSecond = parseRate(text);
  if (bytesPerSecond === undefined || bytesPerSecond === 0)
    throw new InvalidArgumentError("it must be a size and a unit of time, for example 50MiB/s or 100GiB/d.");
  return bytesPerSecond;
}

/** 0 to 1. @throws {InvalidArgumentError} */
export function share(text: string): number {
  const [, digits] = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text) ?? [];
  const percent = Number(digits);
  if (digits === undefined || percent > 100) throw new InvalidArgumentError("it must be a percentage, for example 5%.");
  return percent / 100;
}

/** Host and port. @throws {InvalidArgumentError} */
export function httpAddress(text: string): Endpoint {
  const endpoint = parseHttpAddress(text);
  if (endpoint === undefined) throw new InvalidArgumentError("it must be HOST:PORT or :PORT.");
  return endpoint;
}

/** All values of an option that may be given again. */
export function collected(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** @throws {InvalidArgumentError} */
export function jsonColumns(text: string): readonly JsonColumn[] {
  const columns = parseJsonColumns(text);
  if (typeof columns === "string") throw new InvalidArgumentError(`${columns}.`);
  return columns;
}
