/** The indexes of one segment: in memory while the segment is in use, in their files since it was last sealed. */

import type { Storage } from "../../core/storage.ts";
import { OffsetIndex } from "../../wire/segment/offset-index.ts";
import { TimeIndex } from "../../wire/segment/time-index.ts";
import { TransactionIndex } from "../../wire/segment/transaction-index.ts";
import { LogError } from "./errors.ts";
import type { SegmentSuffix } from "./file-names.ts";

/** Where the files are. */
export interface IndexPlace {
  readonly storage: Storage;
  readonly baseOffset: bigint;
  readonly path: (suffix: SegmentSuffix) => string;
}

/** The two indexes that every segment has. */
export interface PlaceIndexes {
  readonly offsets: OffsetIndex;
  readonly times: TimeIndex;
}

/** Reads a file when it is first asked for what is in it. */
export class SegmentIndexes {
  readonly #place: IndexPlace;
  #places: PlaceIndexes | undefined;
  #aborted: TransactionIndex | undefined;

  constructor(place: IndexPlace) {
    this.#place = place;
  }

  /** @throws {LogError} `LOG_BAD_FILE` */
  get offsets(): OffsetIndex {
    return this.#opened.offsets;
  }
  /** @throws {LogError} `LOG_BAD_FILE` */
  get times(): TimeIndex {
    return this.#opened.times;
  }
  /** Transactions whose abort marker lies in the segment. @throws {LogError} `LOG_BAD_FILE` */
  get aborted(): TransactionIndex {
    this.#aborted ??= this.#readAborted();
    if (this.#aborted === undefined) throw this.#damaged(".txnindex");
    return this.#aborted;
  }
  /** Bytes of the offset index, as far as it is in memory. */
  get sizeBytes(): number {
    return this.#places?.offsets.sizeBytes ?? 0;
  }

  /** What the files say of offsets and times; undefined when one is missing or damaged. */
  readPlaces(): PlaceIndexes | undefined {
    const { storage, path } = this.#place;
    const [index, timeIndex] = [path(".index"), path(".timeindex")];
    if (!storage.exists(index) || !storage.exists(timeIndex)) return undefined;
    const offsets = OffsetIndex.parse(storage.readFile(index));
    const times = TimeIndex.parse(storage.readFile(timeIndex));
    return offsets === undefined || times === undefined ? undefined : { offsets, times };
  }

  /** Replaces what is in memory. */
  use(places: PlaceIndexes): void {
    this.#places = places;
  }

  /** Starts with empty indexes of offsets and times. */
  clearPlaces(): void {
    this.#places = { offsets: new OffsetIndex(), times: new TimeIndex() };
  }

  /** Removes a damaged index of aborted transactions; false when there was one, so that it must be found in the log again. */
  dropDamagedAborted(): boolean {
    if (this.#readAborted() !== undefined) return true;
    this.#place.storage.remove(this.#place.path(".txnindex"));
    return false;
  }

  /** Writes all to their files; that of aborted transactions first, which nobody would miss. */
  save(): void {
    const { storage, path } = this.#place;
    this.saveAborted();
    storage.writeFile(path(".index"), this.offsets.toBytes());
    storage.writeFile(path(".timeindex"), this.times.toBytes());
  }

  /** Kafka makes this file only when a transaction was aborted. */
  saveAborted(): void {
    const { storage, path } = this.#place;
    const { aborted } = this;
    if (aborted.sizeBytes > 0) storage.writeFile(path(".txnindex"), aborted.toBytes());
    else storage.remove(path(".txnindex"));
  }

  /** Forgets what is in memory, but for the knowledge that nothing was aborted: searches ask every segment for it. */
  release(): void {
    this.#places = undefined;
    if (this.#aborted?.sizeBytes !== 0) this.#aborted = undefined;
  }

  get #opened(): PlaceIndexes {
    this.#places ??= this.readPlaces();
    if (this.#places === undefined) throw this.#damaged(".index");
    return this.#places;
  }

  #readAborted(): TransactionIndex | undefined {
    const { storage, path, baseOffset } = this.#place;
    const file = path(".txnindex");
    return storage.exists(file) ? TransactionIndex.parse(storage.readFile(file), baseOffset) : new TransactionIndex();
  }

  #damaged(suffix: SegmentSuffix): LogError {
    return new LogError({ code: "LOG_BAD_FILE", path: this.#place.path(suffix), what: "missing or damaged index" });
  }
}
