/** A broker's ColdStore of which each partition ends earlier than the store does, perhaps within a batch: that one is cut. */

import type { ColdPartition, ColdStore } from "../broker/ports.ts";
import { cutBatch } from "../tier/restore/cut-batch.ts";
import { batchesIn } from "../wire/record-batch.ts";

/** `endOf` tells the end of a partition; undefined where it ends as in the store. */
export function coldStoreUntil(store: ColdStore, endOf: (partition: ColdPartition) => bigint | undefined): ColdStore {
  return {
    read: async (request, signal) => {
      const end = endOf(request);
      const read = await store.read(request, signal);
      return end === undefined || read === undefined ? read : { ...read, records: cutAt(end, read.records) };
    },
    offsetForTimestamp: (range, timestampMs, signal) => store.offsetForTimestamp(range, timestampMs, signal),
    latestRecord: (range, signal) => store.latestRecord(range, signal),
    endOffset: async (partition) => {
      const [end, held] = [endOf(partition), await store.endOffset(partition)];
      return end === undefined || held === undefined || held < end ? held : end;
    },
  };
}

function cutAt(endOffset: bigint, records: Buffer): Buffer {
  let sizeBytes = 0;
  for (const batch of batchesIn(records)) {
    if (batch.nextOffset <= endOffset) {
      sizeBytes += batch.sizeBytes;
      continue;
    }
    const whole = records.subarray(0, sizeBytes);
    if (batch.baseOffset >= endOffset) return whole;
    const parts = cutBatch(batch, { fromOffset: batch.baseOffset, endOffset }).map(({ bytes }) => bytes);
    return Buffer.concat([whole, ...parts]);
  }
  return records;
}
