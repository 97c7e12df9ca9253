/** The same from end to end in every kind of store: segments are archived, deleted locally, read through the brokers, collected,
 *  served without a cluster, restored, and read by a client that knows nothing of this project. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { readCatalog } from "../../src/tier/catalog.ts";
import { decodeManifest } from "../../src/tier/manifest.ts";
import type { ObjectStore } from "../../src/tier/ports.ts";
import { RestoreWorld } from "../integration/restore-world.ts";
import { inOrder, openArchiveSource, readInGroup, serveArchive, writeFlights } from "../support/archive-world.ts";
import { servesArchivedSegments } from "../support/cold-region.ts";
import { boto3Missing, readByBoto3 } from "./boto3.ts";
import { STORES } from "./stores.ts";

const timeout = 120_000;
const COMMITTED = 400;
const OLD_MS = Date.now() - 40 * 86_400_000;

/** What manifests say of the objects in a store. */
async function namedObjects(store: ObjectStore): Promise<ReadonlyMap<string, string>> {
  const named = new Map<string, string>();
  for (const { manifestKeys } of await readCatalog(store)) {
    const newest = manifestKeys.at(-1) ?? "";
    for (const { key, logSha256 } of decodeManifest(newest, await store.get(newest)).segments)
      named.set(`${key}.log`, logSha256);
  }
  return named;
}

for (const { name, skip, open } of STORES) {
  test(`segments in ${name} are read through the brokers, also after a restart, verified and collected`, {
    skip,
    timeout,
  }, async () => {
    using place = await open();
    await servesArchivedSegments(place.store);
  });

  test(`an archive in ${name} is served without a cluster, and read by another client`, {
    skip,
    timeout,
  }, async (t) => {
    using place = await open();
    await using source = await openArchiveSource(place.store);
    await writeFlights(source);
    const written = inOrder(await readInGroup(source.kafka, { groupId: "before", records: COMMITTED }));
    await source.archive();
    {
      await using served = await serveArchive(place.store);
      assert.deepEqual(inOrder(await readInGroup(served.kafka, { groupId: "after", records: COMMITTED })), written);
    }
    if (place.bucket === undefined) return;
    const missing = boto3Missing();
    if (missing !== undefined) {
      t.diagnostic(missing);
      return;
    }
    const named = await namedObjects(place.store);
    assert.ok(named.size >= 3);
    const read = await readByBoto3(place.bucket);
    for (const [key, sha256] of named) assert.equal(read.get(key), sha256, key);
    assert.deepEqual([...read.keys()].sort(), [...(await place.store.list(""))]);
  });

  test(`topics archived in ${name} are restored after they were deleted, record for record`, {
    skip,
    timeout,
  }, async () => {
    using place = await open();
    await using world = new RestoreWorld(place.store);
    const west = await world.side("west");
    await world.archivedTopic(west, "orders", 1);
    await world.fill(west, "orders", 0, OLD_MS);
    const before = await world.read(west, "orders", 0);
    await world.archive(west, ["orders"]);
    await world.deleteTopic(west, "orders");
    const { partitions } = await world.restore(west);
    const end = partitions[0]?.plan.range.endOffset ?? 0n;
    const wanted = before.filter(({ offset }) => offset < end);
    assert.ok(wanted.length > 200);
    assert.deepEqual(await world.read(west, "orders", 0), wanted);
  });
}
