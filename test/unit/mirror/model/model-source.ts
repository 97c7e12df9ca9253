/** A source partition in memory that is read as a broker would serve it. */

import type { Clock } from "../../../../src/core/clock.ts";
import type { Random } from "../../../../src/core/random.ts";
import { MirrorError } from "../../../../src/mirror/errors.ts";
import type {
  AbortedTransaction,
  PartitionBounds,
  Source,
  SourceChunk,
  SourcePosition,
  SourceReader,
  TopicPartition,
} from "../../../../src/mirror/ports.ts";
import { BatchView } from "../../../../src/wire/record-batch.ts";

/** The log of the one source partition. */
export class ModelSourceLog {
  readonly batches: BatchView[] = [];
  aborted: (AbortedTransaction & { readonly lastOffset: bigint })[] = [];
  startOffset = 0n;
  /** Offsets behind an open transaction; their records are not modelled. */
  heldOffsets = 0n;
  epoch = 0;
  chunksRead = 0;
  chunksReleased = 0;
  #waiting: (() => void)[] = [];

  /** Resolves when the log changes, as a long poll does. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  get endOffset(): bigint {
    return this.batches.at(-1)?.nextOffset ?? 0n;
  }

  /** Appends at the end (or at `baseOffset`, for compacted logs). */
  append(batch: BatchView, baseOffset = this.endOffset): void {
    const copy = new BatchView(Buffer.from(batch.bytes), 0, batch.sizeBytes);
    copy.setBaseOffset(baseOffset);
    copy.setLeaderEpoch(this.epoch);
    this.batches.push(copy);
    this.wake();
  }

  /** Lets waiting readers look again. */
  wake(): void {
    for (const resume of this.#waiting.splice(0)) resume();
  }

  /** An unclean election: everything from `offset` on is lost. */
  truncate(offset: bigint): void {
    while ((this.batches.at(-1)?.nextOffset ?? 0n) > offset) this.batches.pop();
    this.epoch++;
    this.wake();
  }
}

/** Serves one log; each reader takes a few batches at a time, after a delay. */
export function modelSource(
  log: ModelSourceLog,
  deps: { readonly clock: Clock; readonly random: Random; readonly clusterId: string },
): Source {
  const { clock, random, clusterId } = deps;
  const pause = (): Promise<void> => new Promise((resolve) => clock.after(random.next() * 3, resolve));
  const open = (partition: TopicPartition, from: SourcePosition): SourceReader => {
    let next = from.offset;
    let lastEpoch = from.leaderEpoch;
    let closed = false;
    return {
      get endOffset() {
        return log.endOffset;
      },
      get startOffset() {
        return log.startOffset;
      },
      get highWatermark() {
        return log.endOffset + log.heldOffsets;
      },
      close() {
        closed = true;
      },
      async next(signal) {
        for (;;) {
          await pause();
          signal.throwIfAborted();
          if (closed) throw new Error("read after close");
          check(log, partition, next, lastEpoch);
          const chunk = readChunk(log, next, 1 + Math.floor(random.next() * 4));
          if (chunk === undefined) {
            await log.changed(signal);
            continue;
          }
          next = chunk.next;
          lastEpoch = chunk.epoch;
          return chunk;
        }
      },
    };
  };
  const bounds = async (): Promise<PartitionBounds> => {
    await pause();
    return { startOffset: log.startOffset, endOffset: log.endOffset };
  };
  const openTransaction = async () => ({ producerId: 77n });
  return { clusterId, open, bounds, topics: async () => [], openTransaction, laneOfWriter: async () => undefined };
}

function check(log: ModelSourceLog, { topic, partition }: TopicPartition, next: bigint, lastEpoch: number): void {
  const at = { topic, partition, fromOffset: next };
  const epochEnd = log.batches.findLast((batch) => batch.leaderEpoch <= lastEpoch)?.nextOffset;
  if (lastEpoch >= 0 && epochEnd !== undefined && epochEnd < next)
    throw new MirrorError({ code: "SOURCE_DIVERGED", ...at, endOffset: epochEnd });
  if (next < log.startOffset) throw new MirrorError({ code: "SOURCE_GAP", ...at, logStartOffset: log.startOffset });
  if (next > log.endOffset) throw new MirrorError({ code: "SOURCE_DIVERGED", ...at, endOffset: log.endOffset });
}

function readChunk(
  log: ModelSourceLog,
  from: bigint,
  batchesMax: number,
): (SourceChunk & { readonly next: bigint; readonly epoch: number }) | undefined {
  const first = log.batches.findIndex((batch) => batch.lastOffset >= from);
  if (first < 0) return undefined;
  const batches = log.batches.slice(first, first + batchesMax);
  const last = batches.at(-1);
  if (last === undefined) return undefined;
  const base = batches[0]?.baseOffset ?? 0n;
  const records = Buffer.concat(batches.map((batch) => batch.bytes));
  log.chunksRead++;
  return {
    records,
    // As if the memory were used again at once.
    release: () => {
      log.chunksReleased++;
      records.fill(0xdb);
    },
    aborted: log.aborted.filter((txn) => txn.firstOffset <= last.lastOffset && txn.lastOffset >= base),
    next: last.nextOffset,
    epoch: last.leaderEpoch,
  };
}
