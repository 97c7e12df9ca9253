/** Control batches that end transactions (Kafka: `ControlRecordType`).
 *
 *  ```
 *  key of their one record: version i16 = 0 | type i16: 0 abort, 1 commit
 *  ``` */

import type { BatchView } from "./record-batch.ts";
import { decodeRecords } from "./records.ts";

/** How a transaction ends. */
export type TransactionEnd = "commit" | "abort";

const ABORT = 0;
const COMMIT = 1;
const VERSION = 0;
const KEY_BYTES = 4;
const TYPE_AT = 2;

/** The key of a control record. */
export function encodeControlKey(end: TransactionEnd): Buffer {
  const key = Buffer.alloc(KEY_BYTES);
  key.writeInt16BE(VERSION, 0);
  key.writeInt16BE(end === "commit" ? COMMIT : ABORT, TYPE_AT);
  return key;
}

/** What a control record's key says; undefined when it is of another kind. */
export function decodeControlKey(key: Buffer | null): TransactionEnd | undefined {
  if (key === null || key.length < KEY_BYTES) return undefined;
  const type = key.readInt16BE(TYPE_AT);
  if (type === COMMIT) return "commit";
  return type === ABORT ? "abort" : undefined;
}

/** How a control batch ends its producer's transaction; undefined when it is of another kind, or cleaning left nothing of it. */
export function transactionEndIn(batch: BatchView): TransactionEnd | undefined {
  return decodeControlKey(decodeRecords(batch)[0]?.key ?? null);
}
