/** The one segment of a partition that is being cut, in a file: it fills, closes, is archived, and goes.
 *
 *  ```
 *  <directory>/segment.json   where it begins, since when it is open, and where it ends once it is closed
 *  <directory>/segment.log    its batches
 *  ```
 *  "A spool is believed as far as its batches are whole": after a crash the file is read again, and cut where it is torn. What is
 *  cut off is still in the cluster, since nothing is deleted there before it is archived; so nothing here waits for the disk. */

import type { Storage, StorageFile } from "../../core/storage.ts";
import { WireError } from "../../wire/errors.ts";
import type { BatchView } from "../../wire/record-batch.ts";
import { freeMemory } from "../object-body.ts";
import type { ClosedSegment, GapCause, ObjectBody, SegmentFiles } from "../ports.ts";
import { walkSegment } from "../segment-walk.ts";
import { SegmentIndexer, type SegmentStart } from "./segment-indexer.ts";
import { decodeSpoolFacts, encodeSpoolFacts, type SpoolFacts } from "./spool-facts.ts";

const FACTS_FILE = "segment.json";
const DATA_FILE = "segment.log";

/** Where a spool is, and how its segments are indexed. */
export interface SpoolOptions {
  readonly directory: string;
  readonly indexIntervalBytes: number;
}

/** How a segment begins. */
export interface SpoolStart extends SegmentStart {
  readonly openedAtMs: number;
  readonly leadingGap: GapCause | undefined;
}

/** At most one segment; files are held open until `release`. */
export class Spool {
  readonly #options: SpoolOptions;
  readonly #storage: Storage;
  #facts: SpoolFacts | undefined;
  #indexer: SegmentIndexer | undefined;
  #file: StorageFile | undefined;

  private constructor(options: SpoolOptions, storage: Storage) {
    this.#options = options;
    this.#storage = storage;
  }

  /** Reads what a former process left. @throws {StorageError} */
  static async open(options: SpoolOptions, deps: { readonly storage: Storage }): Promise<Spool> {
    const spool = new Spool(options, deps.storage);
    deps.storage.makeDirectory(options.directory);
    await spool.#recover();
    return spool;
  }

  /** Undefined while there is no segment. */
  get segment(): SegmentIndexer | undefined {
    return this.#indexer;
  }
  get sizeBytes(): number {
    return this.#indexer?.sizeBytes ?? 0;
  }
  /** Wall time since which the segment is open. */
  get openedAtMs(): number | undefined {
    return this.#facts?.openedAtMs;
  }
  /** The segment once it takes no more. */
  get closed(): ClosedSegment | undefined {
    const [facts, indexer] = [this.#facts, this.#indexer];
    if (facts?.isClosed !== true || indexer === undefined) return undefined;
    const { baseOffset, nextOffset, sizeBytes, maxTimestampMs } = indexer;
    const times = { maxTimestampMs: Number(maxTimestampMs) };
    return { baseOffset, nextOffset, sizeBytes, ...times, leadingGap: facts.leadingGap };
  }

  /** Begins a segment, in place of what was there. @throws {StorageError} */
  begin(start: SpoolStart): void {
    this.clear();
    this.#write({ ...start, isClosed: false });
    this.#indexer = new SegmentIndexer(start, this.#options);
  }

  /** Appends batches that follow one another in one buffer, up to the first before which the segment closes; true when there was
   *  one. After a throw the segment is given up. @throws {StorageError} */
  append(batches: readonly BatchView[], closesBefore: (batch: BatchView, segment: SegmentIndexer) => boolean): boolean {
    const [first] = batches;
    const segment = this.#indexer;
    if (first === undefined || segment === undefined) return false;
    let end = first.start;
    for (const batch of batches) {
      if (closesBefore(batch, segment)) break;
      segment.add(batch);
      end = batch.start + batch.sizeBytes;
    }
    try {
      this.#opened().append([first.buffer.subarray(first.start, end)]);
    } catch (error) {
      this.clear();
      throw error;
    }
    const last = batches.at(-1);
    return last !== undefined && end < last.start + last.sizeBytes;
  }

  /** From now on the segment does not change. @throws {StorageError} */
  close(): void {
    if (this.#facts !== undefined) this.#write({ ...this.#facts, isClosed: true });
  }

  /** Drops the batch that holds `offset` and all behind it; what is left takes more again. @throws {StorageError} */
  async cutTo(offset: bigint): Promise<void> {
    if (this.#facts === undefined) return;
    this.#write({ ...this.#facts, isClosed: false });
    await this.#read((batch) => batch.nextOffset <= offset);
  }

  /** The files of the closed segment. */
  files(): SegmentFiles {
    const indexer = this.#indexer;
    if (indexer === undefined) throw new Error("the spool holds no segment");
    const log: ObjectBody = {
      sizeBytes: indexer.sizeBytes,
      read: (start, endExclusive) => this.#opened().read(start, endExclusive - start),
      release: freeMemory,
    };
    return { log, ...indexer.files(), leaderEpochs: indexer.leaderEpochs };
  }

  /** Forgets the segment. The facts go first: data without them is nothing. */
  clear(): void {
    this.release();
    this.#facts = undefined;
    this.#indexer = undefined;
    this.#storage.remove(this.#path(FACTS_FILE));
    this.#storage.remove(this.#path(DATA_FILE));
  }

  /** Closes the file until it is needed again. Idempotent. */
  release(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  async #recover(): Promise<void> {
    const path = this.#path(FACTS_FILE);
    this.#facts = this.#storage.exists(path) ? decodeSpoolFacts(this.#storage.readFile(path)) : undefined;
    if (this.#facts === undefined) {
      this.clear();
      return;
    }
    await this.#read(() => true);
    this.release();
  }

  /** Reads the data from its beginning, up to the first batch that is damaged or not wanted, and cuts there. */
  async #read(wanted: (batch: BatchView) => boolean): Promise<void> {
    if (this.#facts === undefined) return;
    const indexer = new SegmentIndexer(this.#facts, this.#options);
    const file = this.#opened();
    const body = {
      sizeBytes: file.sizeBytes,
      read: (start: number, end: number) => file.read(start, end - start),
    };
    let isOver = false;
    await walkSegment(body, (batch) => {
      isOver ||= batch.baseOffset < indexer.nextOffset || !wanted(batch);
      if (isOver) return;
      batch.verifyCrc();
      indexer.add(batch);
    }).catch((error: unknown) => {
      if (!(error instanceof WireError)) throw error;
    });
    this.#indexer = indexer;
    const isTorn = file.sizeBytes > indexer.sizeBytes;
    if (isTorn) file.truncate(indexer.sizeBytes);
    // A closed segment that lost its end, or all that it had, is open again: what is missing comes from the cluster. An empty segment
    // must never be archived, since no manifest can name it.
    if (this.#facts.isClosed && (isTorn || indexer.sizeBytes === 0)) this.#write({ ...this.#facts, isClosed: false });
  }

  #write(facts: SpoolFacts): void {
    this.#storage.writeFile(this.#path(FACTS_FILE), encodeSpoolFacts(facts));
    this.#facts = facts;
  }

  #opened(): StorageFile {
    this.#file ??= this.#storage.open(this.#path(DATA_FILE), { create: true });
    return this.#file;
  }

  #path(name: string): string {
    return `${this.#options.directory}/${name}`;
  }
}
