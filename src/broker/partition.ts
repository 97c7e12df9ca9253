/** One partition: its log, the positions of its replicas, and what follows from them (in-sync set, high watermark).
 *
 *  ```
 *  log         |----------------------------------|      one on disk, the leader's
 *  replica 1   ---------------------------------->|      leader: always at the end
 *  replica 2   ------------------------->|               follower in sync, a little behind
 *  replica 3   ------->|                                 stopped, out of the in-sync set
 *                                        ^ high watermark = lowest position of the in-sync set
 *  ```
 *  A new leader's position is where the log goes on: what lies behind it is cut off, as Kafka's followers would do. */

import type { Uuid } from "../core/brand.ts";
import type { Clock } from "../core/clock.ts";
import { assertInvariant } from "../core/errors.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import type { BatchView } from "../wire/record-batch.ts";
import { type CommitOutcome, CommitWaiters } from "./commit-waiters.ts";
import type { TopicSettings } from "./configs/topic-settings.ts";
import { type PartitionState, withIsr } from "./election.ts";
import { RecordsRefusal, refusal } from "./errors.ts";
import type { ArchivedExtent, PartitionLog } from "./log/partition-log.ts";
import { markerBatch, type TxnMarker } from "./log/txn-marker.ts";
import { validateProduce } from "./log/validate.ts";
import { higherOffset } from "./offset-order.ts";
import { type FollowPolicy, Replica } from "./replica.ts";

/** Who wants to know that there is more to read. */
export interface PartitionWatcher {
  /** The high watermark rose over about `bytes`, the last stable offset over about `stableBytes`; 0 when it did not. */
  onProgress(bytes: number, stableBytes: number): void;
  /** The leader changed or the partition is gone. */
  onLeaderChange(): void;
}

/** What a partition is. */
export interface PartitionOptions {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly index: number;
  readonly state: PartitionState;
  readonly settings: TopicSettings;
}

/** What a partition stands on. */
export interface PartitionDeps {
  readonly log: PartitionLog;
  readonly clock: Clock;
  readonly followPolicy: (brokerId: number) => FollowPolicy;
  /** Puts a changed in-sync set on record; the keeper then calls `adopt`. */
  readonly proposeIsr: (partition: Partition, next: PartitionState) => void;
}

/** An appended or recognised batch. */
export interface Appended {
  readonly baseOffset: bigint;
  /** The high watermark that acks=all waits for. */
  readonly nextOffset: bigint;
  /** -1 unless the topic stamps records itself; of a repeat, the first one's timestamp, as in Kafka. */
  readonly logAppendTimeMs: bigint;
}

/** Holds three invariants: the leader is at the log's end; no replica is past it; the high watermark never passes an
 *  in-sync replica and falls only when an unclean election cuts the log. */
export class Partition {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly index: number;
  readonly log: PartitionLog;
  readonly #deps: PartitionDeps;
  readonly #replicas: readonly Replica[];
  readonly #waiters = new CommitWaiters();
  readonly #watchers = new Set<PartitionWatcher>();
  #state: PartitionState;
  #settings: TopicSettings;
  #highWatermark: bigint;
  #uncommittedBytes = 0;
  #isClosed = false;

  /** Replicas in sync are taken to hold the whole log, which a restart of the process may only make truer. */
  constructor(options: PartitionOptions, deps: PartitionDeps) {
    this.topic = options.topic;
    this.topicId = options.topicId;
    this.index = options.index;
    this.log = deps.log;
    this.#deps = deps;
    this.#state = options.state;
    this.#settings = options.settings;
    this.#highWatermark = deps.log.startOffset;
    const source = { clock: deps.clock, end: () => this.log.endOffset, advanced: () => this.#settle() };
    this.#replicas = options.state.replicas.map((brokerId) => {
      const next = options.state.isr.includes(brokerId) ? this.log.endOffset : this.log.startOffset;
      return new Replica(brokerId, next, source);
    });
  }

  get state(): PartitionState {
    return this.#state;
  }
  get leaderId(): number {
    return this.#state.leaderId;
  }
  get leaderEpoch(): number {
    return this.#state.leaderEpoch;
  }
  get settings(): TopicSettings {
    return this.#settings;
  }
  /** First offset that consumers may not read yet. */
  get highWatermark(): bigint {
    return this.#highWatermark;
  }
  /** First offset that read_committed may not read yet. */
  get lastStableOffset(): bigint {
    return this.log.lastStableOffset(this.#highWatermark);
  }
  /** Fewer replicas are in sync than the topic demands, or than there are at all (Kafka: `effectiveMinIsr`). */
  get isUnderMinIsr(): boolean {
    return this.#state.isr.length < Math.min(this.#settings.minInsyncReplicas, this.#replicas.length);
  }
  /** Bytes appended behind the high watermark. */
  get uncommittedBytes(): number {
    return this.#uncommittedBytes;
  }
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Log end offset of one replica; undefined when the broker has none. */
  replicaNext(brokerId: number): bigint | undefined {
    return this.#replicas.find((replica) => replica.brokerId === brokerId)?.next;
  }

  /** Checks, deduplicates and appends the one batch of a produce request in the name of the leader. A transactional batch is
   *  appended when its transaction is open here, or `isVerified`: its coordinator said that the partition belongs to it.
   *  @throws {Refusal} with the code that the producer gets
   *  @throws {StorageError} and then nothing was appended */
  append(records: Buffer | null, options: { readonly acks: number; readonly isVerified?: boolean }): Appended {
    const { acks, isVerified = false } = options;
    if (acks === -1) this.#checkInSync();
    const verdict = validateProduce(records, this.#settings.produceRules, this.#deps.clock.nowMs());
    if (verdict.kind === "refused") throw new RecordsRefusal(verdict);
    const { batch, appendTimeMs } = verdict;
    const known = this.log.producers.check(batch, { isVerified });
    if (known.kind === "refuse") throw refusal(known.errorCode, known.message);
    if (known.kind === "duplicate") {
      const { baseOffset, lastOffset, timestampMs } = known;
      return { baseOffset, nextOffset: lastOffset + 1n, logAppendTimeMs: timestampMs };
    }
    return { ...this.#store(batch), logAppendTimeMs: appendTimeMs };
  }

  /** Appends the marker that ends a producer's transaction, whether or not it has one open here. Such markers wait for all
   *  replicas in sync: what one of them ended stays ended.
   *  @throws {Refusal} INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED, NOT_ENOUGH_REPLICAS
   *  @throws {StorageError} and then nothing was appended */
  appendMarker(marker: TxnMarker, transactionVersion: number): Omit<Appended, "logAppendTimeMs"> {
    this.#checkInSync();
    const errorCode = this.log.producers.checkMarker(marker, transactionVersion);
    if (errorCode !== ErrorCode.NONE) throw refusal(errorCode);
    const isAppendTime = this.#settings.produceRules.logAppendTime;
    return this.#store(markerBatch(marker, { nowMs: this.#deps.clock.nowMs(), isAppendTime }));
  }

  /** Calls `done` once the high watermark reached `nextOffset` or the leader changed; the result takes the wait back. */
  whenCommitted(nextOffset: bigint, done: (outcome: CommitOutcome) => void): () => void {
    return this.#waiters.add(nextOffset, done);
  }

  /** Registers somebody who waits for data. */
  watch(watcher: PartitionWatcher): void {
    this.#watchers.add(watcher);
  }

  /** Idempotent. */
  unwatch(watcher: PartitionWatcher): void {
    this.#watchers.delete(watcher);
  }

  /** Takes over a state that is on record: a new leader cuts the log at its own position. */
  adopt(next: PartitionState): void {
    const isNewLeader = next.leaderEpoch !== this.#state.leaderEpoch;
    this.#state = next;
    if (isNewLeader) {
      if (next.leaderId >= 0) this.#cutToLeader(next.leaderId);
      this.#waiters.failAll();
    }
    this.refreshReplicas();
    if (isNewLeader) for (const watcher of [...this.#watchers]) watcher.onLeaderChange();
  }

  /** Looks again at how each replica follows; called when a broker's state changed. */
  refreshReplicas(): void {
    for (const replica of this.#replicas) replica.setPolicy(this.#deps.followPolicy(replica.brokerId));
    this.#settle();
  }

  /** Takes over changed settings of the topic. */
  reconfigure(settings: TopicSettings): void {
    this.#settings = settings;
  }

  /** Drops replicas from the in-sync set that have lagged for longer than `lagMs` (Kafka: `maybeShrinkIsr`). */
  dropLaggards(nowMs: number, lagMs: number): void {
    if (this.#state.leaderId < 0) return;
    const isr = new Set(this.#state.isr);
    for (const replica of this.#replicas) {
      if (replica.brokerId === this.#state.leaderId || replica.isCaughtUp) continue;
      if (nowMs - replica.caughtUpMs > lagMs) isr.delete(replica.brokerId);
    }
    if (isr.size < this.#state.isr.length) this.#deps.proposeIsr(this, withIsr(this.#state, isr));
  }

  /** Moves the log's start to `offset`, which is at most the high watermark (DeleteRecords). */
  deleteRecordsBefore(offset: bigint): void {
    assertInvariant(offset <= this.#highWatermark, "Deletion never passes the high watermark");
    this.log.deleteRecordsBefore(offset);
  }

  /** Shows what a cold store holds of a partition without local records, under the epoch of its last leader; waiting fetches
   *  hear of what is new. */
  showArchived(extent: ArchivedExtent): void {
    // How many bytes came is not known, and does not matter: whoever waits looks.
    if (extent.endOffset > this.log.endOffset) this.#uncommittedBytes = Number.MAX_SAFE_INTEGER;
    const stable = this.lastStableOffset;
    this.log.showArchived(extent);
    // The leader is at the log's end before it leads under another epoch, which would cut the log at its position.
    this.#settle();
    // The last stable offset may have moved up to where the high watermark was already.
    if (this.lastStableOffset > stable)
      for (const watcher of this.#watchers) watcher.onProgress(0, Number.MAX_SAFE_INTEGER);
    const leaderEpoch = this.log.latestEpoch;
    if (leaderEpoch > this.#state.leaderEpoch) this.#deps.proposeIsr(this, { ...this.#state, leaderEpoch });
  }

  /** Ends all waits; the log is its keeper's to close. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const replica of this.#replicas) replica.close();
    this.#waiters.failAll();
    for (const watcher of [...this.#watchers]) watcher.onLeaderChange();
    this.#watchers.clear();
  }

  #checkInSync(): void {
    if (!this.isUnderMinIsr) return;
    const { isr } = this.#state;
    const reason = `The size of the current ISR ${isr.length} is below ${this.#settings.minInsyncReplicas}`;
    throw refusal(ErrorCode.NOT_ENOUGH_REPLICAS, reason);
  }

  #store(batch: BatchView): Omit<Appended, "logAppendTimeMs"> {
    const { baseOffset, lastOffset } = this.log.append(batch, { leaderEpoch: this.#state.leaderEpoch });
    this.#uncommittedBytes += batch.sizeBytes;
    this.#settle();
    return { baseOffset, nextOffset: lastOffset + 1n };
  }

  #cutToLeader(leaderId: number): void {
    const next = this.replicaNext(leaderId) ?? this.log.startOffset;
    if (next < this.log.endOffset) this.log.truncateTo(higherOffset(next, this.log.startOffset));
    const end = this.log.endOffset;
    for (const replica of this.#replicas) replica.cutTo(end);
    if (this.#highWatermark > end) this.#highWatermark = end;
    this.log.beginEpoch(this.#state.leaderEpoch);
    this.#uncommittedBytes = 0;
  }

  /** Brings positions, high watermark and in-sync set up to date after an append, a fetch or a change of state. */
  #settle(): void {
    if (this.#state.leaderId < 0 || this.#isClosed) return;
    for (const replica of this.#replicas) {
      if (replica.brokerId === this.#state.leaderId) replica.moveToEnd();
      else replica.follow();
    }
    this.#raiseHighWatermark();
    this.#admitCaughtUp();
  }

  #raiseHighWatermark(): void {
    // What too few replicas hold counts as committed only once there are enough again (KIP-966).
    if (this.isUnderMinIsr) return;
    let lowest = this.log.endOffset;
    for (const replica of this.#replicas) {
      if (replica.next < lowest && this.#state.isr.includes(replica.brokerId)) lowest = replica.next;
    }
    if (lowest <= this.#highWatermark) return;
    const stableBytes = this.#moveHighWatermark(lowest);
    const bytes = this.#uncommittedBytes;
    this.#uncommittedBytes = 0;
    this.#waiters.release(lowest);
    // Waking never changes the set: watchers only note it and run later.
    for (const watcher of this.#watchers) watcher.onProgress(bytes, stableBytes);
  }

  /** About how many bytes committed readers may see more. */
  #moveHighWatermark(next: bigint): number {
    const stable = this.lastStableOffset;
    const wasHeldBack = stable < this.#highWatermark;
    this.#highWatermark = next;
    if (this.lastStableOffset <= stable) return 0;
    // A marker shows them what lay before it, however much that is: they look.
    return wasHeldBack ? Number.MAX_SAFE_INTEGER : this.#uncommittedBytes;
  }

  #admitCaughtUp(): void {
    let isr: Set<number> | undefined;
    for (const replica of this.#replicas) {
      if (this.#state.isr.includes(replica.brokerId) || !replica.isCaughtUp) continue;
      if (this.#deps.followPolicy(replica.brokerId).kind !== "following") continue;
      isr ??= new Set(this.#state.isr);
      isr.add(replica.brokerId);
    }
    if (isr !== undefined) this.#deps.proposeIsr(this, withIsr(this.#state, isr));
  }
}
