/** Memory of frames is lent again, and never to two. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameDecoder } from "../../../src/wire/frame.ts";
import { FramePool, POOLED_FRAME_BYTES_MIN } from "../../../src/wire/frame-pool.ts";

test("frame pool lends the memory of a released frame again", () => {
  const pool = new FramePool();
  const first = pool.take(100_000);
  assert.equal(first.length, 100_000);
  pool.release(first.subarray(10, 20));
  const second = pool.take(120_000);
  assert.equal(second.buffer, first.buffer);
  assert.equal(second.length, 120_000);
  assert.notEqual(pool.take(100_000).buffer, first.buffer);
});

test("frame pool never lends one frame to two when it is released twice", () => {
  const pool = new FramePool();
  const frame = pool.take(100_000);
  pool.release(frame);
  pool.release(frame);
  assert.notEqual(pool.take(100_000).buffer, pool.take(100_000).buffer);
});

test("frame pool keeps no more free memory than its limit, and nothing that it did not lend", () => {
  const pool = new FramePool({ freeBytesMax: 256 * 1024 });
  const frames = Array.from({ length: 5 }, () => pool.take(128 * 1024));
  for (const frame of frames) pool.release(frame);
  assert.equal(pool.freeBytes, 256 * 1024);
  const other = new FramePool();
  other.release(pool.take(128 * 1024));
  other.release(Buffer.allocUnsafeSlow(128 * 1024));
  other.release(other.take(POOLED_FRAME_BYTES_MIN - 1));
  other.release(other.take(64 * 1024 * 1024));
  assert.equal(other.freeBytes, 0);
});

test("frame pool lends what a larger frame left, unless that was far larger", () => {
  const pool = new FramePool();
  const large = pool.take(1024 * 1024);
  pool.release(large);
  assert.notEqual(pool.take(100 * 1024 - 36 * 1024).buffer, large.buffer);
  assert.equal(pool.take(300_000).buffer, large.buffer);
  assert.equal(pool.freeBytes, 0);
});

test("frame pool gives up what nobody needed since it was last trimmed, and nothing else", () => {
  let told = 0;
  const pool = new FramePool({ onFree: () => told++ });
  const frames = Array.from({ length: 4 }, () => pool.take(128 * 1024));
  for (const frame of frames) pool.release(frame);
  assert.equal(told, 1);
  pool.trim();
  assert.equal(pool.freeBytes, 4 * 128 * 1024, "all of it was in use a moment ago");
  const again = [pool.take(128 * 1024), pool.take(128 * 1024)];
  for (const frame of again) pool.release(frame);
  pool.trim();
  assert.equal(pool.freeBytes, 2 * 128 * 1024);
  pool.trim();
  assert.equal(pool.freeBytes, 0);
  assert.ok(frames.every(({ length }) => length === 0));
  pool.release(pool.take(128 * 1024));
  assert.equal(told, 2);
});

test("frame pool overwrites what is released when it was told to", () => {
  const pool = new FramePool({ poison: true });
  const frame = pool.take(100_000).fill(1);
  pool.release(frame);
  assert.ok(frame.every((byte) => byte === 0xdb));
});

test("frame decoder yields the same frames when their bytes are read right into place", () => {
  const pool = new FramePool();
  const decoder = new FrameDecoder(undefined, pool);
  const sizes = [5, 70_000, 1_000_000, 40_000, 64 * 1024, 4, 300_001];
  const payloads = sizes.map((bytes, i) => Buffer.alloc(bytes, i + 1));
  const stream = Buffer.concat(payloads.flatMap((payload) => [lengthOf(payload.length), payload]));
  let placed = 0;
  const seen: Buffer[] = [];
  const own = Buffer.alloc(64 * 1024);
  for (let at = 0, i = 0; at < stream.length; i++) {
    const room = decoder.room;
    const into = room ?? own;
    if (room !== undefined) placed++;
    const part = stream.subarray(at, at + Math.min(into.length, 1 + ((i * 7_919) % 100_000)));
    into.set(part);
    at += part.length;
    decoder.push(into.subarray(0, part.length), (frame) => {
      seen.push(Buffer.from(frame));
      pool.release(frame);
    });
    own.fill(0xee);
  }
  assert.ok(placed > 10);
  assert.deepEqual(seen, payloads);
});

test("frame decoder refuses bytes that were read into another place of the frame", () => {
  const decoder = new FrameDecoder();
  decoder.push(lengthOf(100_000), () => assert.fail());
  const { room } = decoder;
  assert.ok(room !== undefined);
  assert.throws(() => decoder.push(room.subarray(1, 10), () => assert.fail()), /continue it/);
});

function lengthOf(bytes: number): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(bytes);
  return prefix;
}
