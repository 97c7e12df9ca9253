/** One worker's time as the transactional writer of a lane: what stays the same from entry to its end. */

import type { HistoryWriter } from "./ports.ts";
import type { Stretch } from "./stretches.ts";

/** See the file's comment. */
export interface HistorySession {
  readonly writer: HistoryWriter;
  /** The epoch of the marker that keeps live writers out. */
  readonly fenceEpoch: number;
  /** The leader of the target partition that the lane looked at: another one may have lost what this one held. */
  readonly leaderEpoch: number;
  /** When the marker was written last, by the monotonic clock. */
  fencedAtMs: number;
  /** Whether nothing that a predecessor left can be committed with what this writer sends. */
  isSettled: boolean;
  /** All of the lane; the last one is the writer's. */
  readonly stretches: readonly Stretch[];
  /** The writer's own. */
  readonly own: Stretch;
}
