/** CRC-32C, whole, in parts, and patched. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { crc32c, patchCrc32c, rawCrc32c, shiftCrc32c } from "../../../src/wire/crc32c.ts";

test("CRC-32C gives the published values of RFC 3720 and of the check string", () => {
  assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  assert.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i))), 0x46dd794e);
  assert.equal(crc32c(Buffer.alloc(0)), 0);
});

test("CRC-32C is the same in native code and in the table, whole and in parts", () => {
  const property = fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(), (bytes, at) => {
    const cut = bytes.byteLength === 0 ? 0 : at % bytes.byteLength;
    const byTable = (rawCrc32c(bytes, -1) ^ -1) >>> 0;
    assert.equal(crc32c(bytes), byTable);
    assert.equal(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut))), byTable);
  });
  fc.assert(property);
});

test("Shifting a register is the same as feeding it that many zero bytes", () => {
  const property = fc.property(fc.nat(0xffffffff), fc.nat(3000), (register, count) => {
    assert.equal(shiftCrc32c(register, count), rawCrc32c(new Uint8Array(count), register));
  });
  fc.assert(property);
  const halves = shiftCrc32c(shiftCrc32c(0xdeadbeef, 2 ** 30), 2 ** 30);
  assert.equal(shiftCrc32c(0xdeadbeef, 2 ** 31), halves);
});

test("The patched CRC equals the recomputed one for any change at any place", () => {
  const property = fc.property(
    fc.uint8Array({ minLength: 1, maxLength: 2000 }),
    fc.nat(),
    fc.uint8Array({ minLength: 1, maxLength: 40 }),
    (bytes, place, change) => {
      const at = place % bytes.byteLength;
      const delta = change.subarray(0, bytes.byteLength - at);
      const changed = Uint8Array.from(bytes);
      for (const [i, byte] of delta.entries()) changed[at + i] = (changed[at + i] ?? 0) ^ byte;
      const tailBytes = bytes.byteLength - at - delta.byteLength;
      assert.equal(patchCrc32c(crc32c(bytes), delta, tailBytes), crc32c(changed));
    },
  );
  fc.assert(property, { numRuns: 500 });
});

test("A CRC that was wrong before the patch is wrong after it", () => {
  const bytes = Buffer.alloc(200, 3);
  const wrong = crc32c(bytes) ^ 0x10;
  const changed = Buffer.from(bytes);
  changed[7] = 9;
  assert.notEqual(patchCrc32c(wrong, Buffer.from([3 ^ 9]), 192), crc32c(changed));
});
