/** An archive that is damaged, mended, cut by retention and collected, in any store, while its region goes on. */

import assert from "node:assert/strict";
import { embeddedLogs } from "../../src/adapters/embedded-logs.ts";
import { MemoryStorage } from "../../src/adapters/memory-storage.ts";
import { parquetName } from "../../src/adapters/parquet/parquet-name.ts";
import { segmentToParquet } from "../../src/adapters/parquet/segment-to-parquet.ts";
import { readHead } from "../../src/tier/archive.ts";
import { readCatalog } from "../../src/tier/catalog.ts";
import { exportPartition } from "../../src/tier/export.ts";
import type { Manifest } from "../../src/tier/manifest.ts";
import type { ObjectStore } from "../../src/tier/ports.ts";
import { scrub } from "../../src/tier/scrub.ts";
import { keepUp } from "../../src/tier/upkeep.ts";
import { openKeptArchive } from "./kept-archive.ts";

const TOPIC = "flights";

/** Goes through it all; the store is empty before. */
export async function keepsAndMendsArchives(store: ObjectStore): Promise<void> {
  await using archive = await openKeptArchive(store);
  const { world, region, offload, entry, findings, repair } = archive;
  const head = async () => (await readHead(store, (await entry()).partition))?.manifest ?? assert.fail("no manifest");

  await offload("never");
  assert.deepEqual(await findings(), []);
  const [damaged, cut] = (await head()).segments;
  assert.ok(damaged !== undefined && cut !== undefined);
  await store.put(`${damaged.key}.log`, Buffer.alloc(damaged.logBytes, 1));
  await store.remove(`${cut.key}.index`);
  const scrubbed = await scrub(store, { bytesMax: 1, nowMs: Date.now() });
  assert.deepEqual([scrubbed.segments, scrubbed.isRoundOver, scrubbed.findings.length > 0], [1, false, true]);
  assert.deepEqual(
    (await repair()).mended.map(({ from }) => from),
    ["region a", "its own data"],
  );
  const newest = (await entry()).manifestKeys.at(-1) ?? assert.fail("no manifest");
  await store.put(newest, Buffer.from("{"));
  const recovered = await repair();
  assert.deepEqual([recovered.recoveredFrom !== undefined, recovered.lost], [true, []]);
  assert.deepEqual(await findings(), []);

  await offload("after-verify");
  const { segments } = await head();
  const kept = segments.slice(-2);
  const bytes = kept.reduce((sum, { logBytes }) => sum + logBytes, 0);
  const policy = { retention: { bytes }, onTopicDeleted: "keep", graceMs: 0 } as const;
  const keep = () =>
    keepUp(policy, (topic) => topic === TOPIC, { ...world, logs: embeddedLogs(region), collects: true });
  // By a clock of milliseconds, what is taken out just now is collected by the second run; by one of seconds, perhaps by the first.
  const [first, second] = [await keep(), await keep()];
  assert.equal(first.segmentsRemoved, segments.length - kept.length);
  assert.ok(first.objectsCollected + second.objectsCollected >= 3 * first.segmentsRemoved);
  assert.equal(region.partitionLog(TOPIC, 0)?.startOffset, kept[0]?.baseOffset);
  assert.deepEqual(await findings(), []);
  assert.equal((await store.list((await entry()).prefix)).filter((key) => key.endsWith(".log")).length, kept.length);
  await writesElsewhere(store, await head());
}

/** As segment files, and as Parquet in the store itself. */
async function writesElsewhere(store: ObjectStore, manifest: Manifest): Promise<void> {
  const storage = new MemoryStorage();
  const { segments } = await exportPartition(manifest, { storage, directory: "out" }, store);
  assert.equal(segments, manifest.segments.length);
  const [segment, ...later] = manifest.segments;
  assert.ok(segment !== undefined);
  const task = { partition: manifest.partition, segment, later };
  const written = await segmentToParquet(task, { jsonColumns: [], isText: true }, { store, storage, path: "rows" });
  assert.equal(written?.rows, segment.recordCount);
  const key = `parquet/${parquetName(manifest.partition, segment)}`;
  await store.put(key, storage.readFile("rows"));
  assert.equal((await store.stat(key))?.sizeBytes, written?.bytes);
  assert.equal((await readCatalog(store)).length, 1);
}
