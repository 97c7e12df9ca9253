/** A scrub gets through everything, however little it may read at a time. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { scrub } from "../../../src/tier/scrub.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { consecutiveSegments, fakeSegmentSource } from "../../support/segments.ts";

const POLICY = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;

async function archived() {
  const store = createMemoryStore();
  const source = fakeSegmentSource(consecutiveSegments(5, { batchesPerSegment: 10, maxTimestampMs: 0 }));
  await offloadOnce(POLICY, () => true, { source, store, clock: createFakeClock(1), random: seededRandom(3) });
  return store;
}

test("a scrub remembers where it was and reads every segment once in a round", async () => {
  const store = await archived();
  const read: number[] = [];
  for (let isOver = false; !isOver; ) {
    const report = await scrub(store, { bytesMax: 3_000, nowMs: 0 });
    read.push(report.segments);
    isOver = report.isRoundOver;
    assert.ok(read.length < 10);
  }
  assert.deepEqual(read, [2, 2, 1]);
  assert.equal((await scrub(store, { bytesMax: 1e9, nowMs: 0 })).segments, 5);
  assert.ok(![...store.objects.keys()].some((key) => key.startsWith("scrub/")));
});

test("a scrub finds the damaged segment in the run that reads it, and paces itself", async () => {
  const store = await archived();
  const damaged = [...store.objects.keys()].filter((key) => key.endsWith(".log")).sort()[3] ?? assert.fail();
  const bytes = store.objects.get(damaged) ?? assert.fail();
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  const paced: number[] = [];
  const pace = async (size: number): Promise<void> => void paced.push(size);
  const [first, second] = [
    await scrub(store, { bytesMax: 3_000, nowMs: 0, pace }),
    await scrub(store, { bytesMax: 3_000, nowMs: 0, pace }),
  ];
  assert.deepEqual(first.findings, []);
  assert.ok(second.findings.every(({ key, kind }) => key === damaged && kind === "wrong-content"));
  assert.equal(second.findings.length > 0, true);
  assert.equal(paced.length, 4);
});
