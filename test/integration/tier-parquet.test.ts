/** An offloader's own Parquet files: one for each archived segment, without being asked. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openFsStore } from "../../src/adapters/fs-store.ts";
import { nodeStorage } from "../../src/adapters/node-storage.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { TierParquet } from "../../src/runtime/tier-parquet.ts";
import { openArchiveSource, writeFlights } from "../support/archive-world.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const CLUSTER = "cluster-a";
const TEN_MINUTES_MS = 600_000;

async function openWorld() {
  const root = mkdtempSync(join(tmpdir(), "tier-parquet-"));
  const store = await openFsStore(join(root, "cold"));
  const source = await openArchiveSource(store, CLUSTER);
  const clock = createFakeClock(0);
  const parquet = new TierParquet(
    { text: true, jsonColumns: [] },
    {
      ...{ store, declaration: { store: store.location }, limits: {}, statePath: root, clock },
      ...{ spoolDirectory: join(root, "spool"), storage: nodeStorage(), logger: silentLogger, wants: () => true },
    },
  );
  const files = async () => (await store.list("parquet/")).length;
  const segments = async () => (await store.list(`${CLUSTER}/`)).filter((key) => key.endsWith(".log"));
  const run = async (isNew: boolean) => {
    parquet.start(CLUSTER, isNew);
    await parquet.settle();
    return parquet.status;
  };
  return {
    ...{ root, store, source, clock, parquet, files, segments, run },
    async [Symbol.asyncDispose]() {
      await parquet.close();
      await source[Symbol.asyncDispose]();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

test("an offloader writes a Parquet file for each segment that was archived, each once and with committed records only", async () => {
  await using world = await openWorld();
  await writeFlights(world.source, 0, 90);
  await world.source.archive();
  const first = await world.run(true);
  const segments = (await world.segments()).length;
  assert.deepEqual([first.files, await world.files(), first.rows], [segments, segments, 2 * 60]);
  assert.deepEqual([first.waiting, first.failing, first.failure], [0, 0, undefined]);
  assert.deepEqual(await world.run(true), first);
  await writeFlights(world.source, 90, 120);
  await world.source.archive();
  const second = await world.run(true);
  assert.deepEqual([second.files, second.rows], [(await world.segments()).length, 2 * 80]);
});

test("an offloader tells of a segment that has no Parquet file, and writes it when that can be done", async () => {
  await using world = await openWorld();
  await writeFlights(world.source, 0, 30);
  await world.source.archive();
  const [key = ""] = await world.segments();
  const bytes = await world.store.get(key);
  await world.store.put(key, Buffer.alloc(bytes.length));
  const damaged = await world.run(true);
  assert.deepEqual([damaged.files, damaged.failing], [1, 1]);
  assert.match(damaged.failure ?? "", /^flights-0 at 0 has no Parquet file: .+/);
  await world.store.put(key, bytes);
  assert.equal((await world.run(false)).failing, 1, "it is not tried all the time");
  await world.clock.advance(TEN_MINUTES_MS);
  const mended = await world.run(false);
  assert.deepEqual([mended.files, mended.failing, mended.failure], [2, 0, undefined]);
});

test("an offloader that ends in the middle leaves no part of a Parquet file, and the next one writes all", async () => {
  await using world = await openWorld();
  await writeFlights(world.source, 0, 150);
  await world.source.archive();
  world.parquet.start(CLUSTER, true);
  await world.parquet.close();
  assert.deepEqual(await world.store.unfinished(), []);
  assert.equal(nodeStorage().exists(join(world.root, "spool")), false);
  const next = new TierParquet(
    { text: false, jsonColumns: [] },
    {
      ...{ store: world.store, declaration: { store: world.store.location }, limits: {}, statePath: world.root },
      ...{ spoolDirectory: join(world.root, "spool"), storage: nodeStorage(), clock: world.clock },
      ...{ logger: silentLogger, wants: () => true },
    },
  );
  next.start(CLUSTER, false);
  await next.settle();
  assert.equal(await world.files(), (await world.segments()).length);
});
