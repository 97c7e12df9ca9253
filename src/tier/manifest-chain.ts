/** Reads all manifests of a partition and checks each against the one before it. */

import type { CatalogEntry } from "./catalog.ts";
import { ArchiveError } from "./errors.ts";
import { archivedTo, decodeManifest, type Manifest, manifestKey, sha256 } from "./manifest.ts";
import type { ObjectStore } from "./ports.ts";
import type { Finding } from "./verify-segment.ts";

/** A manifest that could be read, and the key it was read from. */
export interface ReadManifest {
  readonly key: string;
  readonly manifest: Manifest;
}

/** What the chain says. */
export interface ManifestChain {
  /** The newest that can be read. */
  readonly newest: ReadManifest | undefined;
  /** The newest of all cannot be read: nobody can go on before that is repaired. */
  readonly isHeadDamaged: boolean;
  readonly findings: readonly Finding[];
}

/** "Every manifest names the one before it by its hash"; of the oldest that is kept, the one before may be gone. A manifest that
 *  cannot be read is no finding once its successor names it as damaged as it is: that is how a repair leaves it behind.
 *  @throws {StoreError} when the store cannot be asked */
export async function verifyChain(
  entry: Pick<CatalogEntry, "manifestKeys" | "partition">,
  store: ObjectStore,
): Promise<ManifestChain> {
  const findings: Finding[] = [];
  let newest: ReadManifest | undefined;
  let before: { readonly sha256: string; readonly bad: Finding | undefined } | undefined;
  for (const key of entry.manifestKeys) {
    const bytes = await store.get(key);
    const read = readManifest(key, bytes, entry);
    const manifest = "kind" in read ? undefined : read;
    const isNamed = manifest?.previousSha256 === before?.sha256;
    if (before?.bad !== undefined && !isNamed) findings.push(before.bad);
    if (before !== undefined && manifest !== undefined && !isNamed && before.bad === undefined) {
      const what = `names ${manifest.previousSha256} as its predecessor, which is ${before.sha256}`;
      findings.push({ key, kind: "broken-chain", what });
    }
    if (manifest !== undefined) {
      findings.push(...steps(key, newest?.manifest, manifest));
      newest = { key, manifest };
    }
    before = { sha256: sha256(bytes), bad: "kind" in read ? read : undefined };
  }
  if (before?.bad !== undefined) findings.push(before.bad);
  return { newest, isHeadDamaged: before?.bad !== undefined, findings };
}

function readManifest(key: string, bytes: Buffer, { partition }: Pick<CatalogEntry, "partition">): Manifest | Finding {
  try {
    const manifest = decodeManifest(key, bytes);
    if (manifestKey(partition, manifest.number) === key && manifestKey(manifest.partition, manifest.number) === key)
      return manifest;
    return { key, kind: "bad-manifest", what: `says it is ${manifestKey(manifest.partition, manifest.number)}` };
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    return { key, kind: "bad-manifest", what: error.message };
  }
}

/** "An archive never ends earlier than it did." */
function steps(key: string, before: Manifest | undefined, manifest: Manifest): readonly Finding[] {
  const [was, is] = [archivedTo(before), archivedTo(manifest)];
  if (was === undefined || (is !== undefined && is >= was)) return [];
  return [{ key, kind: "broken-chain", what: `ends at offset ${is ?? "none"}, its predecessor at ${was}` }];
}
