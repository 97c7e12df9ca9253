/** Remembers which archived segments this process has read back, so that they are not read once more when the cluster's copy goes.
 *
 *  Holds the invariant "No copy goes whose archived bytes were not read within a day": between the upload and the deletion may lie
 *  weeks, in which a store can damage what it keeps without changing its size. */

import type { Clock } from "../core/clock.ts";
import type { ArchivedSegment } from "./manifest.ts";
import type { ObjectStore } from "./ports.ts";
import { verifyArchived } from "./segment-upload.ts";

/** Long enough that a deletion which follows a slow group through one segment does not read that one at each pass. */
const FRESH_MS = 86_400_000;
/** Names of about 150 bytes: 15 MB. Whatever is forgotten is read again. */
const KEYS_MAX = 100_000;

/** One for each process and store. */
export class VerifiedCopies {
  readonly #clock: Clock;
  /** By key, the longest ago first. */
  readonly #atMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The segment of this key was compared with what was sent, just now. */
  note(key: string): void {
    const nowMs = this.#clock.monotonicMs();
    this.#atMs.delete(key);
    this.#atMs.set(key, nowMs);
    for (const [oldest, atMs] of this.#atMs) {
      if (nowMs - atMs < FRESH_MS && this.#atMs.size <= KEYS_MAX) break;
      this.#atMs.delete(oldest);
    }
  }

  /** Reads the segment's data unless they were read within a day. @throws {ArchiveError} `ARCHIVE_CORRUPT` @throws {StoreError} */
  async demand(segment: ArchivedSegment, store: ObjectStore): Promise<void> {
    const atMs = this.#atMs.get(segment.key);
    if (atMs !== undefined && this.#clock.monotonicMs() - atMs < FRESH_MS) return;
    await verifyArchived(segment, store);
    this.note(segment.key);
  }
}
