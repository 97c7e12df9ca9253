/** How far a log is known to be on the disk, and the quiet flushing of sealed segments that moves it. */

import type { Logger } from "../../core/logger.ts";
import type { Storage } from "../../core/storage.ts";
import { type CheckpointKey, writeOffsetCheckpoint } from "./checkpoint-file.ts";
import type { Segment } from "./segment.ts";
import type { SegmentList } from "./segment-list.ts";

/** What a recovery point stands on. */
export interface RecoveryPointDeps {
  readonly storage: Storage;
  readonly logger: Logger;
  readonly segments: SegmentList;
}

/** Everything below `offset` is on the disk and sound. Kept in a checkpoint file, which may lag behind. */
export class RecoveryPoint {
  readonly #path: string;
  readonly #key: CheckpointKey;
  readonly #deps: RecoveryPointDeps;
  #offset: bigint;
  #flushing: Promise<void> = Promise.resolve();
  /** Changes when flushes under way prove nothing any more: after a truncation, and at the end. */
  #generation = 0;
  #isStopped = false;

  constructor(options: CheckpointKey & { readonly path: string; readonly offset: bigint }, deps: RecoveryPointDeps) {
    this.#path = options.path;
    this.#key = { topic: options.topic, partition: options.partition };
    this.#offset = options.offset;
    this.#deps = deps;
  }

  /** The offset below which nothing needs checking or syncing. */
  get offset(): bigint {
    return this.#offset;
  }

  /** Sets it to `offset` after everything below was synced. @throws {StorageError} */
  set(offset: bigint): void {
    writeOffsetCheckpoint(this.#deps.storage, this.#path, { ...this.#key, offset });
    this.#offset = offset;
  }

  /** To be called before a log is cut at `offset`: what comes after the cut is not believed unless synced anew. */
  lowerTo(offset: bigint): void {
    this.#generation += 1;
    if (offset < this.#offset) this.set(offset);
  }

  /** Brings a sealed segment to the disk in the background and then moves over it. A failure is no loss: the point stays
   *  where it is, and the next sync of the log meets the same fault. */
  flushLater(segment: Segment): void {
    const generation = this.#generation;
    const endOffset = segment.nextOffset;
    const isCurrent = (): boolean => generation === this.#generation && this.#deps.segments.has(segment);
    this.#flushing = this.#flushing.then(async () => {
      if (!isCurrent()) return;
      try {
        await segment.sync();
        if (!isCurrent()) return;
        this.#deps.segments.keepOpen(segment);
        if (segment.baseOffset <= this.#offset) this.set(endOffset);
      } catch (error) {
        if (isCurrent()) this.#deps.logger.warn("segment not flushed", { path: segment.path(".log"), error });
      }
    });
  }

  /** Waits until all segments as they are now are on the disk; the point stays where it is. @throws {StorageError} */
  async syncAll(): Promise<void> {
    const { segments } = this.#deps;
    for (const segment of this.#unsynced()) {
      // While this waits, segments may be truncated or deleted, and `finish` syncs what is left itself.
      if (this.#isStopped || !segments.has(segment)) continue;
      await segment.sync();
      if (!this.#isStopped && segments.has(segment)) segments.keepOpen(segment);
    }
  }

  /** After `stop`: brings everything to the disk and sets the point to the log's end. @throws {StorageError} */
  async finish(endOffset: bigint): Promise<void> {
    for (const segment of this.#unsynced()) await segment.sync();
    this.set(endOffset);
  }

  #unsynced(): readonly Segment[] {
    return this.#deps.segments.all.filter((segment) => segment.nextOffset > this.#offset);
  }

  /** Ends flushing; resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#generation += 1;
    await this.#flushing;
  }
}
