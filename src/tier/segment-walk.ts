/** Reads a segment's data once, in parts: its batches, and the digests of all of it. */

import { createHash } from "node:crypto";
import { BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES, LENGTH_AT } from "../wire/batch-layout.ts";
import { crc32c } from "../wire/crc32c.ts";
import { type BatchView, batchAt } from "../wire/record-batch.ts";
import { partsOf } from "./object-body.ts";
import type { ObjectBody } from "./ports.ts";

/** In memory at once; more only for a batch that is larger. */
const PART_BYTES = 4 * 1024 * 1024;

/** Where a batch tells its length. */

/** What identifies bytes. */
export interface Digests {
  readonly bytes: number;
  readonly sha256: string;
  /** Unsigned. */
  readonly crc32c: number;
}

/** What a walk tells in the end. */
export interface Walked extends Digests {
  /** What follows the last whole batch is no batch. */
  readonly trailingBytes: number;
}

/** A walk over data that come in parts, in order: calls `visit` for every whole batch; `position` is where it begins. */
export class SegmentWalk {
  readonly #visit: (batch: BatchView, position: number) => void;
  readonly #hash = createHash("sha256");
  #crc = 0;
  #carry: Buffer = Buffer.alloc(0);
  #position = 0;
  #bytes = 0;

  constructor(visit: (batch: BatchView, position: number) => void) {
    this.#visit = visit;
  }

  /** @throws {WireError} at bytes that are no batch */
  push(part: Buffer): void {
    this.#hash.update(part);
    this.#crc = crc32c(part, this.#crc);
    this.#bytes += part.length;
    const missingBytes = this.#carry.length === 0 ? 0 : missingOf(this.#carry, part);
    if (missingBytes > part.length) {
      this.#carry = Buffer.concat([this.#carry, part]);
      return;
    }
    if (missingBytes > 0) this.#visitBatches(Buffer.concat([this.#carry, part.subarray(0, missingBytes)]));
    const rest = part.subarray(missingBytes);
    // A copy, so that the part's memory is not kept for the sake of its end.
    this.#carry = Buffer.from(rest.subarray(this.#visitBatches(rest)));
  }

  #visitBatches(bytes: Buffer): number {
    const walkedBytes = visitBatches(bytes, (batch, at) => this.#visit(batch, this.#position + at));
    this.#position += walkedBytes;
    return walkedBytes;
  }

  /** Call once, after the last part. */
  end(): Walked {
    const { length: trailingBytes } = this.#carry;
    return { bytes: this.#bytes, sha256: this.#hash.digest("hex"), crc32c: this.#crc, trailingBytes };
  }
}

/** Walks over a whole body. @throws {WireError} at bytes that are no batch; what the body throws */
export async function walkSegment(
  body: ObjectBody,
  visit: (batch: BatchView, position: number) => void,
): Promise<Walked> {
  const walk = new SegmentWalk(visit);
  for (const { start, endExclusive } of partsOf(body, PART_BYTES)) walk.push(await body.read(start, endExclusive));
  return walk.end();
}

/** A body that is walked while somebody reads it for another purpose, once and in order as uploads do; `finish` walks over what
 *  was left out. A part that is no batch fails the reading: what is sent then is not worth its way. */
export function walkedWhileRead(
  body: ObjectBody,
  visit: (batch: BatchView, position: number) => void,
): { readonly body: ObjectBody; readonly finish: () => Promise<Walked> } {
  const walk = new SegmentWalk(visit);
  let read = 0;
  let last: Promise<unknown> = Promise.resolve();
  return {
    body: {
      sizeBytes: body.sizeBytes,
      release: (part) => body.release?.(part),
      read: async (start, endExclusive) => {
        if (start !== read) return body.read(start, endExclusive);
        read = endExclusive;
        const before = last;
        const part = Promise.resolve(body.read(start, endExclusive));
        const walked = Promise.all([part, before]).then(([bytes]) => walk.push(bytes));
        last = walked;
        await walked;
        return part;
      },
    },
    finish: async () => {
      await last;
      for (let start = read; start < body.sizeBytes; start += PART_BYTES)
        walk.push(await body.read(start, Math.min(body.sizeBytes, start + PART_BYTES)));
      return walk.end();
    },
  };
}

/** The digests alone. */
export async function digestOf(body: ObjectBody): Promise<Digests> {
  const hash = createHash("sha256");
  let crc = 0;
  for (const { start, endExclusive } of partsOf(body, PART_BYTES)) {
    const part = await body.read(start, endExclusive);
    hash.update(part);
    crc = crc32c(part, crc);
    body.release?.(part);
  }
  return { bytes: body.sizeBytes, sha256: hash.digest("hex"), crc32c: crc };
}

function visitBatches(bytes: Buffer, visit: (batch: BatchView, at: number) => void): number {
  let at = 0;
  while (bytes.length - at >= BATCH_PREFIX_BYTES) {
    const batch = batchAt(bytes, at);
    if (batch === undefined) break;
    visit(batch, at);
    at += batch.sizeBytes;
  }
  return at;
}

/** Of the batch that begins in `carry`: what lies in the part after it, as far as its length can be told. */
function missingOf(carry: Buffer, part: Buffer): number {
  const prefix = Buffer.concat([carry.subarray(0, BATCH_PREFIX_BYTES), part.subarray(0, BATCH_PREFIX_BYTES)]);
  if (prefix.length < BATCH_PREFIX_BYTES) return Number.POSITIVE_INFINITY;
  const sizeBytes = BATCH_PREFIX_BYTES + prefix.readInt32BE(LENGTH_AT);
  return Math.max(sizeBytes, BATCH_HEADER_BYTES) - carry.length;
}
