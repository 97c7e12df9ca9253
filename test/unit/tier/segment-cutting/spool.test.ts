/** The spool goes on after any crash, and believes no byte that changed. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStorage } from "../../../../src/adapters/memory-storage.ts";
import { wholeOf } from "../../../../src/tier/object-body.ts";
import { type CutRule, closesBefore, isOverdue } from "../../../../src/tier/segment-cutting/cut-rule.ts";
import { SegmentIndexer } from "../../../../src/tier/segment-cutting/segment-indexer.ts";
import { Spool } from "../../../../src/tier/segment-cutting/spool.ts";
import { type BatchView, batchAt, batchesIn } from "../../../../src/wire/record-batch.ts";
import { batchOf, NOW_MS } from "../../broker/log/log-fixture.ts";

const OPTIONS = { directory: "spool/orders/0", indexIntervalBytes: 100 };
const START = { baseOffset: 100n, earlierTransactions: [], leadingGap: undefined, openedAtMs: NOW_MS } as const;
const DATA = `${OPTIONS.directory}/segment.log`;
const NEVER = () => false;

/** Batches of three records each from offset 100 on, one behind the other in memory. */
function batches(count: number, from = 100): { readonly bytes: Buffer; readonly views: readonly BatchView[] } {
  const made = Array.from({ length: count }, (_, i) => {
    const batch = batchOf({ count: 3, timestampMs: NOW_MS + i * 10 });
    batch.setBaseOffset(BigInt(from + i * 3));
    batch.setLeaderEpoch(i < 5 ? 1 : 2);
    return batch.bytes;
  });
  const bytes = Buffer.concat(made);
  return { bytes, views: [...batchesIn(bytes)] };
}

async function written(storage: MemoryStorage, count = 10): Promise<Spool> {
  const spool = await Spool.open(OPTIONS, { storage });
  spool.begin(START);
  spool.append(batches(count).views, NEVER);
  return spool;
}

test("spool goes on where it was when another process opens it, whatever the crash tore", async () => {
  const { bytes, views } = batches(10);
  const starts = views.map((view) => view.start);
  for (let cut = bytes.length; cut >= 0; cut -= 17) {
    const storage = new MemoryStorage();
    await written(storage);
    storage.open(DATA, { create: false }).truncate(cut);
    const again = await Spool.open(OPTIONS, { storage });
    const whole = starts.filter((_, i) => (starts[i + 1] ?? bytes.length) <= cut).length;
    assert.equal(again.segment?.nextOffset, 100n + BigInt(whole * 3));
    assert.equal(again.openedAtMs, NOW_MS);
    again.append(views.slice(whole), NEVER);
    again.close();
    const third = await Spool.open(OPTIONS, { storage });
    assert.deepEqual(await wholeOf(third.files().log), bytes);
    assert.equal(third.closed?.nextOffset, 130n);
    assert.deepEqual(third.files().leaderEpochs, [
      { epoch: 1, startOffset: 100n },
      { epoch: 2, startOffset: 115n },
    ]);
  }
});

test("spool believes no batch whose bytes have changed, nor one behind it", async () => {
  const storage = new MemoryStorage();
  const spool = await written(storage);
  spool.close();
  const bytes = storage.readFile(DATA);
  const at = batches(10).views[6]?.start ?? 0;
  bytes[at + 80] = (bytes[at + 80] ?? 0) ^ 1;
  storage.writeFile(DATA, bytes);
  const again = await Spool.open(OPTIONS, { storage });
  assert.equal(again.segment?.nextOffset, 118n);
  assert.equal(again.closed, undefined, "it takes more again");
});

test("spool that was closed takes more again when a crash left none of its data: an empty segment is never archived", async () => {
  const storage = new MemoryStorage();
  (await written(storage)).close();
  storage.open(DATA, { create: false }).truncate(0);
  const again = await Spool.open(OPTIONS, { storage });
  assert.deepEqual([again.closed, again.segment?.nextOffset], [undefined, 100n]);
  again.append(batches(2).views, NEVER);
  again.close();
  assert.equal(again.closed?.nextOffset, 106n);
});

test("spool without facts is empty", async () => {
  const storage = new MemoryStorage();
  await written(storage);
  storage.writeFile(`${OPTIONS.directory}/segment.json`, Buffer.from("{"));
  const again = await Spool.open(OPTIONS, { storage });
  assert.equal(again.segment, undefined);
  assert.equal(storage.exists(DATA), false);
});

test("spool drops what the cluster lost, and takes more from there", async () => {
  const storage = new MemoryStorage();
  const spool = await written(storage);
  spool.close();
  await spool.cutTo(116n);
  assert.equal(spool.segment?.nextOffset, 115n, "the batch of 115 to 117 holds an offset that is gone");
  assert.equal(spool.closed, undefined);
  spool.append(batches(1, 115).views, NEVER);
  assert.equal(spool.segment?.nextOffset, 118n);
});

test("segment closes before the batch that would make it too large, too long in time, or unaddressable", () => {
  const rule: CutRule = { segmentBytes: 300, recordAgeMs: 1_000, openMs: 5_000 };
  const segment = new SegmentIndexer({ baseOffset: 0n, earlierTransactions: [] }, OPTIONS);
  const first = batchOf({ timestampMs: NOW_MS });
  assert.equal(closesBefore(batchOf({ valueBytes: 1_000 }), segment, rule), false, "one batch may be larger");
  segment.add(first);
  assert.equal(closesBefore(batchOf({ timestampMs: NOW_MS + 1_000 }), segment, rule), false);
  assert.equal(closesBefore(batchOf({ timestampMs: NOW_MS + 1_001 }), segment, rule), true);
  assert.equal(closesBefore(batchOf({ timestampMs: NOW_MS, valueBytes: 300 }), segment, rule), true);
  const far = batchAt(batchOf().bytes, 0);
  far?.setBaseOffset(2n ** 31n);
  assert.ok(far !== undefined && closesBefore(far, segment, { ...rule, recordAgeMs: Number.MAX_SAFE_INTEGER }));
  assert.deepEqual(
    [4_999, 5_000].map((age) => isOverdue(NOW_MS, NOW_MS + age, rule)),
    [false, true],
  );
});
