/** The lane's last record on the target, by what tells it from others: a walk through the source must end with it. */

import type { BatchView } from "../wire/record-batch.ts";
import { type DecodedRecord, decodeRecords } from "../wire/records.ts";

/** What copies keep of a record in any case; headers may be left out by a rule. */
export interface Witness {
  /** Undefined when the target sets times of its own. */
  readonly timestampMs: bigint | undefined;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
}

/** The record at a position; undefined when the batch, which begins at `last.position`, does not hold it.
 *  @throws {WireError} when the batch is malformed */
export function witnessAt(
  last: { readonly batch: BatchView; readonly position: bigint } | undefined,
  position: bigint,
): Witness | undefined {
  if (last === undefined) return undefined;
  const { batch } = last;
  const record = decodeRecords(batch).find(({ offsetDelta }) => offsetDelta === Number(position - last.position));
  if (record === undefined) return undefined;
  const { timestampMs, key, value } = record;
  return { timestampMs: batch.isLogAppendTime ? undefined : timestampMs, key, value };
}

/** Whether a record of the source can be what was copied. */
export function isWitnessed(witness: Witness, { timestampMs, key, value }: DecodedRecord): boolean {
  const isThen = witness.timestampMs === undefined || witness.timestampMs === timestampMs;
  return isThen && isSame(witness.key, key) && isSame(witness.value, value);
}

function isSame(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.compare(a, b) === 0;
}
