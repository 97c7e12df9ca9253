/** The part of a batch that lies within a range of offsets, as batches that keep their offsets. */

import { rebuildBatch } from "../../wire/rebuild.ts";
import { type BatchView, NO_PRODUCER_ID, stampBatch } from "../../wire/record-batch.ts";
import { decodeRecords } from "../../wire/records.ts";
import type { OffsetRange } from "../../wire/segment/transaction-index.ts";

/** One batch for each stretch of offsets without a hole, with the producer and the transactional bit of the whole: it is told by them
 *  whether its transaction was aborted. Never for control batches. @throws {WireError} when the batch is malformed */
export function cutBatch(batch: BatchView, { fromOffset, endOffset }: OffsetRange): readonly BatchView[] {
  const { baseOffset, producerId, producerEpoch, isTransactional, leaderEpoch } = batch;
  const baseSequence = producerId === NO_PRODUCER_ID ? -1 : 0;
  const stamp = { producerId, producerEpoch, baseSequence, isTransactional };
  return stretches(batch, fromOffset, endOffset).flatMap(({ first, last }) => {
    const part = rebuildBatch(batch, {
      keep: ({ offsetDelta }) => offsetDelta >= first && offsetDelta <= last,
      timestamps: "append-time",
      stamp,
    });
    if (part === undefined) return [];
    stampBatch(part, stamp);
    part.setBaseOffset(baseOffset + BigInt(first));
    part.setLeaderEpoch(leaderEpoch);
    return [part];
  });
}

interface Stretch {
  readonly first: number;
  last: number;
}

/** By offset deltas, both ends included. */
function stretches(batch: BatchView, fromOffset: bigint, endOffset: bigint): readonly Stretch[] {
  const found: Stretch[] = [];
  for (const { offsetDelta } of decodeRecords(batch)) {
    const offset = batch.baseOffset + BigInt(offsetDelta);
    if (offset < fromOffset || offset >= endOffset) continue;
    const current = found.at(-1);
    if (current?.last === offsetDelta - 1) current.last = offsetDelta;
    else found.push({ first: offsetDelta, last: offsetDelta });
  }
  return found;
}
