/** Frames come out whole however the bytes are cut, and none too large. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { WireError } from "../../../src/wire/errors.ts";
import { FrameDecoder } from "../../../src/wire/frame.ts";

test("A frame decoder yields the same frames however the bytes are cut", () => {
  const frames = fc.array(fc.uint8Array({ minLength: 4, maxLength: 60 }), { maxLength: 8 });
  const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 });
  const property = fc.property(frames, cuts, (payloads, sizes) => {
    const stream = Buffer.concat(payloads.flatMap((payload) => [lengthOf(payload.byteLength), payload]));
    const decoder = new FrameDecoder();
    const seen: Buffer[] = [];
    for (let at = 0, i = 0; at < stream.length; i++) {
      const take = sizes[i % sizes.length] ?? 1;
      // The chunk's memory is reused, as a socket's read buffer is.
      const chunk = Buffer.from(stream.subarray(at, at + take));
      decoder.push(chunk, (frame) => seen.push(frame));
      chunk.fill(0xee);
      at += take;
    }
    assert.deepEqual(
      seen,
      payloads.map((payload) => Buffer.from(payload)),
    );
  });
  fc.assert(property);
});

test("A frame of 2 GiB is refused before anything is allocated", () => {
  const before = process.memoryUsage().arrayBuffers;
  assert.throws(() => new FrameDecoder().push(lengthOf(0x7fffffff), () => assert.fail()), {
    fault: { code: "WIRE_FRAME_TOO_LARGE", frameBytes: 0x7fffffff, limitBytes: 100 * 1024 * 1024 },
  });
  assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024);
});

test("A frame with a length that no frame has is refused", () => {
  for (const length of [-1, -0x80000000, 0, 3]) {
    assert.throws(() => new FrameDecoder().push(lengthOf(length), () => assert.fail()), {
      fault: { code: "WIRE_BAD_LENGTH", what: "frame", length, limit: 100 * 1024 * 1024 },
    });
  }
});

test("A frame exactly at the limit passes, one byte more does not", () => {
  const decoder = new FrameDecoder(16);
  const seen: number[] = [];
  decoder.push(Buffer.concat([lengthOf(16), Buffer.alloc(16)]), (frame) => seen.push(frame.length));
  assert.deepEqual(seen, [16]);
  assert.throws(() => decoder.push(lengthOf(17), () => assert.fail()), WireError);
});

test("Another protocol on the socket is refused with its first four bytes", () => {
  for (const greeting of ["GET / HTTP/1.1\r\n", "\x16\x03\x01\x02\x00\x01\x00", "SSH-2.0-OpenSSH"]) {
    assert.throws(() => new FrameDecoder().push(Buffer.from(greeting, "latin1"), () => assert.fail()), WireError);
  }
});

function lengthOf(bytes: number): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(bytes);
  return prefix;
}
