/** The data: batches as a stock Java producer makes them, at most 16 KiB each as they travel, made once and sent again and again. */

import { ZERO_UUID } from "../../../src/core/brand.ts";
import { encodeBatch, type RecordInput } from "../../../src/wire/records.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { appendAll } from "./append.ts";
import type { Side } from "./brokers.ts";
import type { Case } from "./cases.ts";

/** `batch.size` of the Java producer. */
const BATCH_BYTES = 16 * 1024;
const HEADER_BYTES = 61;
/** Different batches; more would only fill memory. */
const VARIETY = 32;
const IN_FLIGHT = 32;
/** Batches of one request, each for a partition of its own: writing should not take longer than copying. */
const REQUEST_BATCHES_MAX = 25;
const YEAR_2001_MS = 1_000_000_000_000;
/** First guess, before the ratio of the codec is known; the second one uses it. */
const RECORD_OVERHEAD_BYTES = 12;

/** Batches of one case, and what is in each. */
export interface Data {
  readonly batches: readonly Buffer[];
  readonly recordsPerBatch: number;
}

/** Makes the batches of a case, with timestamps of now or of 2001. */
export function dataOf({ recordBytes, codec, age }: Case): Data {
  const random = seededRandom(7);
  const timestampMs = BigInt(age === "history" ? YEAR_2001_MS : Date.now());
  const encode = (count: number): Buffer => {
    const records: readonly RecordInput[] = Array.from({ length: count }, () => ({
      timestampMs,
      key: null,
      value: textOf(random, recordBytes),
    }));
    return encodeBatch(records, { codec }).bytes;
  };
  const plain = Math.max(1, Math.floor((BATCH_BYTES - HEADER_BYTES) / (recordBytes + RECORD_OVERHEAD_BYTES)));
  const ratio = (plain * (recordBytes + RECORD_OVERHEAD_BYTES)) / (encode(plain).length - HEADER_BYTES);
  // A record that is larger than a batch may be goes alone, whatever the codec makes of it.
  const recordsPerBatch = codec === 0 || recordBytes > BATCH_BYTES ? plain : Math.max(1, Math.floor(plain * ratio));
  return { batches: Array.from({ length: VARIETY }, () => encode(recordsPerBatch)), recordsPerBatch };
}

/** Text such as events are made of: it compresses to about a third. */
function textOf(random: { next(): number }, bytes: number): Buffer {
  const parts: string[] = [];
  for (let length = 0; length < bytes; ) {
    const number = Math.floor(random.next() * 2 ** 32);
    const part = `{"id":${number},"origin":"SFO","carrier":"UA","delay":${number % 180},"note":"${number.toString(36)}"}`;
    parts.push(part);
    length += part.length;
  }
  return Buffer.from(parts.join("").slice(0, bytes));
}

/** Appends at least so many bytes of record values, evenly over the partitions; answers the number of records. */
export async function fill(
  side: Side,
  topic: string,
  data: Data,
  shape: Case & { readonly bytes: number },
): Promise<number> {
  const { recordBytes, partitions, bytes } = shape;
  const count = Math.ceil(bytes / (recordBytes * data.recordsPerBatch));
  const [leader] = side.kafka.endpoints.keys();
  const waiting = new Set<Promise<unknown>>();
  const perRequest = Math.min(partitions, REQUEST_BATCHES_MAX);
  for (let sent = 0; sent < count; ) {
    const parts = Array.from({ length: Math.min(perRequest, count - sent) }, (_, i) => {
      const batch = data.batches[(sent + i) % data.batches.length];
      if (batch === undefined) throw new Error("no data");
      return { topic, topicId: ZERO_UUID, index: (sent + i) % partitions, records: Buffer.from(batch) };
    });
    if (leader === undefined) throw new Error("no broker");
    sent += parts.length;
    const one: Promise<void> = appendAll(side.client, leader, parts).finally(() => waiting.delete(one));
    waiting.add(one);
    if (waiting.size >= IN_FLIGHT) await Promise.race(waiting);
  }
  await Promise.all(waiting);
  return count * data.recordsPerBatch;
}
