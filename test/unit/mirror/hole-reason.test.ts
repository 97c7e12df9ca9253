/** Why an offset of the source has no copy. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { holeReason } from "../../../src/mirror/hole-reason.ts";
import { producerIdOf, reverseLane } from "../../../src/mirror/lane-id.ts";
import { compileFilter } from "../../../src/mirror/record-filter.ts";
import { type EncodeOptions, encodeBatch, type RecordInput } from "../../../src/wire/records.ts";
import { lane } from "../../support/sample-lane.ts";

const REVERSE = producerIdOf(reverseLane(lane));
const OWN = { producerId: 9n, producerEpoch: 0, baseSequence: 0 };

function batch(baseOffset: bigint, count: number, options: EncodeOptions = {}): Buffer {
  const records = Array.from(
    { length: count },
    (_, i): RecordInput => ({ timestampMs: 0n, key: Buffer.from(`k${i}`), value: Buffer.from("v") }),
  );
  return encodeBatch(records, { baseOffset, ...options }).bytes;
}

test("the reason of a hole is what the source holds at the offset", () => {
  const records = Buffer.concat([
    batch(0n, 3),
    batch(5n, 2, { ...OWN, isTransactional: true }),
    batch(7n, 1, { ...OWN, isTransactional: true, isControl: true }),
    batch(8n, 2, { ...OWN, producerId: REVERSE }),
    batch(10n, 2, { lastOffsetDelta: 3 }),
  ]);
  const filter = compileFilter({ keys: { include: [], exclude: ["k2"] } });
  const chunk = { records, aborted: [{ producerId: 9n, firstOffset: 5n }] };
  const reasons = Array.from({ length: 15 }, (_, offset) =>
    holeReason(BigInt(offset), chunk, { provenance: "all", filter, reverseProducerId: REVERSE }),
  );
  assert.deepEqual(
    reasons.map((reason) => reason?.kind),
    [
      "record",
      "record",
      "filtered",
      "gone",
      "gone",
      "aborted",
      "aborted",
      "marker",
      "loop",
      "loop",
      "record",
      "record",
      "gone",
      "gone",
      undefined,
    ],
  );
});
