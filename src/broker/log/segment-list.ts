/** The segments of a log in order of offsets, which of them are open, and where readers left off. */

import { assertInvariant } from "../../core/errors.ts";
import { LogError } from "./errors.ts";
import type { Segment } from "./segment.ts";
import type { SegmentRead, SegmentSlice } from "./segment-read.ts";

/** Places where readers will go on, so that a sequential fetch needs no index: one per reader and a few to spare. */
const READ_HINTS_MAX = 64;
/** Sealed segments kept open at once: readers are usually at one or two places of a log. */
const OPEN_SEALED_MAX = 2;

/** A place in the files where a batch starts. */
interface ReadHint {
  readonly segment: Segment;
  readonly position: number;
}

/** Never empty; the last segment is the active one and always open. */
export class SegmentList {
  readonly #segments: Segment[];
  readonly #hints = new Map<bigint, ReadHint>();
  /** Least recently used first. */
  #openSealed: Segment[] = [];

  constructor(segments: readonly Segment[]) {
    this.#segments = [...segments];
  }

  get length(): number {
    return this.#segments.length;
  }
  get all(): readonly Segment[] {
    return this.#segments;
  }
  get first(): Segment {
    return this.at(0);
  }
  get active(): Segment {
    return this.at(this.#segments.length - 1);
  }

  /** The segment at a place in the list. */
  at(i: number): Segment {
    const segment = this.#segments[i];
    assertInvariant(segment !== undefined, "a log has an active segment", { i, segments: this.#segments.length });
    return segment;
  }

  /** Offset after the segment at a place in the list. */
  nextOffsetAt(i: number): bigint {
    return this.#segments[i + 1]?.baseOffset ?? this.at(i).nextOffset;
  }

  /** Place of the closed segment with this base. @throws {LogError} `LOG_SEGMENT_MISSING` */
  closedIndexOf(baseOffset: bigint): number {
    const i = this.indexOf(baseOffset);
    if (this.at(i).baseOffset === baseOffset && i < this.#segments.length - 1) return i;
    throw new LogError({ code: "LOG_SEGMENT_MISSING", baseOffset });
  }

  has(segment: Segment): boolean {
    return this.#segments.includes(segment);
  }

  /** Whole batches from one segment: that of `fromOffset`, or the next one that has any. */
  read(request: Omit<SegmentRead, "position">): SegmentSlice | undefined {
    const { fromOffset } = request;
    const hint = this.#hints.get(fromOffset);
    for (let i = this.indexOf(fromOffset); i < this.#segments.length; i++) {
      const segment = this.at(i);
      const position = hint?.segment === segment ? hint.position : undefined;
      const slice = segment.read({ ...request, position });
      this.keepOpen(segment);
      if (slice === undefined) continue;
      if (hint !== undefined) this.#hints.delete(fromOffset);
      this.#remember(slice.nextOffset, { segment, position: slice.nextPosition });
      return slice;
    }
    return undefined;
  }

  /** Bytes of a segment's data file. @throws {LogError} `LOG_SEGMENT_MISSING` when it is not in the log any more */
  readData(segment: Segment, position: number, lengthBytes: number): Buffer {
    const { baseOffset } = segment;
    if (!this.has(segment)) throw new LogError({ code: "LOG_SEGMENT_MISSING", baseOffset });
    this.keepOpen(segment);
    return segment.readData(position, lengthBytes);
  }

  /** Adds the next active segment; the one before it must be sealed. */
  push(next: Segment): void {
    const sealed = this.active;
    this.#segments.push(next);
    this.keepOpen(sealed);
  }

  /** Notes that a sealed segment is in use, and releases the one unused for longest. */
  keepOpen(segment: Segment): void {
    if (segment === this.active || this.#openSealed.at(-1) === segment) return;
    this.#openSealed = [...this.#openSealed.filter((open) => open !== segment), segment];
    if (this.#openSealed.length > OPEN_SEALED_MAX) this.#openSealed.shift()?.release();
  }

  /** After a search over all: keeps within the limit of open segments. */
  keepOpenFew(): void {
    for (const segment of this.#segments) if (segment.isOpen) this.keepOpen(segment);
  }

  /** Where a search for aborted transactions ends after a read up to `nextOffset`: at the next indexed batch of that
   *  segment, else where the next segment begins, else nowhere (Kafka, `UnifiedLog.addAbortedTransactions`). */
  searchEnd(nextOffset: bigint): bigint {
    const i = this.indexOf(nextOffset > 0n ? nextOffset - 1n : nextOffset);
    const segment = this.at(i);
    if (nextOffset <= segment.baseOffset) return nextOffset;
    const end = segment.searchEnd(nextOffset);
    this.keepOpen(segment);
    return end ?? this.nextOffsetAt(i);
  }

  /** Removes the oldest segment from the list; its files are the caller's to remove. Not the active one. */
  removeFirst(): Segment {
    assertInvariant(this.#segments.length > 1, "a log has an active segment");
    const first = this.first;
    this.#segments.shift();
    for (const [offset, hint] of this.#hints) if (hint.segment === first) this.#hints.delete(offset);
    this.#openSealed = this.#openSealed.filter((segment) => segment !== first);
    return first;
  }

  /** Cuts the log at `offset`: segments at or past it go, newest first so that a crash leaves no hole, then the batch
   *  that holds it and what follows. When nothing is left, `empty` makes the one segment that stays. */
  truncateTo(offset: bigint, options: { readonly indexIntervalBytes: number; readonly empty: () => Segment }): void {
    this.#hints.clear();
    while (this.#segments.length > 1 && this.active.baseOffset >= offset) this.#segments.pop()?.remove();
    if (this.active.baseOffset > offset) {
      for (const segment of this.#segments.splice(0)) segment.remove();
      this.#segments.push(options.empty());
    } else {
      this.active.truncateTo(offset, options.indexIntervalBytes);
    }
    this.#openSealed = this.#openSealed.filter((segment) => segment !== this.active && segment.isOpen);
  }

  /** Closes all files. */
  release(): void {
    for (const segment of this.#segments) segment.release();
    this.#openSealed = [];
  }

  /** Place of the last segment that begins at or before the offset, of the first one when none does. */
  indexOf(offset: bigint): number {
    let low = 0;
    let high = this.#segments.length - 1;
    if (this.active.baseOffset <= offset) return high;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.at(middle).baseOffset <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #remember(offset: bigint, hint: ReadHint): void {
    if (this.#hints.size >= READ_HINTS_MAX) {
      for (const oldest of this.#hints.keys()) {
        this.#hints.delete(oldest);
        break;
      }
    }
    this.#hints.set(offset, hint);
  }
}
