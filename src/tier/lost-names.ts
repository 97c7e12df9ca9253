/** Segments behind the end of an archive that lie there for long without a name: what is left when the newest manifests are lost. */

import type { CatalogEntry } from "./catalog.ts";
import { archivedTo, baseOffsetOf, type Manifest } from "./manifest.ts";
import type { ObjectStore } from "./ports.ts";
import type { Finding } from "./verify-segment.ts";

/** An upload is named minutes after its data are there. Clocks of stores may differ from ours by as much. */
const UPLOAD_MS_MAX = 3_600_000;

/** Keys of their data, in order. `newest` is undefined where no manifest is left. @throws {StoreError} */
export async function segmentsWithLostNames(
  { objectKeys }: Pick<CatalogEntry, "objectKeys">,
  newest: Manifest | undefined,
  { store, nowMs }: { readonly store: ObjectStore; readonly nowMs: number },
): Promise<readonly string[]> {
  const end = archivedTo(newest) ?? 0n;
  const lost: string[] = [];
  for (const key of objectKeys) {
    if (!key.endsWith(".log") || (baseOffsetOf(key) ?? -1n) < end) continue;
    const facts = await store.stat(key);
    if (facts !== undefined && nowMs - facts.modifiedMs > UPLOAD_MS_MAX) lost.push(key);
  }
  return lost;
}

/** As findings: whoever reads the archive does not see them. @throws {StoreError} */
export async function lostNames(
  entry: Pick<CatalogEntry, "objectKeys">,
  newest: Manifest | undefined,
  deps: { readonly store: ObjectStore; readonly nowMs: number },
): Promise<readonly Finding[]> {
  const keys = await segmentsWithLostNames(entry, newest, deps);
  const end = archivedTo(newest);
  const where = end === undefined ? "there is no manifest" : `the newest manifest ends at offset ${end}`;
  const what = `${where} and does not name it: an upload that never ended, or newer manifests are lost; tier repair names it again`;
  return keys.map((key) => ({ key, kind: "unnamed", what }));
}
