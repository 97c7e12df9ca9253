/** Which leader epoch wrote from which offset on (Kafka's `LeaderEpochFileCache`), kept in `leader-epoch-checkpoint`. */

import { assertInvariant } from "../../core/errors.ts";
import type { Storage } from "../../core/storage.ts";
import { readCheckpoint, writeCheckpoint } from "./checkpoint-file.ts";

/** An epoch and the first offset written under it. */
export interface EpochStart {
  readonly epoch: number;
  readonly startOffset: bigint;
}

/** Answer of OffsetForLeaderEpoch; epoch -1 and offset -1 when the epoch is not known. */
export interface EpochEnd {
  readonly epoch: number;
  readonly endOffset: bigint;
}

const UNKNOWN: EpochEnd = { epoch: -1, endOffset: -1n };

/** Epochs rise, start offsets never fall. Every change is written to the file before it counts. */
export class LeaderEpochs {
  readonly #storage: Storage;
  readonly #path: string;
  #entries: readonly EpochStart[] = [];

  /** Starts empty; `load` reads the file. */
  constructor(path: string, deps: { readonly storage: Storage }) {
    this.#path = path;
    this.#storage = deps.storage;
  }

  /** Takes the entries of the file; false when it is missing or damaged, and they must be found in the batches. */
  load(): boolean {
    const rows = readCheckpoint(this.#storage, this.#path);
    const entries = rows?.map(([epoch, start]) => ({ epoch: Number(epoch), startOffset: BigInt(start ?? "0") }));
    this.#entries = entries ?? [];
    return entries !== undefined;
  }

  /** All epochs, oldest first. */
  get entries(): readonly EpochStart[] {
    return this.#entries;
  }

  /** The newest epoch, -1 before the first. */
  get latest(): number {
    return this.#entries.at(-1)?.epoch ?? -1;
  }

  /** Notes that `epoch` writes from `startOffset` on; nothing happens when it is the latest already. */
  assign(epoch: number, startOffset: bigint): void {
    const last = this.#entries.at(-1);
    if (last !== undefined && epoch === last.epoch) return;
    assertInvariant(epoch > this.latest, "leader epochs never go back", { epoch, latest: this.latest });
    // An epoch that wrote nothing ends where it began: only the newest one is kept, as in Kafka.
    this.#replace([...this.#entries.filter((entry) => entry.startOffset < startOffset), { epoch, startOffset }]);
  }

  /** Where `epoch`, or the newest one before it, ended (Kafka, `LeaderEpochFileCache.endOffsetFor`). */
  endOf(epoch: number, logEndOffset: bigint): EpochEnd {
    if (epoch < 0) return UNKNOWN;
    if (epoch === this.latest) return { epoch, endOffset: logEndOffset };
    const higher = this.#entries.find((entry) => entry.epoch > epoch);
    if (higher === undefined) return UNKNOWN;
    const floor = this.#entries.findLast((entry) => entry.epoch <= epoch);
    return { epoch: floor?.epoch ?? epoch, endOffset: higher.startOffset };
  }

  /** Forgets epochs that start at or past the new end. */
  truncateFromEnd(endOffset: bigint): void {
    const kept = this.#entries.filter((entry) => entry.startOffset < endOffset);
    if (kept.length !== this.#entries.length) this.#replace(kept);
  }

  /** Forgets epochs that ended at or before the new start; the one that covers it now starts there. */
  truncateFromStart(startOffset: bigint): void {
    const covering = this.#entries.findLast((entry) => entry.startOffset <= startOffset);
    if (covering === undefined || covering.startOffset === startOffset) {
      const kept = this.#entries.filter((entry) => entry.startOffset >= startOffset);
      if (kept.length !== this.#entries.length) this.#replace(kept);
      return;
    }
    const later = this.#entries.filter((entry) => entry.startOffset > startOffset);
    this.#replace([{ epoch: covering.epoch, startOffset }, ...later]);
  }

  /** Takes over the epochs of a log whose records are elsewhere, oldest first. */
  adopt(entries: readonly EpochStart[]): void {
    assertInvariant((entries.at(-1)?.epoch ?? -1) >= this.latest, "leader epochs never go back", {
      latest: this.latest,
    });
    this.#replace(entries);
  }

  #replace(entries: readonly EpochStart[]): void {
    writeCheckpoint(
      this.#storage,
      this.#path,
      entries.map((entry) => [entry.epoch, entry.startOffset]),
    );
    this.#entries = entries;
  }
}
