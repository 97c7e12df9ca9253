/** An archive as a mirror reads it: the lanes that copy from it are as exact, and go on as surely after a crash, as those between two
 *  clusters. It never grows: a reader that has read its range says so and brings nothing more. */

import { TributaryError, toError } from "../core/errors.ts";
import { MirrorError } from "../mirror/errors.ts";
import type {
  PartitionBounds,
  Source,
  SourceChunk,
  SourcePosition,
  SourceReader,
  TopicInfo,
  TopicPartition,
} from "../mirror/ports.ts";
import { StoreError } from "../tier/errors.ts";
import type { ObjectStore } from "../tier/ports.ts";
import { type ArchiveChunk, type ArchiveRange, RangeReader } from "../tier/restore/range-reader.ts";
import { WireError } from "../wire/errors.ts";

/** Ranges of partitions, as one cluster. */
export class ArchiveSource implements Source {
  readonly clusterId: string;
  readonly #store: ObjectStore;
  readonly #ranges = new Map<string, ArchiveRange>();
  readonly #ends = new Map<string, bigint>();

  /** No cluster has this id: lanes that restore are never taken for lanes of a mirror from the cluster that was archived. */
  constructor(archivedClusterId: string, store: ObjectStore) {
    this.clusterId = `archive:${archivedClusterId}`;
    this.#store = store;
  }

  /** Adds a partition. */
  add(at: TopicPartition, range: ArchiveRange): void {
    this.#ranges.set(keyOf(at), range);
  }

  /** The offset after the last batch of a partition's range; undefined until a reader has come that far. */
  endOf(at: TopicPartition): bigint | undefined {
    return this.#ends.get(keyOf(at));
  }

  open(at: TopicPartition, { offset }: SourcePosition): SourceReader {
    const range = this.#rangeOf(at);
    const fromOffset = offset > range.fromOffset ? offset : range.fromOffset;
    const reader = new RangeReader({ ...range, fromOffset }, this.#store);
    return new ArchiveReader(at, reader, range, (end) => this.#ends.set(keyOf(at), end));
  }

  async bounds(at: TopicPartition): Promise<PartitionBounds> {
    const { fromOffset: startOffset, endOffset } = this.#rangeOf(at);
    return { startOffset, endOffset };
  }

  /** Archived segments end before any transaction that is still open. */
  async openTransaction(): Promise<undefined> {}

  /** Who wrote into the archived cluster does not matter here. */
  async laneOfWriter(): Promise<undefined> {}

  /** A restore chooses its partitions itself. */
  async topics(): Promise<readonly TopicInfo[]> {
    return [];
  }

  #rangeOf(at: TopicPartition): ArchiveRange {
    const { topic, topicId, partition } = at;
    const range = this.#ranges.get(keyOf(at));
    if (range === undefined) throw new MirrorError({ code: "SOURCE_TOPIC_DELETED", topic, partition, topicId });
    return range;
  }
}

/** One chunk is read ahead, so that the store works while the target does. */
class ArchiveReader implements SourceReader {
  readonly #at: TopicPartition;
  readonly #reader: RangeReader;
  readonly #range: ArchiveRange;
  readonly #onEnd: (end: bigint) => void;
  #ahead: Promise<ArchiveChunk | undefined | Error> | undefined;
  #endOffset: bigint;

  constructor(at: TopicPartition, reader: RangeReader, range: ArchiveRange, onEnd: (end: bigint) => void) {
    this.#at = at;
    this.#reader = reader;
    this.#range = range;
    this.#onEnd = onEnd;
    this.#endOffset = range.endOffset;
  }

  get endOffset(): bigint {
    return this.#endOffset;
  }

  get highWatermark(): bigint {
    return this.#endOffset;
  }

  get startOffset(): bigint {
    return this.#range.fromOffset;
  }

  async next(signal: AbortSignal): Promise<SourceChunk> {
    signal.throwIfAborted();
    this.#ahead ??= this.#read();
    const chunk = await unlessAborted(this.#ahead, signal);
    this.#ahead = undefined;
    if (chunk instanceof Error) throw this.#failure(chunk);
    if (chunk === undefined) {
      this.#endOffset = this.#reader.nextOffset;
      this.#onEnd(this.#endOffset);
      this.#ahead = Promise.resolve(undefined);
      return unlessAborted(new Promise<never>(() => undefined), signal);
    }
    this.#ahead = this.#read();
    return { ...chunk, release: () => undefined, hasMore: true };
  }

  close(): void {
    this.#ahead = undefined;
  }

  /** Never rejects: nobody may come for it. */
  #read(): Promise<ArchiveChunk | undefined | Error> {
    return this.#reader.next().catch(toError);
  }

  /** A store that does not answer is tried again; an archive that is damaged is not. */
  #failure(error: Error): Error {
    const { topic, partition } = this.#at;
    const why = error.message;
    const isPassing = error instanceof StoreError && error.fault.code !== "STORE_MISSING";
    if (isPassing) return new MirrorError({ code: "SOURCE_UNAVAILABLE", topic, partition, why }, { cause: error });
    if (!(error instanceof TributaryError) && !(error instanceof WireError)) return error;
    const offset = this.#reader.nextOffset;
    return new MirrorError({ code: "SOURCE_CORRUPT", topic, partition, offset, what: why }, { cause: error });
  }
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function keyOf({ topicId, partition }: TopicPartition): string {
  return `${topicId}/${partition}`;
}
