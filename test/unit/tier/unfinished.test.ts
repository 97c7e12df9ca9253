/** What killed writers left is collected by its age, and only where it is an archive's. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { manifestPrefix, segmentKey } from "../../../src/tier/manifest.ts";
import { storeNowMs } from "../../../src/tier/store-clock.ts";
import { storeFailure } from "../../../src/tier/store-failure.ts";
import { collectUnfinished, isArchiveKey, isKeyOf } from "../../../src/tier/unfinished.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { PARTITION } from "../../support/segments.ts";

const GRACE_MS = 60_000;
const DATA = `${segmentKey(PARTITION, 0n, { epoch: 1, nonce: "cafe" })}.log`;
const { clusterId, topic, topicId } = PARTITION;

function openWorld(...begun: readonly (readonly [key: string, writtenMs: number])[]) {
  const clock = createFakeClock(1_000_000);
  const store = createMemoryStore({ nowMs: () => clock.nowMs() });
  for (const [at, [key, writtenMs]] of begun.entries())
    store.begun.set(`left-${at}`, { key, id: `left-${at}`, sizeBytes: 10, writtenMs });
  const run = async (dryRun = false, wanted = isArchiveKey) => {
    const deps = { store, nowMs: await storeNowMs(store) };
    const { removed, ...others } = await collectUnfinished(wanted, { graceMs: GRACE_MS, dryRun }, deps);
    return { ...others, removed: removed.map(({ key }) => key) };
  };
  return { clock, store, run };
}

test("gc gives up an unfinished write once the store got nothing of it for the grace period, and no younger one", async () => {
  const world = openWorld([DATA, 1_000_000], [DATA, 1_000_001]);
  await world.clock.advance(GRACE_MS);
  const report = { removed: [DATA], bytes: 10, waiting: 1, untold: undefined };
  assert.deepEqual(await world.run(true), report);
  assert.equal(world.store.begun.size, 2);
  assert.deepEqual(await world.run(), report);
  assert.deepEqual([...world.store.begun.keys()], ["left-1"]);
});

test("gc leaves unfinished writes alone that are no archive's, or not of what is wanted", async () => {
  const others = ["video.mp4", `${clusterId}/${topic}-${topicId}/3/notes.txt`, "a/groups/list.json"];
  const world = openWorld(...[DATA, ...others].map((key) => [key, 0] as const));
  const wanted = isKeyOf(clusterId, (name) => name !== topic);
  assert.deepEqual((await world.run(false, wanted)).removed, []);
  assert.deepEqual(
    (
      await world.run(
        false,
        isKeyOf("another", () => true),
      )
    ).removed,
    [],
  );
  assert.deepEqual((await world.run()).removed, [DATA]);
  assert.equal(world.store.begun.size, others.length);
});

test("gc knows every kind of key that an archive uses", () => {
  const twenty = "00000000000000000000";
  for (const key of [
    DATA,
    `${manifestPrefix(PARTITION)}${twenty}.json`,
    `${clusterId}/groups/${twenty}-cafe.json`,
    `${clusterId}/topics/${topic}-${topicId}.json`,
    `parquet/topic=${topic}/date=2026-01-31/x.parquet`,
    "clock",
    "scrub/place.json",
    "tributary-probe/cafe",
  ])
    assert.ok(isArchiveKey(key), key);
});

test("gc says so where a store does not tell of unfinished writes, and fails when it cannot be asked", async () => {
  const world = openWorld([DATA, 0]);
  const fail = (code: "STORE_UNSUPPORTED" | "STORE_DENIED" | "STORE_UNAVAILABLE"): void => {
    world.store.before = ({ kind, key }) => {
      if (kind === "unfinished") throw storeFailure({ code, location: "memory:", key, reason: `because ${code}` });
    };
  };
  for (const code of ["STORE_UNSUPPORTED", "STORE_DENIED"] as const) {
    fail(code);
    assert.deepEqual(await world.run(), { removed: [], bytes: 0, waiting: 0, untold: `because ${code}` });
  }
  fail("STORE_UNAVAILABLE");
  await assert.rejects(world.run(), /STORE_UNAVAILABLE/);
});
