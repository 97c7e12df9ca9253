/** Walking a segment in parts sees what walking it whole would. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { bodyOf } from "../../../src/tier/object-body.ts";
import { digestOf, walkSegment } from "../../../src/tier/segment-walk.ts";
import { crc32c } from "../../../src/wire/crc32c.ts";
import { fillerBatch } from "../../support/segments.ts";

/** About 20 MiB in batches of sizes that fit into no part, one of them larger than a part. */
function manyBatches(): Buffer {
  const sizes = Array.from({ length: 40 }, (_, at) => (at === 17 ? 6_000_000 : 300_000 + at * 7_777));
  return Buffer.concat(sizes.map((bytes, at) => fillerBatch({ baseOffset: at * 3, recordCount: 3, bytes })));
}

test("walkSegment sees every batch at its place, also across parts and larger than one", async () => {
  const log = manyBatches();
  const seen: bigint[] = [];
  const walked = await walkSegment(bodyOf(log), (batch, position) => {
    batch.verifyCrc();
    assert.equal(log.readBigInt64BE(position), batch.baseOffset);
    seen.push(batch.baseOffset);
  });
  assert.deepEqual(
    seen,
    Array.from({ length: 40 }, (_, at) => BigInt(at * 3)),
  );
  const sha256 = createHash("sha256").update(log).digest("hex");
  assert.deepEqual(walked, { bytes: log.length, sha256, crc32c: crc32c(log), trailingBytes: 0 });
  assert.deepEqual(await digestOf(bodyOf(log)), { bytes: log.length, sha256, crc32c: crc32c(log) });
});

test("walkSegment tells what follows the last whole batch", async () => {
  const log = manyBatches();
  const { trailingBytes } = await walkSegment(bodyOf(log.subarray(0, log.length - 10)), () => undefined);
  assert.equal(
    trailingBytes,
    fillerBatch({ baseOffset: 117, recordCount: 3, bytes: 300_000 + 39 * 7_777 }).length - 10,
  );
});
