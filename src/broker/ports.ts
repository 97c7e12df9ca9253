/** What the region needs from outside besides the ports of core. */

import type { Uuid } from "../core/brand.ts";
import type { AbortedTransaction } from "../wire/segment/transaction-index.ts";

/** A partition that the store may hold. */
export interface ColdPartition {
  readonly topicId: Uuid;
  readonly topic: string;
  readonly partition: number;
}

/** Which batches a fetch wants that are no longer on the local disk. */
export interface ColdRead extends ColdPartition {
  /** The first batch returned contains this offset, or is the first one after it. */
  readonly offset: bigint;
  /** Batches from here on are not for the reader, whether or not they are returned. */
  readonly endOffset: bigint;
  /** Whole batches up to about this many bytes, at least one. */
  readonly maxBytes: number;
  /** The reader has to know of aborted transactions. */
  readonly isCommittedOnly: boolean;
}

/** What the store returned. */
export interface ColdBatches {
  readonly records: Buffer;
  /** Of the aborted transactions that touch the batches below `endOffset`, those that end in the store; empty unless asked for. */
  readonly abortedTransactions: readonly AbortedTransaction[];
}

/** Which records a ListOffsets by time is about that may no longer be on the local disk. */
export interface ColdRange extends ColdPartition {
  /** Offsets below it do not count: the log's start. */
  readonly startOffset: bigint;
  /** Offsets from here on do not count: the local start. */
  readonly endOffset: bigint;
}

/** A record found by time. */
export interface ColdRecord {
  readonly offset: bigint;
  /** Milliseconds since the epoch. */
  readonly timestampMs: bigint;
  readonly leaderEpoch: number;
}

/** Serves batches whose local segments were tiered away (KIP-405's remote log, as a port). Rejections with operating errors are
 *  answered to clients as retriable storage errors. Calls with a signal end with its reason once nobody waits for the answer. */
export interface ColdStore {
  /** Undefined when the store holds nothing there. */
  read(request: ColdRead, signal?: AbortSignal): Promise<ColdBatches | undefined>;
  /** The first record of the range at or after a time (milliseconds since the epoch); undefined when there is none. */
  offsetForTimestamp(range: ColdRange, timestampMs: bigint, signal?: AbortSignal): Promise<ColdRecord | undefined>;
  /** The first record with the greatest time of the range; undefined when it holds none. */
  latestRecord(range: ColdRange, signal?: AbortSignal): Promise<ColdRecord | undefined>;
  /** The offset after everything that the store holds, whether or not it is still on the local disk; undefined when it
   *  holds nothing of the partition. */
  endOffset(partition: ColdPartition): Promise<bigint | undefined>;
}
