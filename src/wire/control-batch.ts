/** Control batches that end transactions (Kafka: `ControlRecordType`): key = version i16, type i16. */

import type { BatchView } from "./record-batch.ts";
import { decodeRecords } from "./records.ts";

const ABORT = 0;
const COMMIT = 1;
const KEY_BYTES = 4;

/** How a control batch ends its producer's transaction; undefined when it is of another kind, or cleaning left nothing of it. */
export function transactionEndIn(batch: BatchView): "commit" | "abort" | undefined {
  const key = decodeRecords(batch)[0]?.key;
  if (key === undefined || key === null || key.length < KEY_BYTES) return undefined;
  const type = key.readInt16BE(2);
  if (type === COMMIT) return "commit";
  return type === ABORT ? "abort" : undefined;
}
