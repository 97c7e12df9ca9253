/** Messages of before Kafka 0.11, as Kafka's own Java code writes them, become batches that say the same. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { CODECS } from "../../../src/wire/compression/codecs.ts";
import { WireError } from "../../../src/wire/errors.ts";
import { asBatches, isOldFormat, upgradeMessages } from "../../../src/wire/message-set.ts";
import { batchesIn } from "../../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../../src/wire/records.ts";

const { sets } = JSON.parse(readFileSync(new URL("java-messages.json", import.meta.url), "utf8")) as {
  readonly sets: Readonly<Record<string, string>>;
};
const VALUE = Buffer.from('{"carrier":"AA"}'.repeat(13)).subarray(0, 200);

function messagesOf(title: string): Buffer {
  return Buffer.from(sets[title] ?? assert.fail(title), "base64");
}

function recordsIn(batches: Buffer) {
  return [...batchesIn(batches)].flatMap((batch) =>
    decodeRecords(batch).map(({ offsetDelta, timestampMs, key, value }) => ({
      offset: batch.baseOffset + BigInt(offsetDelta),
      timestampMs,
      key: key?.toString(),
      value,
    })),
  );
}

for (const title of Object.keys(sets)) {
  const [, magic, codecName, time] = title.split(" ");

  test(`Messages that Java wrote with ${title} keep their offsets, times, keys, values and codec`, () => {
    const messages = messagesOf(title);
    assert.throws(() => [...batchesIn(messages)], isOldFormat);
    const upgraded = upgradeMessages(messages);
    const timeOf = (ms: bigint): bigint =>
      magic === "0" ? -1n : time === "LogAppendTime" ? 1_700_000_005_000n : 1_700_000_000_000n + ms;
    assert.deepEqual(recordsIn(upgraded), [
      { offset: 42n, timestampMs: timeOf(0n), key: "k0", value: VALUE },
      { offset: 43n, timestampMs: timeOf(1_000n), key: undefined, value: VALUE },
      { offset: 45n, timestampMs: timeOf(-2_000n), key: "k2", value: null },
    ]);
    const [batch, ...others] = [...batchesIn(upgraded)];
    assert.ok(batch !== undefined && others.length === 0);
    batch.verifyCrc();
    assert.equal(batch.nextOffset, 46n);
    assert.equal(CODECS[batch.codec]?.name, codecName);
    assert.ok(batch.wasOldFormat && !batch.isLogAppendTime && !batch.isDense);
  });

  test(`Damage of messages that Java wrote with ${title} never gets a good CRC`, () => {
    const messages = messagesOf(title);
    for (let at = 16; at < messages.length; at += 7) {
      const damaged = Buffer.from(messages);
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      // What makes a batch of it, or cuts off a message's end, is no damage that could pass for a record.
      assert.throws(() => {
        const kept = recordsIn(upgradeMessages(damaged));
        assert.ok(kept.length === 3);
      });
    }
  });
}

test("messages before and behind batches of today's format keep their order, and a cut tail is left out", () => {
  const old = messagesOf("magic 1 none CreateTime");
  const today = encodeBatch([{ timestampMs: 7n, key: null, value: VALUE }], { baseOffset: 50n, leaderEpoch: 3 });
  const compressed = messagesOf("magic 1 gzip CreateTime");
  const all = Buffer.concat([old, today.bytes, compressed]);
  const batches = [...batchesIn(upgradeMessages(all))];
  assert.deepEqual(
    batches.map(({ baseOffset, wasOldFormat }) => [baseOffset, wasOldFormat]),
    [
      [42n, true],
      [50n, false],
      [42n, true],
    ],
  );
  assert.deepEqual(batches[1]?.bytes, today.bytes);
  const cut = upgradeMessages(all.subarray(0, all.length - 1));
  assert.equal([...batchesIn(cut)].length, 2);
  assert.equal([...batchesIn(upgradeMessages(old.subarray(0, old.length - 1)))][0]?.recordCount, 2);
});

test("bytes without old messages are batches as they are, whatever else they are", () => {
  const today = encodeBatch([{ timestampMs: 7n, key: null, value: VALUE }], { baseOffset: 50n, leaderEpoch: 3 }).bytes;
  const two = Buffer.concat([today, today]);
  for (const bytes of [Buffer.alloc(0), today, two, two.subarray(0, two.length - 1), today.subarray(0, 20)])
    assert.equal(asBatches(bytes), bytes);
  const broken = Buffer.from(two);
  broken.writeInt32BE(-1_000, 8);
  assert.equal(asBatches(broken).length, broken.length);
  const mixed = Buffer.concat([today, messagesOf("magic 1 none CreateTime")]);
  assert.deepEqual(asBatches(mixed), upgradeMessages(mixed));
});

test("messages that are no messages are refused, whatever the bytes are", () => {
  const titles = Object.keys(sets);
  fc.assert(
    fc.property(
      fc.constantFrom(...titles),
      fc.array(fc.record({ at: fc.nat({ max: 400 }), byte: fc.integer({ min: 0, max: 255 }) }), { maxLength: 6 }),
      (title, changes) => {
        const bytes = Buffer.from(messagesOf(title));
        for (const { at, byte } of changes) bytes[at % bytes.length] = byte;
        try {
          [...batchesIn(upgradeMessages(bytes))].map((batch) => decodeRecords(batch));
        } catch (error) {
          assert.ok(error instanceof WireError, String(error));
        }
      },
    ),
  );
});
