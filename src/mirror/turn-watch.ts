/** Waits for the next chunk of a reader, but no longer than told; a chunk that comes later is handed out by the next call. */

import { type Clock, sleep } from "../core/clock.ts";
import type { SourceChunk, SourceReader } from "./ports.ts";

/** See the file's comment. */
export class TurnWatch {
  readonly #reader: SourceReader;
  readonly #clock: Clock;
  #asked: Promise<SourceChunk> | undefined;

  constructor(reader: SourceReader, clock: Clock) {
    this.#reader = reader;
    this.#clock = clock;
  }

  /** Undefined when nothing came in time; always the same signal. Rejects as the reader does. */
  async next(limitMs: number | undefined, signal: AbortSignal): Promise<SourceChunk | undefined> {
    if (limitMs === undefined && this.#asked === undefined) return this.#reader.next(signal);
    this.#asked ??= this.#ask(signal);
    const chunk = limitMs === undefined ? await this.#asked : await this.#within(this.#asked, limitMs);
    if (chunk !== undefined) this.#asked = undefined;
    return chunk;
  }

  #ask(signal: AbortSignal): Promise<SourceChunk> {
    const asked = this.#reader.next(signal);
    // Whoever waits for it hears of it; while nobody does, it is no unhandled rejection.
    asked.catch(() => undefined);
    return asked;
  }

  async #within(asked: Promise<SourceChunk>, limitMs: number): Promise<SourceChunk | undefined> {
    const late = new AbortController();
    try {
      return await Promise.race([asked, sleep(this.#clock, limitMs, late.signal).then(() => undefined)]);
    } finally {
      late.abort();
    }
  }
}
