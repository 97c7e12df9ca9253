/** What must hold of a Kafka topic and its archive whatever became of the processes that worked on it. */

import assert from "node:assert/strict";
import { MemoryStorage } from "../../../../src/adapters/memory-storage.ts";
import { nodeRandom } from "../../../../src/adapters/node-random.ts";
import { parquetName } from "../../../../src/adapters/parquet/parquet-name.ts";
import { segmentToParquet } from "../../../../src/adapters/parquet/segment-to-parquet.ts";
import { readCatalog } from "../../../../src/tier/catalog.ts";
import { ColdReader } from "../../../../src/tier/cold-reader.ts";
import {
  type ArchivedSegment,
  decodeManifest,
  type Manifest,
  manifestKey,
  manifestPrefix,
  partitionPrefix,
} from "../../../../src/tier/manifest.ts";
import { decidingSegments } from "../../../../src/tier/parquet/committed-records.ts";
import { verifyPartition } from "../../../../src/tier/verify.ts";
import { MARGIN_RECORDS, PARQUET, PARQUET_DIRECTORY, SPOOL } from "./jobs.ts";
import { type KafkaWorld, PLACES } from "./world.ts";

/** True of every moment, also right after a crash. */
export async function assertSound(world: KafkaWorld): Promise<void> {
  assert.deepEqual(world.violations, []);
  assertNoHole(world);
  for (const segment of manifestsOf(world).at(-1)?.segments ?? []) {
    const what = damageOf(world, segment);
    assert.equal(what, undefined, `no dangling reference: ${segment.key}: ${what}`);
  }
  await assertReadable(world);
  await assertParquetWhole(world);
}

/** A Parquet file is whole or not there: each is what writing its segment again makes. */
async function assertParquetWhole(world: KafkaWorld): Promise<void> {
  const { store, partition, disks } = world;
  const segments = newestOf(world)?.manifest.segments ?? [];
  for (const [at, segment] of segments.entries()) {
    const name = parquetName(partition, segment);
    const { storage } = disks.get("here") ?? assert.fail("no disk");
    const path = `${PARQUET_DIRECTORY}/${name}`;
    const found = [store.objects.get(`parquet/${name}`), storage.exists(path) ? storage.readFile(path) : undefined];
    for (const file of found.filter((one) => one !== undefined)) {
      const again = new MemoryStorage();
      const task = { partition, segment, later: decidingSegments(segments, at) };
      await segmentToParquet(task, PARQUET.options, { store, storage: again, path: "again" });
      assert.ok(file.equals(again.readFile("again")), `a Parquet file is whole or not there: ${name}`);
    }
  }
}

/** What nobody in the cluster can read any more is read from the archive, byte for byte. */
async function assertReadable(world: KafkaWorld): Promise<void> {
  const { cluster, partition, written, retiredTo, store, clock, goneBelow } = world;
  // Without its newest manifest an archive is read again once that is repaired.
  if (isHeadDamaged(world)) return;
  const startOffset = cluster.log(partition)?.startOffset ?? goneBelow;
  const reader = new ColdReader({ store, clock });
  for (const batch of written.values()) {
    if (batch.nextOffset > startOffset || batch.baseOffset < retiredTo) continue;
    const found = await reader.read({ partition, offset: batch.baseOffset, maxBytes: 1 }).catch(() => undefined);
    assert.ok(found?.bytes.equals(batch.bytes) === true, `no record unreadable: offset ${batch.baseOffset}`);
  }
}

/** Segments follow each other without a hole, each holds every batch between its ends once; a manifest has all segments of its
 *  predecessor but those that were taken out. */
function assertNoHole(world: KafkaWorld): void {
  let before: Manifest | undefined;
  for (const manifest of manifestsOf(world)) {
    for (const [at, segment] of manifest.segments.entries()) {
      const previous = manifest.segments[at - 1];
      assert.ok(previous === undefined || previous.nextOffset === segment.baseOffset, "the archive never has a hole");
      assert.ok(
        segment.nextOffset > segment.baseOffset,
        `the archive never has a hole: ${segment.baseOffset} is empty`,
      );
    }
    const keptFrom = manifest.segments[0]?.baseOffset ?? manifest.removed?.nextOffset ?? 0n;
    for (const { baseOffset, nextOffset } of before?.segments ?? [])
      assert.ok(
        baseOffset >= keptFrom || nextOffset <= world.retiredTo,
        `the archive never has a hole: ${baseOffset} was lost`,
      );
    before = manifest;
  }
}

/** "Deleted in the cluster only what is published, verified, beyond the margin and read": why records below the offset may not go at
 *  this moment; undefined when they may. What was taken out of the archive since the process looked last is nobody's fault. */
export function undeletable(world: KafkaWorld, offset: bigint, retiredToAtLastLook: bigint): string | undefined {
  const { cluster, partition, readTo, retiredTo } = world;
  const segments = manifestsOf(world).at(-1)?.segments ?? [];
  const from = cluster.log(partition)?.startOffset ?? 0n;
  const [start, end] = [segments[0]?.baseOffset ?? 0n, segments.at(-1)?.nextOffset ?? 0n];
  const within = segments.filter(({ baseOffset, nextOffset }) => nextOffset > from && baseOffset < offset);
  const damage = within.map((segment) => damageOf(world, segment)).find((what) => what !== undefined);
  const why = ((): string | undefined => {
    if (offset > readTo) return `a group has read up to ${readTo}`;
    if (retiredTo > retiredToAtLastLook) return undefined;
    if (offset > end - BigInt(MARGIN_RECORDS)) return `the archive ends at ${end}`;
    return from < start ? `the archive begins at ${start}` : damage;
  })();
  return (
    why && `deleted in the cluster only what is published, verified, beyond the margin and read: ${offset}: ${why}`
  );
}

/** Nothing of the partition is in the store but manifests and what the newest of them names. */
export function assertNoOrphans(world: KafkaWorld): void {
  const named = new Set(
    manifestsOf(world)
      .at(-1)
      ?.segments.map(({ key }) => key),
  );
  const orphans = [...world.store.objects.keys()].filter(
    (key) =>
      key.startsWith(partitionPrefix(world.partition)) &&
      !key.startsWith(manifestPrefix(world.partition)) &&
      !named.has(key.slice(0, key.lastIndexOf("."))),
  );
  assert.deepEqual(orphans, [], "orphans are collected");
}

/** Everything is in the archive, whole with its indexes, what may go has gone in the cluster, and the spools are empty. */
export async function assertAllArchived(world: KafkaWorld): Promise<void> {
  const { cluster, partition, store, disks, readTo } = world;
  const end = manifestsOf(world).at(-1)?.segments.at(-1)?.nextOffset ?? world.retiredTo;
  for (const place of PLACES) {
    const { storage } = disks.get(place) ?? assert.fail("no disk");
    for (const name of filesBelow(storage, SPOOL))
      assert.equal(storage.readFile(name).length, 0, `spools are empty in the end: ${name}`);
  }
  if (world.isTopicThere) {
    const log = cluster.log(partition);
    assert.equal(end, log?.endOffset, "everything is archived");
    const margin = end - BigInt(MARGIN_RECORDS);
    const start = newestOf(world)?.manifest.segments[0]?.baseOffset ?? world.retiredTo;
    // Where the archive begins behind what the cluster has, somebody took it out, and it stays.
    if (log !== undefined && log.startOffset >= start)
      assert.equal(log.startOffset, readTo < margin ? readTo : margin, "what is archived goes");
  }
  for (const entry of await readCatalog(store)) {
    const { findings } = await verifyPartition(entry, { share: 1, nowMs: 0 }, { store, random: nodeRandom() });
    assert.deepEqual(findings, [], "what is archived is whole, indexes too");
  }
}

function* filesBelow(storage: { list(path: string): readonly string[] }, path: string): Generator<string> {
  const names = storage.list(path);
  if (names.length === 0 && path.includes(".")) yield path;
  for (const name of names) yield* filesBelow(storage, `${path}/${name}`);
}

/** The newest manifest that can be read. */
export function newestOf(world: KafkaWorld): { readonly key: string; readonly manifest: Manifest } | undefined {
  const manifest = manifestsOf(world).at(-1);
  return manifest && { key: manifestKey(world.partition, manifest.number), manifest };
}

function isHeadDamaged({ store, partition, damaged }: KafkaWorld): boolean {
  const newest = [...store.objects.keys()]
    .filter((key) => key.startsWith(manifestPrefix(partition)))
    .sort()
    .at(-1);
  return newest !== undefined && damaged.has(newest);
}

/** Those that were not damaged. */
function manifestsOf({ store, partition, damaged }: KafkaWorld): readonly Manifest[] {
  return [...store.objects.entries()]
    .filter(([key, bytes]) => key.startsWith(manifestPrefix(partition)) && damaged.get(key)?.equals(bytes) !== true)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, bytes]) => decodeManifest(key, bytes));
}

/** What is wrong with the data of a segment; undefined when they are the batches that were in the cluster, or as damaged as they were
 *  made by somebody else: "A repair never worsens". */
function damageOf({ store, written, damaged }: KafkaWorld, segment: ArchivedSegment): string | undefined {
  const { key, baseOffset, nextOffset } = segment;
  const object = store.objects.get(`${key}.log`);
  if (object === undefined) return "no log";
  if (damaged.get(`${key}.log`)?.equals(object) === true) return undefined;
  const batches = [...written.values()].filter(
    (batch) => batch.baseOffset >= baseOffset && batch.baseOffset < nextOffset,
  );
  return object.equals(Buffer.concat(batches.map(({ bytes }) => bytes))) ? undefined : "other batches";
}
