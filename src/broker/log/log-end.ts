/** Where a log ends: appending, rolling over to the next segment, and cutting off. */

import type { Clock } from "../../core/clock.ts";
import { assertInvariant } from "../../core/errors.ts";
import type { Storage } from "../../core/storage.ts";
import type { BatchView } from "../../wire/record-batch.ts";
import type { LogConfig } from "./config.ts";
import type { LeaderEpochs } from "./leader-epochs.ts";
import { rebuildProducers, removeSnapshotsAbove, writeSnapshot } from "./producer-recovery.ts";
import type { ProducerStates } from "./producer-states.ts";
import type { RecoveryPoint } from "./recovery-point.ts";
import { mustRollBefore } from "./rolling.ts";
import { Segment } from "./segment.ts";
import type { SegmentList } from "./segment-list.ts";

/** What an append did. */
export interface Appended {
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
}

/** What a log's end stands on. */
export interface LogEndDeps {
  readonly storage: Storage;
  readonly directory: string;
  readonly clock: Clock;
  readonly segments: SegmentList;
  readonly epochs: LeaderEpochs;
  readonly producers: ProducerStates;
  readonly recoveryPoint: RecoveryPoint;
}

/** The offset that the next record gets, and everything that moves it. */
export class LogEnd {
  readonly #deps: LogEndDeps;
  #offset: bigint;
  /** When the active segment was made: `segment.ms` counts from it when records have no time. */
  #activeSinceMs: number;
  #untimedWriteMs: number;

  constructor(deps: LogEndDeps) {
    this.#deps = deps;
    this.#offset = deps.segments.active.nextOffset;
    this.#activeSinceMs = deps.clock.nowMs();
    this.#untimedWriteMs = this.#activeSinceMs;
  }

  /** Offset that the next record gets. */
  get offset(): bigint {
    return this.#offset;
  }
  /** When records without a time were last written: retention counts from it, as Kafka does from the file's change. */
  get untimedWriteMs(): number {
    return this.#untimedWriteMs;
  }

  /** Appends one validated batch, setting its base offset and leader epoch in place. After a throw the log is as before.
   *  @throws {StorageError} */
  append(batch: BatchView, leaderEpoch: number, config: LogConfig): Appended {
    const { segments, epochs, producers, clock } = this.#deps;
    const baseOffset = this.#offset;
    const lastOffset = baseOffset + BigInt(batch.lastOffsetDelta);
    assertInvariant(lastOffset >= baseOffset, "a batch holds at least one offset", { lastOffset });
    batch.setBaseOffset(baseOffset);
    batch.setLeaderEpoch(leaderEpoch);
    const activeForMs = clock.nowMs() - this.#activeSinceMs;
    if (mustRollBefore({ batch, lastOffset, activeForMs }, segments.active, config)) this.roll();
    epochs.assign(leaderEpoch, baseOffset);
    segments.active.append(batch, config.indexIntervalBytes);
    const aborted = producers.update(batch);
    if (aborted !== undefined) segments.active.aborted.append(aborted);
    if (batch.maxTimestamp < 0n) this.#untimedWriteMs = clock.nowMs();
    this.#offset = lastOffset + 1n;
    return { baseOffset, lastOffset };
  }

  /** Closes the active segment and begins the next one; nothing happens while it is empty. */
  roll(): void {
    const { segments, recoveryPoint, clock } = this.#deps;
    const { active } = segments;
    if (active.sizeBytes === 0) return;
    this.seal();
    segments.push(this.#emptySegment(this.#offset));
    this.#activeSinceMs = clock.nowMs();
    recoveryPoint.flushLater(active);
  }

  /** Writes out the active segment's indexes, and what is known of producers at its end. */
  seal(): void {
    this.#deps.segments.active.seal();
    writeSnapshot(this.#deps, this.#deps.producers, this.#offset);
  }

  /** Drops the batch that holds `offset` and everything after it, and with them what epochs and producers knew of it. */
  cutAt(offset: bigint, { indexIntervalBytes, producerIdExpirationMs }: LogConfig): void {
    const { segments, epochs, producers, recoveryPoint, clock } = this.#deps;
    // The recovery point goes first: after a crash in between, what is left is checked and not believed.
    recoveryPoint.lowerTo(offset);
    removeSnapshotsAbove(this.#deps, offset);
    segments.truncateTo(offset, { indexIntervalBytes, empty: () => this.#emptySegment(offset) });
    this.#offset = segments.active.nextOffset;
    epochs.truncateFromEnd(this.#offset);
    removeSnapshotsAbove(this.#deps, this.#offset);
    rebuildProducers(this.#deps, producers, {
      segments: segments.all,
      endOffset: this.#offset,
      indexedTo: this.#offset,
      nowMs: clock.nowMs(),
      expirationMs: producerIdExpirationMs,
    });
  }

  /** Moves the end of a log without local records on to `offset`. */
  moveTo(offset: bigint): void {
    if (offset === this.#offset) return;
    const { segments } = this.#deps;
    segments.push(this.#emptySegment(offset));
    segments.removeFirst().remove();
    this.#offset = offset;
  }

  #emptySegment(baseOffset: bigint): Segment {
    const segment = new Segment(baseOffset, this.#deps);
    segment.create();
    return segment;
  }
}
