/** Cuts the segments of one partition of a Kafka cluster from what it fetches, one after the other, into a spool.
 *
 *  "A segment begins where the archive ends": whatever else the spool holds, after a crash or a race with another archiver, is
 *  given up and fetched anew. */

import type { FetchedPartition } from "../client/fetch.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import type { Clock } from "../core/clock.ts";
import type { PartitionBounds } from "../mirror/ports.ts";
import { archiveFailure } from "../tier/archive-failure.ts";
import { ArchiveError } from "../tier/errors.ts";
import type { ArchivedPartition, ArchiveEnd, ClosedSegment, GapCause } from "../tier/ports.ts";
import { type CutRule, closesBefore, isOverdue } from "../tier/segment-cutting/cut-rule.ts";
import { addressable } from "../tier/segment-cutting/segment-indexer.ts";
import type { Spool } from "../tier/segment-cutting/spool.ts";
import { asBatches } from "../wire/message-set.ts";
import { type BatchView, batchesIn } from "../wire/record-batch.ts";
import { boundsNow } from "./kafka-archived-topics.ts";
import { fetchSegment, type SegmentAnswer } from "./kafka-segment-fetch.ts";

/** One answer: large enough that the round trip does not count, small beside the memory of a process that fetches from several. */
const FETCH_BYTES = 4 * 1024 * 1024;
/** Asked for at the end of a segment, so that little is fetched twice. */
const FETCH_BYTES_MIN = 64 * 1024;

/** What a cutter works with. */
export interface CutterDeps {
  readonly client: KafkaClient;
  readonly clock: Clock;
  readonly spool: Spool;
  /** True when the spools of all partitions together have their fill: segments then close early. */
  readonly isFull: () => boolean;
  /** Waits until so many bytes may be fetched. */
  readonly pace: (bytes: number) => Promise<void>;
}

/** How a pass of one partition is made. */
export interface CutOptions {
  readonly rule: CutRule;
  /** Closes what there is, full or not. */
  readonly closeAll: boolean;
  /** What becomes of offsets that the cluster deleted before they were archived. */
  readonly onGap: "record" | "stop";
}

/** Lives as long as its partition. */
export class KafkaSegmentCutter {
  readonly partition: ArchivedPartition;
  readonly #deps: CutterDeps;
  /** Where the archive ended when it was last asked; undefined before. */
  #base: bigint | undefined;
  #hasArchive = false;
  #epochBefore = -1;

  constructor(partition: ArchivedPartition, deps: CutterDeps) {
    this.partition = partition;
    this.#deps = deps;
  }

  get spool(): Spool {
    return this.#deps.spool;
  }

  /** The offset that is fetched next; undefined before the archive was asked. */
  get nextOffset(): bigint | undefined {
    return this.spool.segment?.nextOffset ?? this.#base;
  }

  /** Fills the spool from the cluster until its segment closes or the last stable offset is reached; the segment once it is closed.
   *  @throws {ArchiveError} `ARCHIVE_GAP`, `ARCHIVE_DIVERGED` @throws {ClientError | WireError | StorageError} */
  async cut(
    bounds: PartitionBounds,
    options: CutOptions,
    archiveEnd: () => Promise<ArchiveEnd | undefined>,
  ): Promise<ClosedSegment | undefined> {
    const { spool } = this.#deps;
    if (!this.#hasNews(bounds, options)) return undefined;
    try {
      this.#settle(bounds, await archiveEnd());
      if (spool.closed === undefined) await this.#fill(bounds, options);
      const { segment } = spool;
      if (spool.closed === undefined && segment !== undefined && segment.sizeBytes > 0 && this.#isDue(options))
        spool.close();
      return spool.closed;
    } finally {
      if (spool.closed === undefined) spool.release();
    }
  }

  /** What was fetched of a topic that is gone is archived as it is; undefined when there is nothing. */
  async rest(archiveEnd: () => Promise<ArchiveEnd | undefined>): Promise<ClosedSegment | undefined> {
    const { spool } = this.#deps;
    const { segment } = spool;
    if (segment === undefined) return undefined;
    const end = await archiveEnd();
    if (segment.sizeBytes === 0 || (end !== undefined && end.nextOffset !== segment.baseOffset)) spool.clear();
    else if (spool.closed === undefined) spool.close();
    return spool.closed;
  }

  /** Gives the spool's segment up: it is in the archive. */
  archived(): void {
    const { segment } = this.spool;
    if (segment !== undefined) {
      this.#base = segment.nextOffset;
      this.#hasArchive = true;
      this.#epochBefore = segment.leaderEpochs.at(-1)?.epoch ?? this.#epochBefore;
    }
    this.spool.clear();
  }

  /** Nobody asks the store about a partition where nothing happens. */
  #hasNews(bounds: PartitionBounds, options: CutOptions): boolean {
    const { spool, nextOffset } = this;
    if (this.#base === undefined || nextOffset === undefined || spool.closed !== undefined) return true;
    if (bounds.endOffset !== nextOffset || bounds.startOffset > nextOffset) return true;
    return spool.sizeBytes > 0 && this.#isDue(options);
  }

  #isDue({ closeAll, rule }: CutOptions): boolean {
    const { openedAtMs } = this.spool;
    return closeAll || (openedAtMs !== undefined && isOverdue(openedAtMs, this.#deps.clock.nowMs(), rule));
  }

  /** Decides where the segment begins, and whether what is in the spool is it. */
  #settle({ startOffset }: PartitionBounds, end: ArchiveEnd | undefined): void {
    const { spool } = this.#deps;
    const spooled = spool.segment?.baseOffset;
    // Without an archive the log start is the beginning, unless the cluster went past it since the first segment was begun.
    const first = spooled !== undefined && spooled < startOffset ? spooled : startOffset;
    this.#base = end?.nextOffset ?? first;
    this.#hasArchive = end !== undefined;
    this.#epochBefore = end?.leaderEpoch ?? -1;
    if (spooled !== undefined && spooled !== this.#base) spool.clear();
  }

  async #fill(known: PartitionBounds, options: CutOptions): Promise<void> {
    const { spool } = this.#deps;
    let bounds = known;
    while (spool.closed === undefined) {
      const next = this.nextOffset ?? bounds.startOffset;
      const isGap = next < bounds.startOffset;
      if (isGap && this.#endsAtGap(bounds, options)) return;
      if (next === bounds.endOffset) return;
      const maxBytes = Math.min(FETCH_BYTES, Math.max(options.rule.segmentBytes - spool.sizeBytes, FETCH_BYTES_MIN));
      const offset = isGap ? bounds.startOffset : next;
      const answer = await this.#fetch({ offset, maxBytes, isGap });
      if (answer.kind === "out-of-range") bounds = answer.bounds;
      else if (answer.kind === "diverged") await this.#cutBack(answer.endOffset);
      else if (!(await this.#take(answer.fetched, { offset, isGap, rule: options.rule }))) return;
    }
  }

  /** As `fetchSegment`, with what the cluster has instead where that is in reach. @throws {ArchiveError} `ARCHIVE_DIVERGED` */
  async #fetch(from: {
    readonly offset: bigint;
    readonly maxBytes: number;
    readonly isGap: boolean;
  }): Promise<
    | Exclude<SegmentAnswer, { readonly kind: "out-of-range" }>
    | { readonly kind: "out-of-range"; readonly bounds: PartitionBounds }
  > {
    const { client } = this.#deps;
    const { partition } = this;
    const { offset, maxBytes } = from;
    // Behind a gap the epoch of what lies before it proves nothing.
    const lastEpoch = from.isGap ? -1 : (this.spool.segment?.leaderEpochs.at(-1)?.epoch ?? this.#epochBefore);
    const answer = await fetchSegment(client, { partition, offset, lastEpoch, maxBytes });
    if (answer.kind !== "out-of-range") return answer;
    const bounds = await boundsNow(client, partition);
    if (offset < bounds.startOffset) return { kind: "out-of-range", bounds };
    if (offset > bounds.endOffset) throw this.#diverged(bounds.endOffset);
    // The leader does not know the epoch any more, as when the log start is past it.
    const again = await fetchSegment(client, { partition, offset, lastEpoch: -1, maxBytes });
    if (again.kind === "out-of-range") throw this.#diverged(bounds.endOffset);
    return again;
  }

  /** A segment that ends where the cluster deleted what followed is closed; with none, the gap leads the next one.
   *  @throws {ArchiveError} `ARCHIVE_GAP` */
  #endsAtGap({ startOffset }: PartitionBounds, { onGap }: CutOptions): boolean {
    if (this.spool.sizeBytes > 0) {
      this.spool.close();
      return true;
    }
    if (onGap === "stop") throw this.#gap(startOffset, "onGap: record goes on behind them");
    return false;
  }

  /** What was fetched was lost again in the cluster, as by an unclean election. @throws {ArchiveError} `ARCHIVE_DIVERGED` */
  async #cutBack(endOffset: bigint): Promise<void> {
    if (this.spool.sizeBytes === 0 || endOffset < (this.#base ?? 0n)) throw this.#diverged(endOffset);
    await this.spool.cutTo(endOffset);
  }

  /** False when there was nothing. */
  async #take(
    fetched: FetchedPartition,
    from: { readonly offset: bigint; readonly isGap: boolean; readonly rule: CutRule },
  ): Promise<boolean> {
    const { spool } = this.#deps;
    const before = spool.sizeBytes;
    const fresh = [...batchesIn(asBatches(fetched.records))].filter(({ nextOffset }) => nextOffset > from.offset);
    const [first] = fresh;
    if (first === undefined) return false;
    for (const batch of fresh) batch.verifyCrc();
    if (before === 0) this.#begin(first, fetched, from.isGap ? "retention" : undefined);
    else if (first.baseOffset < from.offset) throw this.#diverged(first.baseOffset);
    const isFull = spool.append(fresh, (batch, segment) => closesBefore(batch, segment, from.rule));
    fetched.release();
    if (isFull || this.#deps.isFull()) spool.close();
    await this.#deps.pace(spool.sizeBytes - before);
    return true;
  }

  /** Transactions that reach into the segment from before are in the list of its first fetch. */
  #begin(first: BatchView, { abortedTransactions }: FetchedPartition, leadingGap: GapCause | undefined): void {
    const base = this.#base ?? first.baseOffset;
    // A log may start within a batch, which is archived as a whole.
    const baseOffset = this.#hasArchive || base < first.baseOffset ? base : first.baseOffset;
    if (first.baseOffset < baseOffset) throw this.#diverged(first.baseOffset);
    if (!addressable(baseOffset, first.lastOffset))
      throw this.#gap(first.baseOffset, "archive the topic in a new place");
    const earlierTransactions = abortedTransactions.filter(({ firstOffset }) => firstOffset < first.baseOffset);
    this.spool.begin({ baseOffset, earlierTransactions, leadingGap, openedAtMs: this.#deps.clock.nowMs() });
  }

  #gap(localFrom: bigint, remedy: string): ArchiveError {
    const { topic, partition } = this.partition;
    const archivedTo = this.#base ?? 0n;
    const what = `${topic}-${partition}: offsets ${archivedTo} to ${localFrom - 1n} were deleted in the cluster before they could be archived`;
    return new ArchiveError(
      { code: "ARCHIVE_GAP", topic, partition, archivedTo, localFrom },
      { message: `${what}; ${remedy}` },
    );
  }

  #diverged(clusterEnd: bigint): ArchiveError {
    const { topic, partition } = this.partition;
    return archiveFailure({
      code: "ARCHIVE_DIVERGED",
      topic,
      partition,
      archivedTo: this.nextOffset ?? 0n,
      clusterEnd,
    });
  }
}
