/** Finds a lane's own batches on the target by the producer id in their headers, and says which positions they hold. */

import { type BatchView, batchesIn, SEQUENCE_MODULUS } from "../wire/record-batch.ts";
import type { Era } from "./offset-ports.ts";
import type { Target, TopicPartition } from "./ports.ts";

/** Half of the sequence space: positions nearer than this to the expected one are told apart. */
const HALF_MODULUS = SEQUENCE_MODULUS / 2;

/** The sequence number of the record at a position. */
export function sequenceOf(position: bigint, era: Era): number {
  return Number((position - era.base) % BigInt(SEQUENCE_MODULUS));
}

/** The position that a sequence number means, given that it lies within 2^30 of `near`. */
export function positionOf(sequence: number, near: bigint, era: Era): bigint {
  const expected = Number(BigInt.asUintN(31, near - era.base));
  let ahead = sequence - expected;
  if (ahead >= HALF_MODULUS) ahead -= SEQUENCE_MODULUS;
  if (ahead < -HALF_MODULUS) ahead += SEQUENCE_MODULUS;
  return near + BigInt(ahead);
}

/** Records of the lane that lie one after another on the target. */
export interface OwnRun {
  /** Position of the first. */
  readonly position: bigint;
  readonly targetStart: bigint;
  readonly length: number;
}

/** The lane's batches in a stretch of the target. */
export interface OwnScan {
  /** In log order, as far as they belong to the era asked for. */
  readonly runs: readonly OwnRun[];
  /** The batch that holds the highest position, and the position of its first record. */
  readonly last: { readonly batch: BatchView; readonly position: bigint } | undefined;
  /** The position after the highest one found; `near` when nothing was found. */
  readonly nextPosition: bigint;
  /** The highest producer epoch seen, of any era; -1 when none. */
  readonly epoch: number;
}

/** What to scan. */
export interface ScanRequest {
  readonly target: Target;
  readonly partition: TopicPartition;
  readonly producerId: bigint;
  readonly era: Era;
  /** The position expected next; sequences are read relative to it. */
  readonly near: bigint;
  readonly fromOffset: bigint;
  readonly toOffset: bigint;
}

/** Reads the committed batches of [fromOffset, toOffset). @throws {MirrorError} `TARGET_*` */
export async function scanOwn(request: ScanRequest): Promise<OwnScan> {
  const { target, partition, producerId, era, fromOffset, toOffset } = request;
  const runs: OwnRun[] = [];
  let last: OwnScan["last"];
  let nextPosition = request.near;
  let epoch = -1;
  if (fromOffset >= toOffset) return { runs, last, nextPosition, epoch };
  for await (const buffer of target.scan(partition, fromOffset, toOffset)) {
    for (const batch of batchesIn(buffer)) {
      if (batch.producerId !== producerId || batch.lastOffset < fromOffset || batch.baseOffset >= toOffset) continue;
      epoch = Math.max(epoch, batch.producerEpoch);
      if (batch.producerEpoch !== era.epoch) continue;
      const position = positionOf(batch.baseSequence, nextPosition, era);
      const length = batch.lastOffsetDelta + 1;
      runs.push({ position, targetStart: batch.baseOffset, length });
      const end = position + BigInt(length);
      if (last === undefined || end >= nextPosition) last = { batch, position };
      if (end > nextPosition) nextPosition = end;
    }
  }
  return { runs, last, nextPosition, epoch };
}
