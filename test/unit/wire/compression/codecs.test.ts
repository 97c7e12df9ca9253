/** Every codec gives back what it took, and no damaged or hostile bytes get past its limit. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { compressFrameSync, decompressFrameSync } from "lz4-napi";
import { compressSync, uncompressSync } from "snappy";
import type { Compression } from "../../../../src/wire/compression/codec.ts";
import { CODECS, codecFor, codecNamed } from "../../../../src/wire/compression/codecs.ts";
import { WireError } from "../../../../src/wire/errors.ts";
import { arbitraryDamage } from "../message-arbitrary.ts";

const snappy = codecFor(2);
const lz4 = codecFor(3);

/** Repetitive, noisy and mixed bytes, around the 64 KiB at which both encoders begin a new block. */
const payloads = fc.oneof(
  { weight: 4, arbitrary: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.uint8Array({ minLength: 1, maxLength: 70 }), fc.nat(200_000), fc.uint8Array({ maxLength: 40 }))
      .map(([pattern, length, tail]) => Buffer.concat([Buffer.alloc(length, pattern), tail])),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat(140_000), fc.nat(0xffff), fc.integer({ min: 1, max: 256 }))
      .map(([length, seed, alphabet]) => noise(length, seed, alphabet)),
  },
);

for (const codec of CODECS) {
  test(`${codec.name} gives back what it compressed`, () => {
    fc.assert(
      fc.property(payloads, (bytes) => {
        assert.ok(codec.decompress(codec.compress(bytes)).equals(bytes));
      }),
      { numRuns: 60 },
    );
  });

  test(`${codec.name} refuses or reads damaged bytes and never passes its limit`, () => {
    const damaged = fc
      .oneof(
        { weight: 3, arbitrary: payloads.map((bytes) => bytes.subarray(0, 3000)) },
        { weight: 1, arbitrary: payloads },
      )
      .chain((bytes) => arbitraryDamage(codec.compress(bytes)));
    fc.assert(
      fc.property(damaged, fc.constantFrom(0, 100, 100_000), (bytes, limitBytes) => {
        assert.ok((valueOrRefusal(codec, bytes, limitBytes)?.length ?? 0) <= limitBytes);
      }),
      { numRuns: 400 },
    );
  });

  test(`${codec.name} refuses truncated bytes or reads no more than was there`, () => {
    const bytes = codec.compress(noise(2000, 1, 30));
    for (let end = 0; end < bytes.length; end++) {
      const result = valueOrRefusal(codec, bytes.subarray(0, end), 1 << 20);
      assert.ok(codec.id === 0 || result === undefined, `${end} of ${bytes.length}`);
    }
  });

  test(`${codec.name} refuses a bomb without making it`, () => {
    const bomb = codec.compress(Buffer.alloc(64 * 1024 * 1024));
    const limitBytes = 1024 * 1024;
    const before = process.memoryUsage().arrayBuffers;
    assert.throws(() => codec.decompress(bomb, limitBytes), {
      fault: { code: "WIRE_BAD_COMPRESSION", codec: codec.name, what: `more than ${limitBytes} bytes decompressed` },
    });
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024);
    for (const alphabet of [1, 256]) {
      assert.throws(() => codec.decompress(codec.compress(noise(1001, 1, alphabet)), 1000), WireError);
      assert.equal(codec.decompress(codec.compress(noise(1000, 1, alphabet)), 1000).length, 1000);
    }
  });
}

test("snappy is interchangeable with Google's implementation", () => {
  const property = fc.property(payloads, (bytes) => {
    assert.ok(Buffer.from(uncompressSync(snappy.compress(bytes), { asBuffer: true })).equals(bytes));
    assert.ok(snappy.decompress(compressSync(bytes)).equals(bytes));
  });
  fc.assert(property, { numRuns: 60 });
});

test("snappy reads xerial's framing of one or more blocks, as Java writes it", () => {
  const property = fc.property(fc.array(payloads, { maxLength: 3 }), (blocks) => {
    const framed = Buffer.concat([XERIAL_HEADER, ...blocks.flatMap((block) => xerialBlock(compressSync(block)))]);
    assert.ok(snappy.decompress(framed).equals(Buffer.concat(blocks)));
  });
  fc.assert(property, { numRuns: 30 });
  for (const broken of [Buffer.from([0, 0, 0]), Buffer.from([0, 0, 0, 9, 1]), Buffer.from([0xff, 0xff, 0xff, 0xff])]) {
    assert.throws(() => snappy.decompress(Buffer.concat([XERIAL_HEADER, broken])), WireError);
  }
});

test("snappy holds its limit over all blocks of a frame together", () => {
  const framed = Buffer.concat([
    XERIAL_HEADER,
    ...Array(4)
      .fill(xerialBlock(compressSync(Buffer.alloc(300))))
      .flat(),
  ]);
  assert.equal(snappy.decompress(framed, 1200).length, 1200);
  assert.throws(() => snappy.decompress(framed, 1199), WireError);
});

test("snappy refuses a length that its input cannot hold", () => {
  const lie = Buffer.from([0x80, 0x80, 0x80, 0x20, 0, 0]);
  assert.throws(() => snappy.decompress(lie), {
    fault: { code: "WIRE_BAD_COMPRESSION", codec: "snappy", what: "length beyond what the input can hold" },
  });
});

test("lz4 frames are interchangeable with another implementation's, checksums included", () => {
  const property = fc.property(payloads, fc.boolean(), fc.boolean(), (bytes, contentChecksum, blockChecksums) => {
    assert.ok(decompressFrameSync(lz4.compress(bytes)).equals(bytes));
    assert.ok(lz4.decompress(compressFrameSync(bytes, { contentChecksum, blockChecksums })).equals(bytes));
  });
  fc.assert(property, { numRuns: 60 });
});

test("lz4 writes the frame that Kafka wants: version 1, independent blocks of 64 KiB, no checksums", () => {
  const frame = lz4.compress(Buffer.from("flights"));
  assert.deepEqual(frame.subarray(0, 7), Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]));
  assert.equal(frame.readUInt32LE(frame.length - 4), 0);
});

test("lz4 lets a match reach into the block before only where the frame says that blocks depend on each other", () => {
  const literals = Buffer.from([9, 0, 0, 0, 0x80, ...Buffer.from("abcdefgh")]);
  const matchBefore = Buffer.from([9, 0, 0, 0, 0x04, 8, 0, 0x50, ...Buffer.from("abcde")]);
  const frame = (flags: number, checksum: number): Buffer =>
    Buffer.concat([
      Buffer.from([0x04, 0x22, 0x4d, 0x18, flags, 0x40, checksum]),
      literals,
      matchBefore,
      Buffer.alloc(4),
    ]);
  assert.equal(lz4.decompress(frame(0x40, 0xc0)).toString(), "abcdefghabcdefghabcde");
  assert.throws(() => lz4.decompress(frame(0x60, 0x82)), {
    fault: { code: "WIRE_BAD_COMPRESSION", codec: "lz4", what: "match outside the block" },
  });
});

test("A copy from before the output, or from its own place, is refused rather than filled with other memory", () => {
  // Snappy: length 5, a literal "a", then four bytes from an offset of 2 and of 0.
  for (const offset of [2, 0]) assert.throws(() => snappy.decompress(Buffer.from([5, 0, 0x61, 1, offset])), WireError);
  assert.equal(snappy.decompress(Buffer.from([5, 0, 0x61, 1, 1])).toString(), "aaaaa");
  const header = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
  for (const offset of [2, 0]) {
    const block = [10, 0, 0, 0, 0x10, 0x61, offset, 0, 0x50, ...Buffer.from("bcdef"), 0, 0, 0, 0];
    assert.throws(() => lz4.decompress(Buffer.from([...header, ...block])), {
      fault: { code: "WIRE_BAD_COMPRESSION", codec: "lz4", what: "match outside the block" },
    });
  }
});

test("lz4 ends every block with five literals, as its decoders may demand, and takes nothing behind a frame", () => {
  const frame = lz4.compress(Buffer.alloc(1000, 7));
  assert.deepEqual(frame.subarray(-10), Buffer.from([0x50, 7, 7, 7, 7, 7, 0, 0, 0, 0]));
  assert.throws(() => lz4.decompress(Buffer.concat([frame, Buffer.alloc(1)])), {
    fault: { code: "WIRE_BAD_COMPRESSION", codec: "lz4", what: "bytes after the frame" },
  });
});

test("lz4 refuses a frame whose checksums do not fit", () => {
  const bytes = noise(3000, 3, 20);
  for (const options of [{ contentChecksum: true }, { blockChecksums: true }]) {
    const frame = compressFrameSync(bytes, options);
    const at = frame.length - (options.contentChecksum === true ? 1 : 5);
    frame[at] = (frame[at] ?? 0) ^ 1;
    assert.throws(() => lz4.decompress(frame), WireError);
  }
  const frame = lz4.compress(bytes);
  frame[6] = (frame[6] ?? 0) ^ 1;
  assert.throws(() => lz4.decompress(frame), {
    fault: { code: "WIRE_BAD_COMPRESSION", codec: "lz4", what: "header checksum" },
  });
});

test("gzip and zstd read several members one behind another", () => {
  const [first, second] = [Buffer.from("first "), Buffer.from("second")];
  const whole = Buffer.concat([first, second]);
  assert.ok(
    codecFor(1)
      .decompress(Buffer.concat([gzipSync(first), gzipSync(second)]))
      .equals(whole),
  );
  assert.ok(
    codecFor(4)
      .decompress(Buffer.concat([zstdCompressSync(first), zstdCompressSync(second)]))
      .equals(whole),
  );
});

test("zstd refuses a window that its limit gives no reason for", () => {
  // A frame header that asks for 2 GiB, then one empty last block.
  const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00]);
  assert.throws(() => codecFor(4).decompress(frame, 1000), {
    fault: {
      code: "WIRE_BAD_COMPRESSION",
      codec: "zstd",
      what: "ZSTD_error_frameParameter_windowTooLarge",
    },
  });
});

test("zstd refuses frames without end", () => {
  const frame = zstdCompressSync(Buffer.from("x"));
  assert.throws(() => codecFor(4).decompress(Buffer.concat(Array(257).fill(frame))), WireError);
  assert.equal(codecFor(4).decompress(Buffer.concat(Array(256).fill(frame))).length, 256);
});

test("A codec is found by number and by name, and other numbers are refused", () => {
  assert.deepEqual(
    CODECS.map(({ id, name }) => [id, name, codecNamed(name)?.id]),
    [
      [0, "none", 0],
      [1, "gzip", 1],
      [2, "snappy", 2],
      [3, "lz4", 3],
      [4, "zstd", 4],
    ],
  );
  assert.equal(codecNamed("brotli"), undefined);
  for (const id of [5, 6, 7, -1]) assert.throws(() => codecFor(id), WireError);
});

const XERIAL_HEADER = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]);

function xerialBlock(raw: Buffer): Buffer[] {
  const length = Buffer.alloc(4);
  length.writeInt32BE(raw.length);
  return [length, raw];
}

function valueOrRefusal(codec: Compression, bytes: Buffer, limitBytes: number): Buffer | undefined {
  try {
    return codec.decompress(bytes, limitBytes);
  } catch (error) {
    assert.ok(error instanceof WireError, String(error));
    return undefined;
  }
}

/** Repeatable noise over the first `alphabet` byte values. */
function noise(length: number, seed: number, alphabet: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = (state >>> 24) % alphabet;
  }
  return bytes;
}
