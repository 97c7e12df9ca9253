/** The upkeep of a rule does what is due, within its budget, and tells what it found. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { TierUpkeep } from "../../../src/runtime/tier-upkeep.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { consecutiveSegments, fakeSegmentSource, PARTITION } from "../../support/segments.ts";

const DAY_MS = 86_400_000;
const TEN_MINUTES_MS = 600_000;

async function openWorld(scrubBytesPerDay?: number) {
  const clock = createFakeClock(1_000_000);
  const store = createMemoryStore({ nowMs: () => clock.nowMs() });
  const source = fakeSegmentSource(consecutiveSegments(12, { batchesPerSegment: 10, maxTimestampMs: 0 }));
  const policy = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;
  await offloadOnce(policy, () => true, { source, store, clock, random: seededRandom(3) });
  const spec = { retention: {}, onTopicDeleted: "keep", graceMs: DAY_MS, scrubBytesPerDay } as const;
  const upkeep = new TierUpkeep(spec, { store, clock, logger: silentLogger, wants: () => true });
  const run = async (): Promise<void> =>
    upkeep.runIfDue({ clusterId: PARTITION.clusterId, localStart: async () => 0n, raiseStart: async () => {} });
  const pass = async (afterMs: number): Promise<void> => {
    await clock.advance(afterMs);
    await run();
  };
  return { clock, store, upkeep, run, pass };
}

test("upkeep scrubs no more than its budget in a day, and tells what is damaged", async () => {
  const world = await openWorld(144 * 1_000);
  const damaged = [...world.store.objects.keys()].filter((key) => key.endsWith(".log")).sort()[2] ?? assert.fail();
  world.store.objects.set(damaged, Buffer.alloc(10));
  await world.run();
  await world.run();
  assert.equal(world.upkeep.status.scrub.segments, 1);
  for (let i = 0; i < 40; i++) await world.pass(TEN_MINUTES_MS);
  const { scrub, failure } = world.upkeep.status;
  assert.equal(failure, undefined);
  assert.ok(scrub.bytes <= 43_000 && scrub.bytes > 30_000, `${scrub.bytes}`);
  assert.ok(scrub.rounds >= 1 && scrub.findings.every(({ key, kind }) => key === damaged && kind === "wrong-size"));
  assert.ok(scrub.findings.length > 0);
  assert.equal(scrub.found, 1);
});

test("upkeep prunes old manifests without being asked, and tells what keeps it from that", async () => {
  const world = await openWorld();
  await world.run();
  assert.equal(world.upkeep.status.objectsCollected, 0);
  await world.pass(2 * DAY_MS);
  assert.equal(world.upkeep.status.objectsCollected, 2);
  const manifest = [...world.store.objects.keys()].filter((key) => key.includes("manifest")).sort()[5] ?? assert.fail();
  world.store.objects.set(manifest, Buffer.from("{"));
  await world.pass(DAY_MS);
  assert.match(world.upkeep.status.failure ?? "", /cannot be read; run tributary tier repair/);
});
