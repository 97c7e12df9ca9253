/** What history mode needs of the target: a fence against live writers, transactions, and the record that they carry. */

import type { BatchView } from "../../wire/record-batch.ts";
import type { LaneIdentity } from "../offset-ports.ts";
import type { AppendOutcome, TopicPartition } from "../ports.ts";
import type { HistoryRecord } from "./record.ts";

/** How the fence went up. */
export type FenceOutcome =
  /** Nothing of the producer id with a lower epoch lands any more; what landed before is committed. */
  | { readonly kind: "fenced" }
  /** The partition knows a higher epoch already: another worker was faster. */
  | { readonly kind: "outrun" }
  /** The target does not let this worker do it, and will not before somebody changes something there. */
  | { readonly kind: "impossible"; readonly why: string };

/** A hint at where a lane is. */
export interface Peeked {
  /** The latest record. */
  readonly record: HistoryRecord | undefined;
  /** The epoch of the record's producer in the latest mark that it left: a writer that was opened leaves one long before it commits.
   *  -1 when none is known. */
  readonly writerEpoch: number;
}

/** Who may write a lane's transactions: a transactional producer in one of its times. */
export interface OpenedWriter {
  readonly producerId: bigint;
  readonly epoch: number;
}

/** History mode's side of the target. */
export interface HistoryTarget {
  /** What this worker calls itself in records: the same after a restart of the worker, and no other worker's; empty when it has
   *  no name. */
  readonly worker: string;
  /** Makes the partition refuse batches of the producer id below the epoch, by an abort marker with that epoch
   *  (WriteTxnMarkers). The same epoch again keeps what is remembered and lets it be remembered anew from now on; it is one hole in
   *  the log. @throws {MirrorError} `TARGET_*` when it is not known whether it stands */
  fence(partition: TopicPartition, producerId: bigint, epoch: number): Promise<FenceOutcome>;
  /** What readers of committed data see of the lane. More may lie behind transactions of others that are open: it is no more than a
   *  hint. Never waits for them. @throws {MirrorError} as `read` */
  peek(lane: LaneIdentity): Promise<Peeked>;
  /** The lane's writer that was opened last, as the coordinator knows it, whether or not it has written; undefined when it is one of this
   *  process, and where the target does not tell (Kafka before 3.0). @throws {MirrorError} `TARGET_*` */
  rival(lane: LaneIdentity): Promise<OpenedWriter | undefined>;
  /** The lane's latest record in the log as it is now. Waits for transactions of others that are open in front of its end, and
   *  ends those that nobody seems to end: "A dead worker's transactions keep nobody waiting".
   *  @throws {MirrorError} `TARGET_UNAVAILABLE`; `LANE_UNEXPLAINED` when the record cannot be used */
  read(lane: LaneIdentity): Promise<HistoryRecord | undefined>;
  /** Becomes the lane's one transactional writer: fences whoever was and waits until its open transaction is aborted. A record
   *  that it committed is then in the log. @throws {MirrorError} `TARGET_*`; `HISTORY_NEEDED` never */
  open(lane: LaneIdentity, partition: TopicPartition): Promise<HistoryWriter>;
  /** The end of what readers of committed data see. @throws {MirrorError} `TARGET_*` */
  stableEnd(partition: TopicPartition): Promise<bigint>;
  /** The leader's epoch, as far as is known: what is sent goes to that leader, or fails. -1 when not known. */
  leaderEpoch(partition: TopicPartition): number;
}

/** One writer. After any failure it is of no further use: only the next `open` settles what was sent. */
export interface HistoryWriter {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** Opens a transaction, when the worker may have one more open. @throws {MirrorError} `TARGET_*` */
  begin(): Promise<void>;
  /** Sends a stamped batch to the lane's partition, in call order. Never rejects. */
  append(batch: BatchView): Promise<AppendOutcome>;
  /** Where the transaction that is open on the partition begins, as its leader knows it; undefined for none. Before this writer's first
   *  batch if it holds what a predecessor left. Not there where the target does not tell. @throws {MirrorError} `TARGET_*` */
  readonly start: (() => Promise<bigint | undefined>) | undefined;
  /** Commits everything appended, all of it acknowledged, and the record. Readers see it some time after: see `stableEnd`.
   *  @throws {MirrorError} `TARGET_FENCED` when another writer was opened, `TARGET_*` otherwise: it may have been committed
   *  all the same, and only the record tells ("A commit of unknown outcome is never counted as lost") */
  commit(record: HistoryRecord): Promise<void>;
  /** Aborts what is open. When it resolves, no data of this producer that has no commit by now will ever get one.
   *  @throws {MirrorError} as `commit` */
  abort(): Promise<void>;
  /** Lets go of what it holds in this process; an open transaction is left to the next `open`, or to its timeout. Idempotent. */
  close(): void;
}
