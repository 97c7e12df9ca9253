/** Since when an open transaction holds a lane's source back. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { HeldWatch } from "../../../src/mirror/held-watch.ts";

test("HeldWatch tells since when the readable end stands before the high watermark", () => {
  const watch = new HeldWatch();
  assert.equal(watch.look({ endOffset: undefined, highWatermark: undefined }, 1), undefined);
  assert.equal(watch.look({ endOffset: 5n, highWatermark: 5n }, 10), undefined);
  assert.deepEqual(watch.look({ endOffset: 5n, highWatermark: 7n }, 20), { offset: 5n, offsets: 2n, sinceMs: 20 });
  assert.deepEqual(watch.look({ endOffset: 5n, highWatermark: 9n }, 30), { offset: 5n, offsets: 4n, sinceMs: 20 });
});

test("HeldWatch begins anew when the readable end moves to another open transaction", () => {
  const watch = new HeldWatch();
  watch.look({ endOffset: 5n, highWatermark: 7n }, 20);
  assert.deepEqual(watch.look({ endOffset: 6n, highWatermark: 9n }, 30), { offset: 6n, offsets: 3n, sinceMs: 30 });
  assert.equal(watch.look({ endOffset: 9n, highWatermark: 9n }, 40), undefined);
});

test("HeldWatch keeps what it knows while a new reader has not heard anything", () => {
  const watch = new HeldWatch();
  watch.look({ endOffset: 5n, highWatermark: 7n }, 20);
  const held = watch.look({ endOffset: undefined, highWatermark: undefined }, 30);
  assert.equal(held?.sinceMs, 20);
});
