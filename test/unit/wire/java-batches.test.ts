/** Batches as Kafka's own Java producer writes them, in every codec. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { codecNamed } from "../../../src/wire/compression/codecs.ts";
import { batchAt } from "../../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch, type RecordInput } from "../../../src/wire/records.ts";

const { batches } = JSON.parse(readFileSync(new URL("java-batches.json", import.meta.url), "utf8")) as {
  readonly batches: Readonly<Record<string, string>>;
};

const FACTS = { baseOffset: 42n, leaderEpoch: 3, producerId: 5n, producerEpoch: 1, baseSequence: 7 };

for (const [title, base64] of Object.entries(batches)) {
  const [codecName = "", valueBytes] = title.split(" ");
  const codec = codecNamed(codecName);

  test(`A batch of ${valueBytes} byte values that Java wrote with ${codecName} reads back`, () => {
    const bytes = Buffer.from(base64, "base64");
    const batch = batchAt(bytes, 0);
    assert.ok(batch !== undefined && codec !== undefined);
    batch.verifyCrc();
    assert.equal(batch.sizeBytes, bytes.length);
    assert.equal(batch.codec, codec.id);
    for (const [name, value] of Object.entries(FACTS)) assert.equal(batch[name as keyof typeof FACTS], value, name);
    const records = recordsOf(Number(valueBytes));
    assert.deepEqual(
      decodeRecords(batch),
      records.map((record, offsetDelta) => ({ offsetDelta, ...record })),
    );
    // Compressed bytes may differ from one encoder to the next; uncompressed ones may not.
    if (codec.id === 0) assert.deepEqual(encodeBatch(records, FACTS).bytes, bytes);
  });
}

function recordsOf(valueBytes: number): RecordInput[] {
  const text = '{"carrier":"AA","origin":"LAX","delay":12}';
  const value = Buffer.alloc(valueBytes);
  for (let i = 0; i < valueBytes; i++) value[i] = text.charCodeAt(i % text.length) + (i % 97 === 0 ? i % 7 : 0);
  const record = (offsetMs: bigint, key: string | null, data: Buffer | null, header: string | null): RecordInput => ({
    timestampMs: 1_700_000_000_000n + offsetMs,
    key: key === null ? null : Buffer.from(key),
    value: data,
    headers: [{ key: "h", value: header === null ? null : Buffer.from(header) }],
  });
  return [record(0n, "k0", value, null), record(1000n, null, value, "x"), record(-2000n, "k2", null, "x")];
}
