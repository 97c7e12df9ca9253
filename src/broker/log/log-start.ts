/** Where a log starts, and the removal of what lies before: for good, or because a cold store has it. */

import type { Storage } from "../../core/storage.ts";
import { higherOffset } from "../offset-order.ts";
import type { AbortedTransactions } from "./aborted-transactions.ts";
import { type CheckpointKey, writeOffsetCheckpoint } from "./checkpoint-file.ts";
import { LogError } from "./errors.ts";
import { LOG_START_FILE } from "./file-names.ts";
import type { LeaderEpochs } from "./leader-epochs.ts";
import { snapshotPath } from "./producer-recovery.ts";
import type { Segment } from "./segment.ts";
import type { SegmentList } from "./segment-list.ts";

/** What a log's start stands on. */
export interface LogStartDeps {
  readonly storage: Storage;
  readonly directory: string;
  readonly segments: SegmentList;
  readonly epochs: LeaderEpochs;
  readonly aborted: AbortedTransactions;
}

/** The first offset of a log, wherever its data is; on file before anything is removed. */
export class LogStart {
  readonly #key: CheckpointKey;
  readonly #deps: LogStartDeps;
  #offset: bigint;

  constructor(options: CheckpointKey & { readonly offset: bigint }, deps: LogStartDeps) {
    this.#key = { topic: options.topic, partition: options.partition };
    this.#offset = options.offset;
    this.#deps = deps;
  }

  /** First offset of the log. */
  get offset(): bigint {
    return this.#offset;
  }
  /** First offset that is in the local files; above `offset` when older segments were moved away. */
  get localOffset(): bigint {
    return higherOffset(this.#deps.segments.first.baseOffset, this.#offset);
  }

  /** Sets the start without removing anything. @throws {StorageError} and then it is as before */
  set(offset: bigint): void {
    const { storage, directory } = this.#deps;
    writeOffsetCheckpoint(storage, `${directory}/${LOG_START_FILE}`, { ...this.#key, offset });
    this.#offset = offset;
  }

  /** Moves the start up, and deletes the segments that lie wholly below it. */
  raise(offset: bigint): void {
    const { segments, epochs, aborted } = this.#deps;
    this.set(offset);
    epochs.truncateFromStart(offset);
    while (segments.length > 1 && segments.at(1).baseOffset <= offset) this.#takeFirst().remove();
    aborted.deleteBelow(offset);
  }

  /** Deletes the oldest local segment, which a cold store has; the start stays.
   *  @throws {LogError} `LOG_SEGMENT_MISSING` when it is not the oldest closed one */
  dropLocal(baseOffset: bigint): void {
    const { segments, aborted } = this.#deps;
    if (segments.closedIndexOf(baseOffset) !== 0) throw new LogError({ code: "LOG_SEGMENT_MISSING", baseOffset });
    // Written before the data goes: after a restart the first file no longer tells where the log starts.
    this.set(this.#offset);
    this.#takeFirst().removeData();
    aborted.reload();
  }

  /** Takes out the oldest segment and removes the producer snapshot that only its replay would need. */
  #takeFirst(): Segment {
    const first = this.#deps.segments.removeFirst();
    this.#deps.storage.remove(snapshotPath(this.#deps, first.baseOffset));
    return first;
  }
}
