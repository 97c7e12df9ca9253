/** When a lane goes back to live mode: not at once, so that old and young records in turn do not make it change modes all the time. */

import type { Clock } from "../../core/clock.ts";

/** Only young batches for this long. */
export const CALM_MS = 10_000;
/** The wait doubles with each entry up to here. */
export const CALM_MAX_MS = 600_000;
/** The last epoch that a return may begin an era with: epochs are 16 bits, and the next entry needs one more. */
const EPOCH_MAX = 32_000;

/** Of one lane, for as long as it is open. */
export class ReturnRule {
  readonly #clock: Clock;
  #calmMs = CALM_MS / 2;
  #oldAtMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#oldAtMs = clock.monotonicMs();
  }

  /** The lane entered history mode from live mode. */
  entered(): void {
    this.#calmMs = Math.min(this.#calmMs * 2, CALM_MAX_MS);
    this.sawOld();
  }

  /** A batch was too old for live mode, or will be soon. */
  sawOld(): void {
    this.#oldAtMs = this.#clock.monotonicMs();
  }

  /** How long until the lane may return; 0: now; undefined: never. */
  returnsInMs(fenceEpoch: number): number | undefined {
    if (fenceEpoch + 1 > EPOCH_MAX) return undefined;
    const calmMs = Math.max(this.#calmMs, CALM_MS);
    return Math.max(0, this.#oldAtMs + calmMs - this.#clock.monotonicMs());
  }
}
