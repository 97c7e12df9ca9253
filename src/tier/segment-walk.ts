/** Reads a segment's data once, in parts: its batches, and the digests of all of it. */

import { createHash } from "node:crypto";
import { crc32c } from "../wire/crc32c.ts";
import { BATCH_PREFIX_BYTES, type BatchView, batchAt } from "../wire/record-batch.ts";
import { partsOf } from "./object-body.ts";
import type { ObjectBody } from "./ports.ts";

/** In memory at once; more only for a batch that is larger. */
const PART_BYTES = 4 * 1024 * 1024;

/** What identifies bytes. */
export interface Digests {
  readonly bytes: number;
  readonly sha256: string;
  /** Unsigned. */
  readonly crc32c: number;
}

/** Calls `visit` for every whole batch, in order; `position` is where it begins. What follows the last one is no batch:
 *  `trailingBytes`. @throws {WireError} at bytes that are no batch; what the body throws */
export async function walkSegment(
  body: ObjectBody,
  visit: (batch: BatchView, position: number) => void,
): Promise<Digests & { readonly trailingBytes: number }> {
  const hash = createHash("sha256");
  let crc = 0;
  let carry: Buffer = Buffer.alloc(0);
  let position = 0;
  for (const { start, endExclusive } of partsOf(body, PART_BYTES)) {
    const part = await body.read(start, endExclusive);
    hash.update(part);
    crc = crc32c(part, crc);
    const bytes = carry.length === 0 ? part : Buffer.concat([carry, part]);
    const walked = visitBatches(bytes, (batch, at) => visit(batch, position + at));
    position += walked;
    // A copy, so that the part's memory is not kept for the sake of its end.
    carry = Buffer.from(bytes.subarray(walked));
  }
  return { bytes: body.sizeBytes, sha256: hash.digest("hex"), crc32c: crc, trailingBytes: carry.length };
}

/** The digests alone. */
export async function digestOf(body: ObjectBody): Promise<Digests> {
  const hash = createHash("sha256");
  let crc = 0;
  for (const { start, endExclusive } of partsOf(body, PART_BYTES)) {
    const part = await body.read(start, endExclusive);
    hash.update(part);
    crc = crc32c(part, crc);
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
