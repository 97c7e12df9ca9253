/** Collects what no manifest names: leftovers of interrupted uploads, segments that were taken out, manifests of the past.
 *
 *  ```
 *  list the objects -> read the manifests -> what none of the newest names, and nobody has for a grace period, is removed
 *  ```
 *  The order matters: an object that is uploaded and named meanwhile is either not in the list or named in what is read after it.
 *  The grace period is for readers that still go by an older manifest, and for uploads that are under way. */

import type { Clock } from "../core/clock.ts";
import type { CatalogEntry } from "./catalog.ts";
import { decodeManifest, type Manifest } from "./manifest.ts";
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
}

/** One partition; `entry` must have been read just now. @throws {StoreError | ArchiveError} */
export async function collect(
  entry: CatalogEntry,
  options: GcOptions,
  deps: { readonly store: ObjectStore; readonly clock: Clock },
): Promise<GcReport> {
  const { store, clock } = deps;
  // Again, because a manifest may have been published after the objects were listed.
  const keys = (await store.list(`${entry.prefix}manifest/`)).filter((key) => key.endsWith(".json"));
  const manifests: Manifest[] = [];
  for (const key of keys) manifests.push(decodeManifest(key, await store.get(key)));
  const unnamedSince = lastNames(manifests);
  const beforeMs = clock.nowMs() - options.graceMs;
  const objects: string[] = [];
  let [bytes, waiting] = [0, 0];
  for (const key of entry.objectKeys) {
    const since = unnamedSince.get(key.slice(0, key.lastIndexOf(".")));
    if (since === "named") continue;
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
  return { objects, manifests: old, bytes, waiting };
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
