/** What the region needs from outside besides the ports of core. */

import type { Uuid } from "../core/brand.ts";

/** Which batches a fetch wants that are no longer on the local disk. */
export interface ColdRead {
  readonly topicId: Uuid;
  readonly topic: string;
  readonly partition: number;
  /** The first batch returned contains this offset. */
  readonly offset: bigint;
  /** Whole batches up to about this many bytes, at least one. */
  readonly maxBytes: number;
}

/** Which record a ListOffsets by time wants that may no longer be on the local disk. */
export interface ColdTimeLookup {
  readonly topicId: Uuid;
  readonly topic: string;
  readonly partition: number;
  /** Milliseconds since the epoch: the first record at or after this time. */
  readonly timestampMs: bigint;
  /** Offsets below it do not count: the log's start. */
  readonly startOffset: bigint;
}

/** A record found by time. */
export interface ColdRecord {
  readonly offset: bigint;
  readonly timestampMs: bigint;
  readonly leaderEpoch: number;
}

/** Serves batches whose local segments were tiered away (KIP-405's remote log, as a port). */
export interface ColdStore {
  /** Whole batches, the first one containing `offset`; undefined when the store holds nothing there.
   *  A rejection is answered to the client as a retriable storage error. */
  read(request: ColdRead): Promise<Buffer | undefined>;
  /** The first record at or after a time; undefined when the store holds none. */
  offsetForTimestamp(lookup: ColdTimeLookup): Promise<ColdRecord | undefined>;
}
