/** The trace of a run, as a hash: every piece that the network delivered, with its time. Two runs of one plan must agree. */

import { crc32c } from "../../src/wire/crc32c.ts";

/** Lines kept when asked for; a run that differs has usually done so long before. */
const LINES_MAX = 2_000_000;

/** One run's trace. */
export class Trace {
  readonly #lines: string[] | undefined;
  #low = 0x811c9dc5;
  #high = 0x9e3779b1;

  /** `keepsLines` for finding the first difference; costs memory. */
  constructor(keepsLines = false) {
    this.#lines = keepsLines ? [] : undefined;
  }

  /** Notes a delivery. */
  delivered(atMs: number, way: { readonly from: string; readonly to: string }, bytes: Uint8Array): void {
    const sum = crc32c(bytes);
    this.#mix(sum);
    this.#mix(bytes.byteLength);
    this.#mix(Math.floor(atMs * 1_000));
    if (this.#lines !== undefined && this.#lines.length < LINES_MAX)
      this.#lines.push(`${atMs.toFixed(3)} ${way.from} -> ${way.to} ${bytes.byteLength} B crc ${sum.toString(16)}`);
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }

  /** Empty unless lines are kept. */
  get lines(): readonly string[] {
    return this.#lines ?? [];
  }

  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193) >>> 0;
    this.#high = Math.imul(this.#high ^ (value + this.#low), 0x85ebca6b) >>> 0;
  }
}

/** Where two traces part; undefined when they do not. */
export function firstDifference(one: Trace, other: Trace): string | undefined {
  const at = one.lines.findIndex((line, i) => line !== other.lines[i]);
  if (at >= 0) return `event ${at}: ${one.lines[at]}, the second time ${other.lines[at] ?? "nothing"}`;
  return one.lines.length === other.lines.length
    ? undefined
    : `the second run goes on: ${other.lines[one.lines.length]}`;
}
