/** Brings a partition's end to an offset without a record to show for it: records that say nothing, deleted at once. Only so can the
 *  first restored record have the offset that it had, where the records before it are not restored. */

import { deleteRecords } from "../../client/admin.ts";
import { brokerError } from "../../client/errors.ts";
import type { TopicPartition } from "../../mirror/ports.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { type BatchView, BatchView as View } from "../../wire/record-batch.ts";
import { type DecodedRecord, encodeBatch } from "../../wire/records.ts";
import type { RestoreTarget } from "./restore-target.ts";

/** Told by it apart from records of others. */
const FILLER_KEY = Buffer.from("tributary.filler");
/** Records of one batch: less than 1 MiB before it is compressed, so that any topic takes it. */
const FILLER_RECORDS_MAX = 40_000;

/** True for a record that only takes up an offset. */
export function isFiller({ key, value }: DecodedRecord): boolean {
  return key?.equals(FILLER_KEY) === true && value === null;
}

/** Batches that take up `count` offsets, of records as old as the ones that follow: looked for by time, they do not stand in front.
 *  Each has memory of its own. */
export function* fillerBatches(count: bigint, timestampMs: bigint): Generator<BatchView, void, undefined> {
  let whole: BatchView | undefined;
  for (let left = count; left > 0n; left -= BigInt(FILLER_RECORDS_MAX)) {
    if (left < BigInt(FILLER_RECORDS_MAX)) {
      yield fillerBatch(Number(left), timestampMs);
      return;
    }
    whole ??= fillerBatch(FILLER_RECORDS_MAX, timestampMs);
    yield new View(Buffer.from(whole.bytes), 0, whole.sizeBytes);
  }
}

/** Makes `offset` the first one of the partition. @throws {ClientError} */
export async function deleteBelow(
  { topic, partition }: TopicPartition,
  offset: bigint,
  to: RestoreTarget,
): Promise<void> {
  const [deleted] = await deleteRecords(to.client, [{ topic, index: partition, offset }]);
  const errorCode = deleted?.errorCode ?? ErrorCode.UNKNOWN;
  if (errorCode !== ErrorCode.NONE) throw brokerError("DeleteRecords", errorCode, { subject: `${topic}-${partition}` });
}

function fillerBatch(count: number, timestampMs: bigint): BatchView {
  const record = { timestampMs, key: FILLER_KEY, value: null };
  return encodeBatch(
    Array.from({ length: count }, () => record),
    { codec: GZIP },
  );
}

/** Every broker knows it; zstd would need Kafka 2.1. */
const GZIP = 1;
