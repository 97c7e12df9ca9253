/** The broker's ColdStore over the archives in one or more object stores. */

import type { ColdBatches, ColdPartition, ColdRange, ColdRecord, ColdStore } from "../broker/ports.ts";
import type { Uuid } from "../core/brand.ts";
import type { ColdReader } from "../tier/cold-reader.ts";
import { archivedTo } from "../tier/manifest.ts";
import type { ArchivedPartition } from "../tier/ports.ts";
import { batchesIn } from "../wire/record-batch.ts";
import type { AbortedTransaction, OffsetRange } from "../wire/segment/transaction-index.ts";

/** Asks the archives in turn; `clusterId` is asked at each read: a new region has none before it is open, and a bucket may hold
 *  topics of several. */
export function coldStoreOver(readers: readonly ColdReader[], clusterId: (topicId: Uuid) => string): ColdStore {
  const archived = ({ topic, topicId, partition }: ColdPartition): ArchivedPartition => {
    return { clusterId: clusterId(topicId), topic, topicId, partition };
  };
  return {
    read: async (request, signal) => {
      const { offset, endOffset, maxBytes, isCommittedOnly } = request;
      const partition = archived(request);
      let afterHole: ColdBatches | undefined;
      for (const reader of readers) {
        const batches = await reader.read({ partition, offset, maxBytes }, signal);
        if (batches === undefined) continue;
        const { bytes: records, nextOffset } = batches;
        const isCut = nextOffset > endOffset;
        const range = { fromOffset: offset, endOffset: isCut ? endOffset : nextOffset };
        const asked = isCommittedOnly ? [reader, ...readers.filter((other) => other !== reader)] : [];
        const answer = { records, abortedTransactions: await abortedAmong(asked, partition, range) };
        // What one archive lacks another one may have.
        if (baseOffsetOf(answer) <= offset) return answer;
        if (afterHole === undefined || baseOffsetOf(answer) < baseOffsetOf(afterHole)) afterHole = answer;
      }
      return afterHole;
    },
    offsetForTimestamp: async (range, timestampMs, signal) => {
      const ask = (reader: ColdReader) => reader.offsetForTimestamp(inArchive(range), timestampMs, signal);
      return best(await found(readers, ask), isEarlier);
    },
    latestRecord: async (range, signal) =>
      best(await found(readers, (reader) => reader.latestRecord(inArchive(range), signal)), isLater),
    endOffset: async (partition) => {
      const ends = await found(readers, async (reader) => archivedTo(await reader.refresh(archived(partition))));
      return best(ends, (a, b) => a > b);
    },
  };

  function inArchive(range: ColdRange) {
    return { partition: archived(range), startOffset: range.startOffset, endOffset: range.endOffset };
  }
}

/** As the first archive knows them, and where that ends too early as the next ones do. */
async function abortedAmong(
  readers: readonly ColdReader[],
  partition: ArchivedPartition,
  range: OffsetRange,
): Promise<readonly AbortedTransaction[]> {
  const found = new Map<string, AbortedTransaction>();
  for (const reader of readers) {
    const { transactions, isComplete } = await reader.abortedTransactions(partition, range);
    for (const each of transactions) found.set(`${each.producerId} ${each.firstOffset}`, each);
    if (isComplete) break;
  }
  return [...found.values()];
}

function baseOffsetOf({ records }: ColdBatches): bigint {
  for (const batch of batchesIn(records)) return batch.baseOffset;
  return -1n;
}

function isEarlier(a: ColdRecord, b: ColdRecord): boolean {
  return a.offset < b.offset;
}

function isLater(a: ColdRecord, b: ColdRecord): boolean {
  return a.timestampMs > b.timestampMs || (a.timestampMs === b.timestampMs && a.offset < b.offset);
}

async function found<T>(
  readers: readonly ColdReader[],
  ask: (reader: ColdReader) => Promise<T | undefined>,
): Promise<readonly T[]> {
  const answers: T[] = [];
  for (const reader of readers) {
    const answer = await ask(reader);
    if (answer !== undefined) answers.push(answer);
  }
  return answers;
}

function best<T>(answers: readonly T[], isBetter: (a: T, b: T) => boolean): T | undefined {
  return answers.reduce<T | undefined>((so, each) => (so === undefined || isBetter(each, so) ? each : so), undefined);
}
