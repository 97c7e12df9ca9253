/** One partition of a restore on its way, and what became of it. */

import type { OffsetTranslator, ReverseTranslator } from "../../mirror/offset-ports.ts";
import type { TopicPartition } from "../../mirror/ports.ts";
import type { PartitionRestore } from "../../tier/restore/restore-plan.ts";

/** From where to where. */
export interface PartitionTask {
  readonly plan: PartitionRestore;
  readonly source: TopicPartition;
  readonly target: TopicPartition;
  /** Told of the source offset that everything below is restored. */
  readonly onProgress: (nextOffset: bigint) => void;
  readonly signal: AbortSignal;
}

/** Where the records are now. */
export interface PartitionResult {
  /** `exact`: every record has its own offset again. `mapped`: the map says which. */
  readonly offsets: "exact" | "mapped";
  readonly map: OffsetTranslator & ReverseTranslator;
  /** Nothing was left to do. */
  readonly wasDone: boolean;
  /** Records that this run wrote. */
  readonly recordsWritten: bigint;
}

/** A task may go on without any progress for this long before it is given up: a broker's restart, a store that is away. */
export const STALL_MS_MAX = 120_000;
