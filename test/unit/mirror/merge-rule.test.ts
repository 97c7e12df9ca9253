/** When small batches are merged, and how large they become. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Waiting } from "../../../src/mirror/merge-rule.ts";
import { encodeBatch } from "../../../src/wire/records.ts";

const MIB = 1024 * 1024;

/** A batch of 16 KiB. */
function batch(codec: 0 | 4 = 0) {
  const value = Buffer.alloc(1_000, "x");
  return encodeBatch(
    Array.from({ length: 16 }, () => ({ timestampMs: 1n, key: null, value })),
    { codec },
  );
}

/** Bytes of the batches that travel together. */
function togetherBytes(roundTripMs: number, maxBatchBytes: number): number {
  const waiting = new Waiting();
  const one = batch();
  let bytes = 0;
  while (waiting.joins(one, { roundTripMs, maxBatchBytes })) {
    waiting.add(one);
    bytes += one.sizeBytes;
  }
  return bytes;
}

test("five merged batches in flight carry 30 MB/s, whatever the way up to 80 ms", () => {
  for (const roundTripMs of [10, 20, 40, 80]) {
    const rate = (5 * togetherBytes(roundTripMs, 1_048_588)) / (roundTripMs / 1_000);
    assert.ok(rate > 30e6, `${rate} B/s at ${roundTripMs} ms`);
  }
});

test("merged batches stay below what the target takes", () => {
  assert.ok(togetherBytes(200, MIB) <= MIB);
  assert.ok(togetherBytes(200, 100_000) <= 100_000);
});

test("compressed batches are merged only where the way is long, and never with others", () => {
  const waiting = new Waiting();
  const rules = { roundTripMs: 20, maxBatchBytes: MIB };
  assert.equal(waiting.joins(batch(4), rules), false);
  assert.equal(waiting.joins(batch(4), { ...rules, roundTripMs: 80 }), true);
  waiting.add(batch());
  assert.equal(waiting.joins(batch(4), { ...rules, roundTripMs: 80 }), false);
});

test("batches that are handed out wait no longer", () => {
  const waiting = new Waiting();
  waiting.add(batch());
  assert.equal(waiting.take().length, 1);
  assert.ok(waiting.isEmpty);
  assert.equal(waiting.take().length, 0);
});
