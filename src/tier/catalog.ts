/** What lies in a store: every archived partition with its keys, from the bucket alone. */

import type { ObjectStore } from "./ports.ts";

/** The keys of one partition's archive. */
export interface CatalogEntry {
  /** `<cluster id>/<topic>-<topic id>/<partition>/` */
  readonly prefix: string;
  /** Ascending. */
  readonly manifestKeys: readonly string[];
  /** Segments' objects, named by a manifest or not. */
  readonly objectKeys: readonly string[];
}

const PLACE = /^([^/]+\/[^/]+\/\d+\/)(manifest\/\d{20}\.json|[^/]+)$/;

/** All partitions, in order of their keys. Keys of other kinds are nobody's business here. @throws {StoreError} */
export async function readCatalog(store: ObjectStore, below = ""): Promise<readonly CatalogEntry[]> {
  const entries = new Map<string, { prefix: string; manifestKeys: string[]; objectKeys: string[] }>();
  for (const key of await store.list(below)) {
    const [, prefix, rest] = PLACE.exec(key) ?? [];
    if (prefix === undefined || rest === undefined) continue;
    const entry = entries.get(prefix) ?? { prefix, manifestKeys: [], objectKeys: [] };
    entries.set(prefix, entry);
    (rest.startsWith("manifest/") ? entry.manifestKeys : entry.objectKeys).push(key);
  }
  return [...entries.values()];
}
