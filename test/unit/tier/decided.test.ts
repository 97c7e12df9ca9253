/** Where an archive is stable: up to its first transaction without an end. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { readHead } from "../../../src/tier/archive.ts";
import { decidedBy, nextToWalk, stableOffsetOf, walkOver } from "../../../src/tier/decided.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { abortedAcrossSegments, fakeSegmentSource, PARTITION } from "../../support/segments.ts";

test("an archive is stable up to its first open transaction, and where its manifest does not tell up to where its data were walked", async () => {
  const [store, clock] = [createMemoryStore(), createFakeClock(10_000)];
  const policy = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;
  const source = fakeSegmentSource(abortedAcrossSegments());
  await offloadOnce(policy, () => true, { source, store, clock, random: seededRandom(1) });
  const segments = (await readHead(store, PARTITION))?.manifest.segments ?? [];
  const [first, second] = segments;
  assert.ok(first !== undefined && second !== undefined);
  assert.equal(stableOffsetOf(decidedBy({ segments: [first] })), 0n);
  assert.equal(stableOffsetOf(decidedBy({ segments })), 6n);
  assert.equal(nextToWalk({ segments }, decidedBy({ segments })), undefined);

  const untold = { segments: segments.map((each) => ({ ...each, openTransactions: undefined })) };
  const nothing = decidedBy(untold);
  assert.deepEqual(nothing, { lookedTo: 0n, open: [] });
  const half = await walkOver(first, nothing, store);
  assert.deepEqual(half, { lookedTo: 2n, open: [{ producerId: 7n, firstOffset: 0n }] });
  assert.equal(stableOffsetOf(half), 0n);
  // Goes on from there, and needs nothing again that was walked.
  assert.deepEqual(decidedBy(untold, half), half);
  assert.equal(nextToWalk(untold, half)?.baseOffset, 2n);
  assert.equal(stableOffsetOf(await walkOver(second, half, store)), 6n);
  // Only what follows the last manifest entry that tells has to be walked.
  assert.equal(nextToWalk({ segments: [first, { ...second, openTransactions: undefined }] }, half)?.baseOffset, 2n);
});
