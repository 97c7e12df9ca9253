/** Which records a Parquet file leaves out: those of aborted transactions, wherever their markers are. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { readHead } from "../../../src/tier/archive.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { decidingSegments, outcomeOf } from "../../../src/tier/parquet/committed-records.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { abortedAcrossSegments, fakeSegmentSource, PARTITION } from "../../support/segments.ts";

const POLICY = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;

async function archiveOf(segments: number) {
  const [store, clock] = [createMemoryStore(), createFakeClock(10_000)];
  const source = fakeSegmentSource(abortedAcrossSegments().slice(0, segments));
  await offloadOnce(POLICY, () => true, { source, store, clock, random: seededRandom(1) });
  return { store, segments: (await readHead(store, PARTITION))?.manifest.segments ?? [] };
}

test("a segment waits for the marker of its last transaction, which a later one has, whether or not manifests tell of it", async () => {
  for (const told of [true, false]) {
    const outcomeIn = async (count: number) => {
      const { store, segments } = await archiveOf(count);
      const known = told ? segments : segments.map((each) => ({ ...each, openTransactions: undefined }));
      return outcomeOf(known[0] ?? assert.fail("no segment"), decidingSegments(known, 0), store);
    };
    assert.deepEqual(await outcomeIn(1), { kind: "undecided" });
    assert.deepEqual(await outcomeIn(2), { kind: "decided", aborted: [{ producerId: 7n, firstOffset: 0n }] });
  }
});

test("a segment is not converted when an index of what was aborted is damaged", async () => {
  const { store, segments } = await archiveOf(2);
  const [first, second] = segments;
  assert.ok(first !== undefined && second !== undefined);
  const key = `${second.key}.txnindex`;
  const sound = store.objects.get(key) ?? assert.fail("no index");
  for (const damaged of [sound.subarray(0, 34), sound.subarray(0, 40), Buffer.alloc(0)]) {
    store.objects.set(key, damaged);
    await assert.rejects(outcomeOf(first, [second], store), (error) => hasFaultCode(error, "ARCHIVE_CORRUPT"));
  }
});
