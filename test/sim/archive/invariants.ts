/** What must hold of an archive whatever became of the processes that worked on it. */

import assert from "node:assert/strict";
import { ColdReader } from "../../../src/tier/cold-reader.ts";
import { type ArchivedSegment, decodeManifest, type Manifest, manifestPrefix } from "../../../src/tier/manifest.ts";
import { batchesIn } from "../../../src/wire/record-batch.ts";
import { type HeldSegment, PARTITION } from "../../support/segments.ts";
import type { ArchiveWorld } from "./world.ts";

/** True of every moment, also right after a crash. */
export async function assertSound(world: ArchiveWorld): Promise<void> {
  assert.deepEqual(world.violations, []);
  assertNoHole(world);
  assertNoDangling(world);
  await assertReadable(world);
}

/** Each record is on the disk or is read from the archive, byte for byte. */
async function assertReadable(world: ArchiveWorld): Promise<void> {
  const { written, arrived, local, retiredTo } = world;
  const reader = new ColdReader(world);
  for (const { info, files } of written.slice(0, arrived)) {
    if (info.baseOffset < retiredTo || local.has(info.baseOffset)) continue;
    for (const batch of batchesIn(files.bytes)) {
      const found = await reader
        .read({ partition: PARTITION, offset: batch.baseOffset, maxBytes: 1 })
        .catch(() => undefined);
      assert.ok(found?.bytes.equals(batch.bytes) === true, `no record unreadable: offset ${batch.baseOffset}`);
    }
  }
}

/** Every object that the newest manifest names is there, with the bytes that were on the disk. */
function assertNoDangling(world: ArchiveWorld): void {
  for (const segment of manifestsOf(world).at(-1)?.segments ?? []) {
    const what = holdsAll(world, segment);
    assert.equal(what, undefined, `no dangling reference: ${segment.key}: ${what}`);
  }
}

/** Segments follow each other without a hole; a manifest has all segments of its predecessor but those that were retired. */
function assertNoHole(world: ArchiveWorld): void {
  let before: Manifest | undefined;
  for (const manifest of manifestsOf(world)) {
    for (const [at, segment] of manifest.segments.entries()) {
      const previous = manifest.segments[at - 1];
      assert.ok(previous === undefined || previous.nextOffset === segment.baseOffset, "the archive never has a hole");
    }
    const kept = new Set(manifest.segments.map(({ key }) => key));
    for (const { key, nextOffset } of before?.segments ?? [])
      assert.ok(kept.has(key) || nextOffset <= world.retiredTo, `the archive never has a hole: ${key} was lost`);
    before = manifest;
  }
}

/** Deleted locally only what is published and verified: why a segment may not go at this moment; undefined when it may. */
export function undroppable(world: ArchiveWorld, baseOffset: bigint): string | undefined {
  const newest = manifestsOf(world).at(-1);
  const entry = newest?.segments.find((segment) => segment.baseOffset === baseOffset);
  if (baseOffset < world.retiredTo) return undefined;
  const what = entry === undefined ? "no manifest names it" : holdsAll(world, entry);
  return what === undefined ? undefined : `deleted locally only what is published and verified: ${baseOffset}: ${what}`;
}

/** Nothing is in the store but manifests and what the newest of them names. */
export function assertNoOrphans(world: ArchiveWorld): void {
  const named = new Set(
    manifestsOf(world)
      .at(-1)
      ?.segments.map(({ key }) => key),
  );
  const orphans = [...world.store.objects.keys()].filter(
    (key) => !key.startsWith(manifestPrefix(PARTITION)) && !named.has(key.slice(0, key.lastIndexOf("."))),
  );
  assert.deepEqual(orphans, [], "orphans are collected");
}

/** Of a topic that was deleted nothing is in the store, unless no manifest ever told that it was archived. */
export function assertNothingLeft(world: ArchiveWorld): void {
  const keys = [...world.store.objects.keys()];
  const wasArchived = world.listings.some((names) => names.some((key) => key.startsWith(manifestPrefix(PARTITION))));
  if (wasArchived) assert.deepEqual(keys, [], "the archive of a deleted topic goes whole");
}

/** Everything on the disk that may go has gone, and lies in the archive. */
export function assertAllArchived(world: ArchiveWorld): void {
  const last = world.written.at(-1)?.info;
  assert.equal(manifestsOf(world).at(-1)?.segments.at(-1)?.nextOffset, last?.nextOffset, "everything is archived");
  assert.deepEqual([...world.local], [], "local copies that are archived go");
}

function manifestsOf({ store }: ArchiveWorld): readonly Manifest[] {
  return [...store.objects.entries()]
    .filter(([key]) => key.startsWith(manifestPrefix(PARTITION)))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, bytes]) => decodeManifest(key, bytes));
}

/** What is wrong with the objects of a segment; undefined when nothing is. */
function holdsAll({ store, written }: ArchiveWorld, segment: ArchivedSegment): string | undefined {
  const held = written.find(({ info }) => info.baseOffset === segment.baseOffset);
  if (held === undefined) return "no such segment was written";
  for (const [suffix, bytes] of filesOf(held)) {
    const object = store.objects.get(`${segment.key}.${suffix}`);
    if (object === undefined) return `no ${suffix}`;
    if (!object.equals(bytes)) return `another ${suffix}`;
  }
  return undefined;
}

function filesOf({ files }: HeldSegment): readonly (readonly [suffix: string, bytes: Buffer])[] {
  const { bytes, index, timeindex, txnindex } = files;
  return [
    ["log", bytes],
    ["index", index],
    ["timeindex", timeindex],
    ...(txnindex === undefined ? [] : [["txnindex", txnindex] as const]),
  ];
}
