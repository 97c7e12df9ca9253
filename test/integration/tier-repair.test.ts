/** The cluster that segments came from is a copy of them for as long as it has them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { embeddedSegments } from "../../src/adapters/embedded-segments.ts";
import { kafkaSegmentCopies } from "../../src/adapters/kafka-segment-copies.ts";
import { createMemoryStore } from "../../src/adapters/memory-store.ts";
import { readCatalog } from "../../src/tier/catalog.ts";
import { offloadOnce } from "../../src/tier/offload.ts";
import { repairPartition } from "../../src/tier/repair.ts";
import { verifyPartition } from "../../src/tier/verify.ts";
import { connect, openColdWorld, produceAll } from "../support/cold-region.ts";

test("repair fetches from the region what is still local there, and nothing that is only in the archive", async () => {
  const store = createMemoryStore();
  const world = await openColdWorld(store);
  await using region = await world.open();
  await using client = await connect(world, region);
  await produceAll(client);
  const offload = (deleteLocal: "never" | "after-verify") =>
    offloadOnce({ olderThanMs: 0, keepLocalBytes: 0, deleteLocal }, () => true, {
      ...world,
      source: embeddedSegments(region),
    });
  await offload("never");
  const entryNow = async () => (await readCatalog(store))[0] ?? assert.fail("no archive");
  const damageAll = async (at: number): Promise<number> => {
    const logs = (await entryNow()).objectKeys.filter((key) => key.endsWith(".log"));
    for (const key of logs) {
      const bytes = store.objects.get(key) ?? assert.fail(key);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    }
    return logs.length;
  };
  const copies = [kafkaSegmentCopies({ client, region: "a", storage: world.storage, directory: "/copies" })];
  const repair = async () => repairPartition(await entryNow(), { dryRun: false }, { ...world, copies });
  const damaged = await damageAll(200);
  const { mended, lost } = await repair();
  assert.deepEqual([mended.length, lost.length], [damaged, 0]);
  assert.deepEqual((await verifyPartition(await entryNow(), { share: 1 }, world)).findings, []);
  assert.deepEqual(world.storage.list("/copies"), []);

  await offload("after-verify");
  await damageAll(300);
  const second = await repair();
  assert.deepEqual([second.mended.length, second.lost.length > 0], [0, true]);
});
