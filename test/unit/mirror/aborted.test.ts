/** Which batches belong to aborted transactions. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { AbortedTransactions } from "../../../src/mirror/aborted.ts";
import { assembleBatch, type BatchView } from "../../../src/wire/record-batch.ts";

function batch(baseOffset: bigint, producerId: bigint, kind: "data" | "marker" | "plain" = "data"): BatchView {
  const attributes = { data: 0x10, marker: 0x30, plain: 0 }[kind];
  const rest = { lastOffsetDelta: 0, baseTimestamp: 1n, maxTimestamp: 1n, recordCount: 1 };
  return assembleBatch({ baseOffset, producerId, attributes, ...rest }, Buffer.alloc(8));
}

function covered(
  list: readonly { producerId: bigint; firstOffset: bigint }[],
  batches: readonly BatchView[],
): bigint[] {
  const aborted = new AbortedTransactions(list);
  return batches.filter((view) => aborted.covers(view)).map((view) => view.baseOffset);
}

test("aborted data is what its producer wrote from the first offset to its marker", () => {
  const batches = [
    batch(0n, 1n),
    batch(1n, 1n, "marker"),
    batch(2n, 1n),
    batch(3n, 2n),
    batch(4n, 1n),
    batch(5n, 1n, "marker"),
    batch(6n, 1n),
    batch(7n, 2n, "marker"),
  ];
  assert.deepEqual(covered([{ producerId: 1n, firstOffset: 2n }], batches), [2n, 4n]);
});

test("aborted data of several transactions of one producer is told apart", () => {
  const batches = [batch(0n, 1n), batch(1n, 1n, "marker"), batch(2n, 1n), batch(3n, 1n, "marker"), batch(4n, 1n)];
  const list = [
    { producerId: 1n, firstOffset: 4n },
    { producerId: 1n, firstOffset: 0n },
  ];
  assert.deepEqual(covered(list, batches), [0n, 4n]);
});

test("aborted data is never what a producer wrote outside transactions", () => {
  const batches = [batch(0n, 1n, "plain"), batch(1n, 1n), batch(2n, 1n, "plain")];
  assert.deepEqual(covered([{ producerId: 1n, firstOffset: 0n }], batches), [1n]);
});

test("aborted data that began before the chunk is covered from the chunk's start", () => {
  assert.deepEqual(covered([{ producerId: 1n, firstOffset: 3n }], [batch(10n, 1n), batch(11n, 1n, "marker")]), [10n]);
});
