/** Collects what no manifest names: leftovers of interrupted uploads, segments that were taken out, manifests of the past.
 *
 *  ```
 *  list the objects -> read the manifests -> what none of the newest names, and nobody has for a grace period, is removed
 *  ```
 *  The order matters: an object that is uploaded and named meanwhile is either not in the list or named in what is read after it.
 *  An object whose offsets no manifest holds is left alone whatever its age: it may be an upload under way, of a process that
 *  stands still for a day, or what is left of an archive whose manifests are gone, and so the only copy. Once the archive holds
 *  its offsets in another object, or did so, it can no longer be named by anybody.
 *  The grace period is for readers that still go by an older manifest. It is counted by the store's clock alone: when the store
 *  wrote the object, or the first manifest without it. */

import { listManifests } from "./archive.ts";
import type { CatalogEntry } from "./catalog.ts";
import { ArchiveError } from "./errors.ts";
import { archivedTo, baseOffsetOf, decodeManifest, type Manifest, sha256 } from "./manifest.ts";
import type { ObjectStore } from "./ports.ts";

/** Manifests that are kept whatever their age: a look at what happened last. */
const MANIFESTS_KEPT_MIN = 10;

/** How to collect. */
export interface GcOptions {
  /** Milliseconds that an object must have been without a name. */
  readonly graceMs: number;
  /** Tell what would be removed, and leave it. */
  readonly dryRun: boolean;
}

/** What was (or would be) removed. */
export interface GcReport {
  readonly objects: readonly string[];
  readonly manifests: readonly string[];
  readonly bytes: number;
  /** Without a name, but not for long enough. */
  readonly waiting: number;
  /** Without a name, and no manifest holds their offsets: they may be the only copy. */
  readonly unknown: number;
  /** A manifest that cannot be read, so that nobody knows what it names: nothing is removed before it is repaired. */
  readonly blockedBy: string | undefined;
}

/** One partition; `entry` must have been read just now. `nowMs` is the store's time (`storeNowMs`). @throws {StoreError} */
export async function collect(
  entry: CatalogEntry,
  options: GcOptions,
  deps: { readonly store: ObjectStore; readonly nowMs: number },
): Promise<GcReport> {
  const { store } = deps;
  const beforeMs = deps.nowMs - options.graceMs;
  // Again, because a manifest may have been published after the objects were listed.
  const keys = await listManifests(store, `${entry.prefix}manifest/`);
  const read = await readManifests(keys, store);
  if (typeof read === "string")
    return { objects: [], manifests: [], bytes: 0, waiting: 0, unknown: 0, blockedBy: read };
  const writtenMs = remembered(async (key) => (await store.stat(key))?.modifiedMs);
  const found = await unnamedObjects(entry.objectKeys, { read, beforeMs, store, writtenMs });
  const old = await oldManifests(keys, { read, beforeMs, writtenMs, isLast: found.left === 0 });
  if (!options.dryRun) {
    // Objects first: a manifest that is gone can no longer tell since when something has no name. The newest one goes last.
    for (const key of [...found.objects, ...old]) await store.remove(key);
  }
  const { objects, bytes, waiting, unknown } = found;
  return { objects, manifests: old, bytes, waiting, unknown, blockedBy: undefined };
}

interface ReadManifest {
  readonly key: string;
  readonly manifest: Manifest;
}

/** The key of a manifest that cannot be read stops everything, unless its successor names it as damaged as it is: then it was repaired,
 *  and what it named is named there. */
async function readManifests(keys: readonly string[], store: ObjectStore): Promise<string | readonly ReadManifest[]> {
  const read: ReadManifest[] = [];
  let damaged: { readonly key: string; readonly sha256: string } | undefined;
  for (const key of keys) {
    const bytes = await store.get(key);
    const before = damaged;
    damaged = undefined;
    try {
      const manifest = decodeManifest(key, bytes);
      read.push({ key, manifest });
      if (before !== undefined && manifest.previousSha256 !== before.sha256) return before.key;
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw error;
      damaged = { key, sha256: sha256(bytes) };
    }
  }
  return damaged === undefined ? read : damaged.key;
}

interface Judged {
  readonly read: readonly ReadManifest[];
  readonly beforeMs: number;
  /** When the store wrote an object; undefined when it is gone. */
  readonly writtenMs: (key: string) => Promise<number | undefined>;
}

async function unnamedObjects(objectKeys: readonly string[], judged: Judged & { readonly store: ObjectStore }) {
  const { read, beforeMs, store, writtenMs } = judged;
  const held = heldRange(read);
  const unnamedSince = lastNames(read);
  const newest = read.at(-1);
  // Of a topic that is gone nothing is named any more, uploads of its offloader included.
  const isOver = newest?.manifest.removed?.cause === "topic-deleted" && newest.manifest.segments.length === 0;
  const objects: string[] = [];
  let [bytes, waiting, unknown, named] = [0, 0, 0, 0];
  for (const key of objectKeys) {
    const without = unnamedSince.get(key.slice(0, key.lastIndexOf(".")));
    if (without === "named") {
      named++;
      continue;
    }
    const offset = baseOffsetOf(key);
    const wasRemoved = offset !== undefined && (isOver || offset < (newest?.manifest.removed?.nextOffset ?? 0n));
    if (without === undefined && (offset === undefined || !(wasRemoved || isHeld(offset, held)))) {
      unknown++;
      continue;
    }
    const facts = await store.stat(key);
    if (facts === undefined) continue;
    // An object of which every name is forgotten was taken out no later than the newest manifest says.
    const witness = without ?? (wasRemoved ? newest?.key : undefined);
    const sinceMs = witness === undefined ? 0 : ((await writtenMs(witness)) ?? Number.POSITIVE_INFINITY);
    if (Math.max(facts.modifiedMs, sinceMs) > beforeMs) {
      waiting++;
      continue;
    }
    objects.push(key);
    bytes += facts.sizeBytes;
  }
  return { objects, bytes, waiting, unknown, left: named + waiting + unknown };
}

/** Those whose successor is older than the grace period, but for the latest ones; of an archive that was removed and is empty, all. */
async function oldManifests(
  keys: readonly string[],
  { read, beforeMs, writtenMs, isLast }: Judged & { readonly isLast: boolean },
): Promise<readonly string[]> {
  const newest = read.at(-1);
  const newestKey = keys.at(-1);
  if (newest === undefined || newestKey === undefined) return [];
  const { segments, removed } = newest.manifest;
  const isRemoved = segments.length === 0 && removed !== undefined && removed.cause !== "retention";
  if (isRemoved && isLast && ((await writtenMs(newestKey)) ?? Number.POSITIVE_INFINITY) <= beforeMs) return keys;
  const old: string[] = [];
  for (const [at, key] of keys.slice(0, -MANIFESTS_KEPT_MIN).entries()) {
    const successor = keys[at + 1];
    const sinceMs = successor === undefined ? undefined : await writtenMs(successor);
    if (sinceMs === undefined || sinceMs > beforeMs) break;
    old.push(key);
  }
  return old;
}

interface OffsetRange {
  readonly start: bigint;
  readonly endExclusive: bigint;
}

function isHeld(offset: bigint, { start, endExclusive }: OffsetRange): boolean {
  return offset >= start && offset < endExclusive;
}

/** The offsets that any manifest holds: one range, since the archive never has a hole. */
function heldRange(read: readonly ReadManifest[]): OffsetRange {
  let [start, endExclusive] = [0n, 0n];
  for (const { manifest } of read) {
    const [first] = manifest.segments;
    if (first === undefined) continue;
    if (endExclusive === 0n || first.baseOffset < start) start = first.baseOffset;
    const to = archivedTo(manifest) ?? 0n;
    if (to > endExclusive) endExclusive = to;
  }
  return { start, endExclusive };
}

/** For each segment that any manifest names: `named` by the newest, or the key of the first manifest without it. */
function lastNames(read: readonly ReadManifest[]): ReadonlyMap<string, string | "named"> {
  const names = new Map<string, string | "named">();
  for (const [at, { manifest }] of read.entries()) {
    const successor = read[at + 1];
    for (const { key } of manifest.segments) names.set(key, successor === undefined ? "named" : successor.key);
  }
  return names;
}

function remembered<T>(ask: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const answers = new Map<string, Promise<T>>();
  return (key) => {
    const answer = answers.get(key) ?? ask(key);
    answers.set(key, answer);
    return answer;
  };
}
