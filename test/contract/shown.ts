/** How the transaction cases show batches and producer ids, which differ from run to run. */

import { batchesIn } from "../../src/wire/record-batch.ts";
import { decodeRecords } from "../../src/wire/records.ts";

/** Producer ids and the words for them. */
export type Words = readonly (readonly [producerId: bigint, word: string])[];

/** The value with every known producer id replaced by its word. */
export function hidden(value: unknown, words: Words): unknown {
  if (Array.isArray(value)) return value.map((item) => hidden(item, words));
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === "producerId" ? (words.find(([producerId]) => producerId === item)?.[1] ?? item) : hidden(item, words),
    ]),
  );
}

/** A batch as the cases show it. */
export interface ShownBatch {
  readonly baseOffset: bigint;
  readonly attributes: number;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
  /** Only of control batches: the time in a marker is the broker's own, the rest is compared. */
  readonly control?: readonly { readonly key: Buffer | null; readonly value: Buffer | null }[];
}

/** Headers, and of control batches the records. */
export function shownBatches(bytes: Buffer): readonly ShownBatch[] {
  return [...batchesIn(bytes)].map((one) => ({
    baseOffset: one.baseOffset,
    attributes: one.attributes,
    producerId: one.producerId,
    producerEpoch: one.producerEpoch,
    baseSequence: one.baseSequence,
    recordCount: one.recordCount,
    ...(one.isControl ? { control: decodeRecords(one).map(({ key, value }) => ({ key, value })) } : {}),
  }));
}
