/** Collects what no manifest names: leftovers of interrupted uploads, segments that were taken out, manifests of the past.
 *
 *  ```
 *  list the objects -> read the manifests -> what none of the newest names, and nobody has for a grace period, is removed
 *  ```
 *  The order matters: an object that is uploaded and named meanwhile is either not in the list or named in what is read after it.
 *  An object whose offsets no manifest holds is left alone whatever its age: it may be an upload under way, of a process that
 *  stands still for a day, or what is left of an archive whose manifests are gone, and so the only copy. Once the archive holds
 *  its offsets in another object, or did so, it can no longer be named by anybody.
 *  The grace period is for readers that still go by an older manifest. */

import type { Clock } from "../core/clock.ts";
import { listManifests } from "./archive.ts";
import type { CatalogEntry } from "./catalog.ts";
import { archivedTo, baseOffsetOf, decodeManifest, type Manifest } from "./manifest.ts";
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
}

/** One partition; `entry` must have been read just now. @throws {StoreError | ArchiveError} */
export async function collect(
  entry: CatalogEntry,
  options: GcOptions,
  deps: { readonly store: ObjectStore; readonly clock: Clock },
): Promise<GcReport> {
  const { store, clock } = deps;
  // Again, because a manifest may have been published after the objects were listed.
  const keys = await listManifests(store, `${entry.prefix}manifest/`);
  const manifests: Manifest[] = [];
  for (const key of keys) manifests.push(decodeManifest(key, await store.get(key)));
  const held = heldRange(manifests);
  const unnamedSince = lastNames(manifests);
  const beforeMs = clock.nowMs() - options.graceMs;
  const objects: string[] = [];
  let [bytes, waiting, unknown] = [0, 0, 0];
  for (const key of entry.objectKeys) {
    const since = unnamedSince.get(key.slice(0, key.lastIndexOf(".")));
    if (since === "named") continue;
    const offset = baseOffsetOf(key);
    if (since === undefined && (offset === undefined || offset < held.start || offset >= held.endExclusive)) {
      unknown++;
      continue;
    }
    const facts = await store.stat(key);
    if (facts === undefined) continue;
    if (Math.max(facts.modifiedMs, since ?? 0) > beforeMs) {
      waiting++;
      continue;
    }
    objects.push(key);
    bytes += facts.sizeBytes;
  }
  const old = keys.slice(0, -MANIFESTS_KEPT_MIN).filter((_, at) => (manifests[at + 1]?.writtenAtMs ?? 0) <= beforeMs);
  if (!options.dryRun) {
    // Objects first: a manifest that is gone can no longer tell since when something has no name.
    for (const key of [...objects, ...old]) await store.remove(key);
  }
  return { objects, manifests: old, bytes, waiting, unknown };
}

/** The offsets that any manifest holds: one range, since the archive never has a hole. */
function heldRange(manifests: readonly Manifest[]): { readonly start: bigint; readonly endExclusive: bigint } {
  let [start, endExclusive] = [0n, 0n];
  for (const { segments } of manifests) {
    const [first] = segments;
    if (first === undefined) continue;
    if (endExclusive === 0n || first.baseOffset < start) start = first.baseOffset;
    const to = archivedTo({ segments }) ?? 0n;
    if (to > endExclusive) endExclusive = to;
  }
  return { start, endExclusive };
}

/** For each segment that any manifest names: `named` by the newest, or when the first manifest without it was written. */
function lastNames(manifests: readonly Manifest[]): ReadonlyMap<string, number | "named"> {
  const names = new Map<string, number | "named">();
  for (const [at, { segments }] of manifests.entries()) {
    const successor = manifests[at + 1];
    for (const { key } of segments) names.set(key, successor === undefined ? "named" : successor.writtenAtMs);
  }
  return names;
}
