/** A rate of its own for old records, so that a backfill leaves the way to the target to what is new. It comes before the mirror's
 *  limits, which hold for old records, too. */

import type { Clock } from "../core/clock.ts";
import type { BatchView } from "../wire/record-batch.ts";
import { Pace } from "./pace.ts";

/** What counts as old, and how much of it may pass. */
export interface BackfillLimits {
  readonly bytesPerSecond: number;
  /** By the time of a batch's newest record. */
  readonly olderThanMs: number;
}

/** Figures of a backfill. */
export interface BackfillStatus extends BackfillLimits {
  /** Time during which old batches waited for the rate, since it was made. */
  readonly throttledMs: number;
}

/** Shared by the lanes of a mirror, in all its flows. */
export class Backfill {
  readonly #limits: BackfillLimits;
  readonly #clock: Clock;
  readonly #pace: Pace;

  constructor(limits: BackfillLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    const { bytesPerSecond } = limits;
    this.#pace = new Pace({ bytesPerSecond, inFlightBytesMax: Number.POSITIVE_INFINITY }, clock);
  }

  get status(): BackfillStatus {
    return { ...this.#limits, throttledMs: this.#pace.status.throttledMs };
  }

  /** Lets a batch pass; undefined: at once. Rejects with the signal's reason. */
  enter({ sizeBytes, maxTimestamp }: BatchView, signal: AbortSignal): Promise<void> | undefined {
    if (Number(maxTimestamp) >= this.#clock.nowMs() - this.#limits.olderThanMs) return undefined;
    const passing = this.#pace.enter(sizeBytes, { isLive: false, signal });
    // What is on its way is the mirror's limit to count.
    if (passing === undefined) this.#pace.leave(sizeBytes);
    return passing?.then(() => this.#pace.leave(sizeBytes));
  }
}
