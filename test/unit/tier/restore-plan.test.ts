/** What a restore reads: nothing undecided, nothing beyond its range, and own offsets only where every offset has its record. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { publish, readHead } from "../../../src/tier/archive.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { cutBatch } from "../../../src/tier/restore/cut-batch.ts";
import { RangeReader } from "../../../src/tier/restore/range-reader.ts";
import { planRestore, type RestoreRequest } from "../../../src/tier/restore/restore-plan.ts";
import { settingsToFinish } from "../../../src/tier/restore/topic-settings.ts";
import { type BatchView, batchesIn } from "../../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../../src/wire/records.ts";
import { TransactionIndex } from "../../../src/wire/segment/transaction-index.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { consecutiveSegments, fakeSegmentSource, PARTITION } from "../../support/segments.ts";

const POLICY = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;
const ALL: RestoreRequest = { topics: () => true };

/** Records at these offsets of one batch. */
function batchAt(
  offsets: readonly number[],
  of: { readonly producerId?: bigint; readonly marker?: boolean } = {},
): BatchView {
  const base = offsets[0] ?? 0;
  const records = offsets.map((offset) => ({
    offsetDelta: offset - base,
    timestampMs: BigInt(1_000 + offset),
    key: of.marker === true ? Buffer.from([0, 0, 0, 1]) : Buffer.from(`k${offset}`),
    value: Buffer.from(`v${offset}`),
    headers: [{ key: "h", value: Buffer.from(String(offset)) }],
  }));
  const { producerId } = of;
  const own = producerId === undefined ? {} : { producerId, producerEpoch: 3, baseSequence: 0, isTransactional: true };
  return encodeBatch(records, { baseOffset: BigInt(base), ...own, isControl: of.marker === true, codec: 1 });
}

/** An archive of segments made of these batches. */
async function archiveOf(segments: readonly (readonly BatchView[])[], aborted: readonly Buffer[] = []) {
  const [store, clock, random] = [createMemoryStore(), createFakeClock(10_000_000), seededRandom(4)];
  const made = segments.map((batches, at) => {
    const bytes = Buffer.concat(batches.map((batch) => batch.bytes));
    const baseOffset = batches[0]?.baseOffset ?? 0n;
    const nextOffset = batches.at(-1)?.nextOffset ?? 0n;
    const facts = { baseOffset, nextOffset, sizeBytes: bytes.length, maxTimestampMs: 1_000 + Number(nextOffset) - 1 };
    return { facts, bytes, txnindex: aborted[at] };
  });
  const source = {
    ...fakeSegmentSource(consecutiveSegments(1, { batchesPerSegment: 1, maxTimestampMs: 0 })),
    closedSegments: async () => made.map(({ facts }) => facts),
    readSegment: async (_: unknown, baseOffset: bigint) => {
      const found = made.find(({ facts }) => facts.baseOffset === baseOffset);
      const bytes = found?.bytes ?? Buffer.alloc(0);
      const log = { sizeBytes: bytes.length, read: (start: number, end: number) => bytes.subarray(start, end) };
      const empty = Buffer.alloc(0);
      const txnindex = found?.txnindex?.length === 0 ? undefined : found?.txnindex;
      return { log, index: empty, timeindex: empty, txnindex, leaderEpochs: [{ epoch: 0, startOffset: 0n }] };
    },
  };
  await offloadOnce(POLICY, () => true, { source, store, clock, random });
  return { store, clock };
}

async function planned(world: Awaited<ReturnType<typeof archiveOf>>, request: Partial<RestoreRequest> = {}) {
  const { topics } = await planRestore({ ...ALL, ...request }, world);
  const [partition] = topics[0]?.partitions ?? [];
  assert.ok(partition !== undefined);
  return partition;
}

test("restore stops in front of a transaction whose marker is not archived yet, however many segments back it began", async () => {
  const segments = [
    [batchAt([0, 1]), batchAt([2, 3], { producerId: 7n })],
    [batchAt([4, 5]), batchAt([6], { producerId: 8n }), batchAt([7], { producerId: 8n, marker: true })],
    [batchAt([8, 9])],
  ];
  const world = await archiveOf(segments);
  const held = await planned(world);
  assert.deepEqual([held.range.endOffset, held.undecidedUntil], [2n, 10n]);
  const decided = await archiveOf([...segments, [batchAt([10], { producerId: 7n, marker: true })]]);
  assert.equal((await planned(decided)).range.endOffset, 11n);
  // Archives of earlier versions do not tell: then the data are walked.
  const head = await readHead(world.store, PARTITION);
  assert.ok(head !== undefined);
  const untold = head.manifest.segments.map((segment) => ({ ...segment, openTransactions: undefined }));
  await publish(world.store, head, { ...head.manifest, segments: untold });
  assert.equal((await planned(world)).range.endOffset, 2n);
});

test("restore promises own offsets only where no offset of the range lacks a record, an aborted one included", async () => {
  const aborted = new TransactionIndex();
  aborted.append({ producerId: 7n, firstOffset: 2n, lastOffset: 6n, lastStableOffset: 7n });
  const world = await archiveOf(
    [
      [batchAt([0, 1]), batchAt([2, 3], { producerId: 7n })],
      [batchAt([4, 5]), batchAt([6], { producerId: 7n, marker: true })],
    ],
    [Buffer.alloc(0), aborted.toBytes()],
  );
  assert.equal((await planned(world, { until: { offset: 2n } })).holes, 0n);
  assert.equal((await planned(world, { until: { offset: 4n } })).holes, 1n);
  const whole = await planned(world);
  assert.deepEqual([whole.holes, whole.firstHoleFrom], [1n, 4n]);
  const chunk = await new RangeReader({ ...whole.range, endOffset: 4n }, world.store).next();
  assert.deepEqual(chunk?.aborted, [{ producerId: 7n, firstOffset: 2n }]);
});

test("RangeReader reads a range from the middle of a batch to the middle of another, and notices a damaged batch", async () => {
  const world = await archiveOf([[batchAt([0, 1, 2, 3]), batchAt([4, 5])], [batchAt([6, 7, 8, 9])]]);
  const { range } = await planned(world, { from: { offset: 1n }, until: { timeMs: 1_008 } });
  const reader = new RangeReader(range, world.store);
  const seen: string[] = [];
  for (let chunk = await reader.next(); chunk !== undefined; chunk = await reader.next())
    for (const batch of batchesIn(chunk.records))
      for (const { offsetDelta, value } of decodeRecords(batch))
        seen.push(`${batch.baseOffset + BigInt(offsetDelta)}=${value}`);
  assert.deepEqual(seen, ["1=v1", "2=v2", "3=v3", "4=v4", "5=v5", "6=v6", "7=v7"]);
  assert.equal(reader.nextOffset, 8n);
  for (const [key, object] of world.store.objects)
    if (key.endsWith(".log")) object.writeUInt8(object.readUInt8(70) ^ 1, 70);
  await assert.rejects(new RangeReader(range, world.store).next(), (error) => hasFaultCode(error, "ARCHIVE_CORRUPT"));
});

test("cutBatch keeps offsets, also around holes, and who wrote the records", () => {
  const whole = batchAt([10, 11, 13, 14, 17], { producerId: 9n });
  const parts = cutBatch(whole, { fromOffset: 11n, endOffset: 17n });
  assert.deepEqual(
    parts.map(({ baseOffset, nextOffset, isDense, producerId, isTransactional }) => [
      baseOffset,
      nextOffset,
      isDense,
      producerId,
      isTransactional,
    ]),
    [
      [11n, 12n, true, 9n, true],
      [13n, 15n, true, 9n, true],
    ],
  );
  for (const part of parts) part.verifyCrc();
  const records = parts.flatMap((part) =>
    decodeRecords(part).map(({ value, timestampMs, headers }) => `${value} ${timestampMs} ${headers[0]?.value}`),
  );
  assert.deepEqual(records, ["v11 1011 11", "v13 1013 13", "v14 1014 14"]);
});

test("a restored topic keeps the archived retention unless that would delete what was restored", async () => {
  const world = await archiveOf([[batchAt([0, 1])]]);
  const [topic] = (await planRestore(ALL, world)).topics;
  assert.ok(topic !== undefined);
  const shape = {
    clusterId: "c",
    topic: "flights",
    topicId: topic.topicId,
    partitions: 1,
    replicationFactor: 1,
    takenAtMs: 0,
  };
  const finish = (configs: Readonly<Record<string, string>>, retentionMs?: number) =>
    settingsToFinish(
      { ...topic, record: { ...shape, configs: new Map(Object.entries(configs)) } },
      { retentionMs, nowMs: 10_000 },
    ).map(({ name, value, warning }) => `${name}=${value}${warning === undefined ? "" : " !"}`);
  assert.deepEqual(finish({ "retention.ms": "60000", "cleanup.policy": "compact" }), [
    "cleanup.policy=compact",
    "retention.ms=60000",
    "retention.bytes=-1",
  ]);
  assert.deepEqual(finish({ "retention.ms": "500", "retention.bytes": "10" }), [
    "cleanup.policy=null",
    "retention.ms=-1 !",
    "retention.bytes=-1 !",
  ]);
  assert.deepEqual(finish({}, 5_000), ["cleanup.policy=null", "retention.ms=5000", "retention.bytes=-1"]);
});
