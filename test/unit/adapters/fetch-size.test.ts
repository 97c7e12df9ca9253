/** How much one fetch asks for, by the length of the way and the room that is left. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { fetchSize } from "../../../src/adapters/fetch-size.ts";

const MIB = 1024 * 1024;

test("fetch size nearby, or before the way is known, keeps answers in the processor's cache", () => {
  for (const roundTripMs of [Number.POSITIVE_INFINITY, 0, 0.3, 5]) {
    const { answerBytesMax, partitionBytesMax } = fetchSize(1, roundTripMs, 32 * MIB);
    assert.ok(answerBytesMax <= 2 * MIB && partitionBytesMax <= MIB);
  }
});

test("fetch size of a lone partition lasts for a round trip at 100 MB/s, up to 80 ms", () => {
  for (const roundTripMs of [20, 40, 80]) {
    const { partitionBytesMax } = fetchSize(1, roundTripMs, 32 * MIB);
    assert.ok(partitionBytesMax >= roundTripMs * 100_000, `${partitionBytesMax} B for ${roundTripMs} ms`);
  }
});

test("fetch size has a bound, however long the way and however many partitions", () => {
  for (const partitions of [1, 2, 10, 256]) {
    const { answerBytesMax, partitionBytesMax } = fetchSize(partitions, 10_000, 32 * MIB);
    assert.ok(answerBytesMax <= (partitions === 1 ? 16 : 8) * MIB);
    assert.ok(partitionBytesMax >= 128 * 1024 && partitionBytesMax <= answerBytesMax);
  }
});

test("fetch size never asks for more than there is room for, and for a little when there is none", () => {
  for (const roomBytes of [0, MIB, 3 * MIB]) {
    for (const roundTripMs of [0.3, 80]) {
      const { answerBytesMax, partitionBytesMax } = fetchSize(20, roundTripMs, roomBytes);
      assert.ok(answerBytesMax <= Math.max(roomBytes, MIB / 2), `${answerBytesMax} B into ${roomBytes} B`);
      assert.ok(partitionBytesMax > 0 && partitionBytesMax <= answerBytesMax);
    }
  }
});
