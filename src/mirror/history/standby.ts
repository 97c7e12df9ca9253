/** Who gives way to whom in history mode: two workers that opened writers in turn would only abort each other's transactions. It is
 *  a matter of courtesy; whatever is decided here, only one of them can commit. */

import type { Clock } from "../../core/clock.ts";
import type { HistoryRecord } from "./record.ts";

/** A lane whose record did not change for this long is free: several transactions would have fit in. */
export const STANDBY_MS = 2_500;

/** What one lane knows of its record's changes. */
export class Standby {
  readonly #clock: Clock;
  /** False while this worker's own writer was the last one it knows of. */
  #isElsewhere = true;
  #seen: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** This worker's writer was fenced. */
  fenced(): void {
    this.#isElsewhere = true;
    this.#seen = undefined;
  }

  /** This worker's writer committed. */
  committed(): void {
    this.#isElsewhere = false;
  }

  /** True when another worker seems to write the lane now: the record is young, or has changed since the last call. Where clocks
   *  differ, the second look decides. */
  isTaken(record: HistoryRecord | undefined): boolean {
    if (record === undefined || !this.#isElsewhere) return false;
    const { producerId, epoch } = record.stretches.at(-1) ?? {};
    const now = `${producerId}/${epoch}/${record.progress.sourceNext}`;
    const hasChanged = this.#seen !== undefined && this.#seen !== now;
    const isYoung = this.#seen === undefined && this.#clock.nowMs() - record.updatedMs < STANDBY_MS;
    this.#seen = now;
    return hasChanged || isYoung;
  }
}
