/** Watches whether an open transaction of the source keeps its readable end where it is. */

/** Records behind the last stable offset that nobody may read yet. */
export interface Held {
  /** The last stable offset: the first one that may not be read. */
  readonly offset: bigint;
  /** Offsets between it and the high watermark. */
  readonly offsets: bigint;
  /** When it was first seen to stand there. */
  readonly sinceMs: number;
}

/** What a reader last heard of its partition. */
export interface SourceEnds {
  readonly endOffset: bigint | undefined;
  readonly highWatermark: bigint | undefined;
}

/** Remembers since when. */
export class HeldWatch {
  #held: Held | undefined;

  /** Takes a look; undefined when everything that is committed may be read. `nowMs` is wall time. */
  look({ endOffset, highWatermark }: SourceEnds, nowMs: number): Held | undefined {
    if (endOffset === undefined || highWatermark === undefined) return this.#held;
    if (highWatermark <= endOffset) {
      this.#held = undefined;
      return undefined;
    }
    const sinceMs = this.#held?.offset === endOffset ? this.#held.sinceMs : nowMs;
    this.#held = { offset: endOffset, offsets: highWatermark - endOffset, sinceMs };
    return this.#held;
  }
}
