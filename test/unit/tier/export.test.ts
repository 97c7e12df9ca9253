/** An export holds the archived bytes under Kafka's names, or says what it could not write. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStorage } from "../../../src/adapters/memory-storage.ts";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { readHead } from "../../../src/tier/archive.ts";
import { exportPartition } from "../../../src/tier/export.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { consecutiveSegments, fakeSegmentSource, PARTITION } from "../../support/segments.ts";

const POLICY = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;

async function openWorld() {
  const store = createMemoryStore();
  const segments = consecutiveSegments(3, { batchesPerSegment: 10, maxTimestampMs: 0 });
  const source = fakeSegmentSource(segments);
  await offloadOnce(POLICY, () => true, { source, store, clock: createFakeClock(1), random: seededRandom(3) });
  const storage = new MemoryStorage();
  const manifest = (await readHead(store, PARTITION))?.manifest ?? assert.fail("nothing archived");
  const run = () => exportPartition(manifest, { storage, directory: "out" }, store);
  return { store, segments, storage, manifest, run };
}

test("export writes the archived bytes under Kafka's names, and keeps what is there already", async () => {
  const world = await openWorld();
  assert.equal((await world.run()).segmentsKept, 0);
  const directory = "out/flights-3";
  const names = ["00000000000000000000", "00000000000000000050", "00000000000000000100"];
  assert.deepEqual(world.storage.list(directory), [
    ...names.flatMap((name) => ["index", "log", "timeindex"].map((suffix) => `${name}.${suffix}`)),
    "leader-epoch-checkpoint",
  ]);
  for (const [i, name] of names.entries())
    assert.deepEqual(world.storage.readFile(`${directory}/${name}.log`), world.segments[i]?.files.bytes);
  assert.equal(String(world.storage.readFile(`${directory}/leader-epoch-checkpoint`)), "0\n1\n0 0\n");
  world.storage.remove(`${directory}/${names[1]}.log`);
  assert.equal((await world.run()).segmentsKept, 2);
});

test("export refuses an object that is not what was archived, and leaves no file of its name", async () => {
  const world = await openWorld();
  const key = `${world.manifest.segments[1]?.key}.log`;
  const bytes = world.store.objects.get(key) ?? assert.fail("no object");
  bytes[200] = (bytes[200] ?? 0) ^ 1;
  await assert.rejects(world.run(), (error) => hasFaultCode(error, "ARCHIVE_READ_BACK_DIFFERS"));
  assert.ok(!world.storage.list("out/flights-3").some((name) => name.startsWith("00000000000000000050.log")));
});
