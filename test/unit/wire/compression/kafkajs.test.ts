/** Our codecs in kafkajs. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { installInto } from "../../../../src/wire/compression/kafkajs.ts";
import { batchAt } from "../../../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../../../src/wire/records.ts";
import { kafkajsCodecs, kafkajsDecodeBatch, kafkajsEncodeBatch } from "../kafkajs.ts";

const value = Buffer.from("a flight, a flight, a flight, ".repeat(5000));
const TIMESTAMP_MS = 1_700_000_000_000;

test("kafkajs with our codecs plugged in reads our batches and writes batches that we read, in every codec", async () => {
  const builtIn = kafkajsCodecs()[1];
  assert.ok(builtIn !== undefined);
  installInto(kafkajsCodecs());
  for (const codec of [0, 1, 2, 3, 4] as const) {
    const ours = encodeBatch([{ timestampMs: BigInt(TIMESTAMP_MS), key: null, value }], { codec });
    const [theirRecord] = await kafkajsDecodeBatch(Buffer.from(ours.bytes));
    assert.deepEqual(theirRecord?.value, value, `codec ${codec}`);
    const theirs = batchAt(
      await kafkajsEncodeBatch([{ key: null, value }], {
        compression: codec,
        firstTimestamp: TIMESTAMP_MS,
        maxTimestamp: TIMESTAMP_MS,
      }),
      0,
    );
    assert.ok(theirs !== undefined);
    assert.equal(theirs.codec, codec);
    assert.deepEqual(decodeRecords(theirs), decodeRecords(ours), `codec ${codec}`);
  }
});
