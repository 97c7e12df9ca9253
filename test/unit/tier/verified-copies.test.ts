/** How long it is believed that a segment was read back whole. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { readHead } from "../../../src/tier/archive.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { VerifiedCopies } from "../../../src/tier/verified-copies.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { consecutiveSegments, fakeSegmentSource, PARTITION } from "../../support/segments.ts";

const DAY_MS = 86_400_000;
const POLICY = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;

test("archived segment that was read back is read again after a day, and damage is found then", async () => {
  const [clock, store] = [createFakeClock(), createMemoryStore()];
  const verified = new VerifiedCopies(clock);
  const source = fakeSegmentSource(consecutiveSegments(1, { batchesPerSegment: 3, maxTimestampMs: 0 }));
  await offloadOnce(POLICY, () => true, { source, store, clock, random: seededRandom(1), verified });
  const [segment] = (await readHead(store, PARTITION))?.manifest.segments ?? [];
  assert.ok(segment !== undefined);
  const object = store.objects.get(`${segment.key}.log`);
  assert.ok(object !== undefined);
  object[90] = (object[90] ?? 0) ^ 1;
  await clock.advance(DAY_MS - 1);
  await verified.demand(segment, store);
  await clock.advance(1);
  await assert.rejects(verified.demand(segment, store), (error) => hasFaultCode(error, "ARCHIVE_CORRUPT"));
});
