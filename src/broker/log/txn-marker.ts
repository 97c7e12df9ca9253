/** The end of a transaction in a log: a control batch of one record (Kafka: `EndTransactionMarker`).
 *
 *  ```
 *  key: see `control-batch.ts`      value: version i16 = 0 | coordinatorEpoch i32
 *  ``` */

import { decodeControlKey, encodeControlKey } from "../../wire/control-batch.ts";
import type { BatchView } from "../../wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../wire/records.ts";

const VERSION = 0;
const VALUE_BYTES = 6;

/** What a marker says. */
export interface TxnMarker {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly committed: boolean;
  /** Term of the coordinator that wrote it; a partition refuses markers of an older one. */
  readonly coordinatorEpoch: number;
}

/** The batch to be appended. With `isAppendTime` the time is marked as the broker's, as every batch of such a topic is. */
export function markerBatch(
  marker: TxnMarker,
  at: { readonly nowMs: number; readonly isAppendTime: boolean },
): BatchView {
  const key = encodeControlKey(marker.committed ? "commit" : "abort");
  const value = Buffer.alloc(VALUE_BYTES);
  value.writeInt16BE(VERSION, 0);
  value.writeInt32BE(marker.coordinatorEpoch, 2);
  const timestampMs = BigInt(Math.trunc(at.nowMs));
  const { producerId, producerEpoch } = marker;
  return encodeBatch([{ timestampMs, key, value }], {
    ...{ producerId, producerEpoch, baseSequence: -1, isTransactional: true, isControl: true },
    ...(at.isAppendTime ? { appendTimeMs: timestampMs } : {}),
  });
}

/** What a control batch says; undefined when it holds no marker: other kinds of control records, or none left by a cleaning. */
export function markerIn(batch: BatchView): TxnMarker | undefined {
  const [record] = decodeRecords(batch);
  const end = decodeControlKey(record?.key ?? null);
  if (record === undefined || end === undefined) return undefined;
  const coordinatorEpoch =
    record.value !== null && record.value.length >= VALUE_BYTES ? record.value.readInt32BE(2) : -1;
  const { producerId, producerEpoch } = batch;
  return { producerId, producerEpoch, committed: end === "commit", coordinatorEpoch };
}
