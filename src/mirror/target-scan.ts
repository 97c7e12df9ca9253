/** Finds a lane's own batches on the target by the producer in their headers, and says which positions they hold. */

import { transactionEndIn } from "../wire/control-batch.ts";
import { type BatchView, batchesIn, SEQUENCE_MODULUS } from "../wire/record-batch.ts";
import type { BoundedStretch } from "./history/stretches.ts";
import { earlier, later } from "./offset-order.ts";
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
  /** Epoch of the leader that appended them. */
  readonly leaderEpoch: number;
}

/** The lane's batches in a stretch of the target. */
export interface OwnScan {
  /** In log order, as far as they belong to the stretches asked for. */
  readonly runs: readonly OwnRun[];
  /** The batch that holds the highest position, and the position of its first record. */
  readonly last: { readonly batch: BatchView; readonly position: bigint } | undefined;
  /** The position after the highest one found; `near` when nothing was found. */
  readonly nextPosition: bigint;
  /** The highest epoch seen of the lane's derived producer id, of any era; -1 when none. Markers do not count. */
  readonly epoch: number;
}

/** What to scan. */
export interface ScanRequest {
  readonly target: Target;
  readonly partition: TopicPartition;
  /** The lane's derived id. */
  readonly producerId: bigint;
  readonly stretches: readonly BoundedStretch[];
  /** The position expected next; sequences are read relative to it. */
  readonly near: bigint;
  readonly fromOffset: bigint;
  readonly toOffset: bigint;
}

/** Reads the committed batches of [fromOffset, toOffset). Batches of a transaction count once its commit is read: "A record without
 *  its commit is not there". @throws {MirrorError} `TARGET_*` */
export async function scanOwn(request: ScanRequest): Promise<OwnScan> {
  const { target, partition, fromOffset, toOffset } = request;
  const found = new Found(request);
  if (fromOffset >= toOffset) return found.result;
  for await (const buffer of target.scan(partition, fromOffset, toOffset)) {
    for (const batch of batchesIn(buffer)) {
      if (batch.lastOffset >= fromOffset && batch.baseOffset < toOffset) found.take(batch);
    }
  }
  return found.result;
}

class Found {
  readonly #request: ScanRequest;
  readonly #runs: OwnRun[] = [];
  /** Batches of open transactions, by producer. */
  readonly #open = new Map<bigint, BatchView[]>();
  #last: OwnScan["last"];
  #nextPosition: bigint;
  #epoch = -1;

  constructor(request: ScanRequest) {
    this.#request = request;
    this.#nextPosition = request.near;
  }

  get result(): OwnScan {
    const runs = this.#runs.toSorted((a, b) => (a.targetStart < b.targetStart ? -1 : 1));
    return { runs, last: this.#last, nextPosition: this.#nextPosition, epoch: this.#epoch };
  }

  take(batch: BatchView): void {
    const { producerId, isControl, isTransactional } = batch;
    if (isControl) {
      if (this.#open.has(producerId)) this.#settle(batch);
      return;
    }
    if (producerId === this.#request.producerId) this.#epoch = Math.max(this.#epoch, batch.producerEpoch);
    if (!this.#request.stretches.some((stretch) => stretch.producerId === producerId)) return;
    if (isTransactional) this.#hold(batch);
    else this.#add(batch);
  }

  #hold(batch: BatchView): void {
    const batches = this.#open.get(batch.producerId);
    if (batches === undefined) this.#open.set(batch.producerId, [batch]);
    else batches.push(batch);
  }

  #settle(marker: BatchView): void {
    const batches = this.#open.get(marker.producerId) ?? [];
    this.#open.delete(marker.producerId);
    if (transactionEndIn(marker) === "commit") for (const batch of batches) this.#add(batch);
  }

  #add(batch: BatchView): void {
    const position = positionIn(this.#request.stretches, batch, this.#nextPosition);
    if (position === undefined) return;
    const length = batch.lastOffsetDelta + 1;
    this.#runs.push({ position, targetStart: batch.baseOffset, length, leaderEpoch: batch.leaderEpoch });
    const end = position + BigInt(length);
    if (this.#last === undefined || end >= this.#nextPosition) this.#last = { batch, position };
    if (end > this.#nextPosition) this.#nextPosition = end;
  }
}

/** The position of a batch's first record; undefined when no stretch holds it. */
function positionIn(stretches: readonly BoundedStretch[], batch: BatchView, near: bigint): bigint | undefined {
  for (const stretch of stretches) {
    if (batch.producerId !== stretch.producerId || batch.producerEpoch !== stretch.epoch) continue;
    const { base, end } = stretch;
    const expected = later(end === undefined ? near : earlier(near, end), base);
    const position = positionOf(batch.baseSequence, expected, stretch);
    if (position >= base && (end === undefined || position < end)) return position;
  }
  return undefined;
}
