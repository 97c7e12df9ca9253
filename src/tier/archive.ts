/** The archive of one partition as a chain of manifests in an object store. */

import { archiveFailure } from "./archive-failure.ts";
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
  manifestKey,
  manifestPrefix,
  nextManifestKey,
  sha256,
} from "./manifest.ts";
import type { ArchivedPartition, ObjectStore } from "./ports.ts";

/** The newest manifest and the hash its successor has to name. */
export interface ArchiveHead {
  readonly manifest: Manifest;
  readonly sha256: string;
}

const NUMBERED = /\/\d{20}\.json$/;

/** Keys of a partition's manifests in order, up to the newest: a list may be behind, so those after the last one in it are
 *  asked for one by one. */
export async function listManifests(store: ObjectStore, prefix: string): Promise<readonly string[]> {
  const keys = (await store.list(prefix)).filter((key) => NUMBERED.test(key));
  for (;;) {
    const next = nextManifestKey(prefix, keys.at(-1));
    if ((await store.stat(next)) === undefined) return keys;
    keys.push(next);
  }
}

/** Reads the newest manifest; undefined when the partition was never archived.
 *  @throws {ArchiveError} unreadable, or not the successor of the manifest before it */
export async function readHead(store: ObjectStore, partition: ArchivedPartition): Promise<ArchiveHead | undefined> {
  const keys = await listManifests(store, manifestPrefix(partition));
  const newest = keys.at(-1);
  if (newest === undefined) return undefined;
  const bytes = await store.get(newest);
  const manifest = decodeManifest(newest, bytes);
  const previous = keys.at(-2);
  if (previous !== undefined && manifest.previousSha256 !== null) {
    const actualSha256 = sha256(await store.get(previous));
    if (actualSha256 !== manifest.previousSha256) {
      throw archiveFailure({
        code: "ARCHIVE_BROKEN_CHAIN",
        key: newest,
        expectedSha256: manifest.previousSha256,
        actualSha256,
      });
    }
  }
  return { manifest, sha256: sha256(bytes) };
}

/** What a new manifest says; number and predecessor follow from the head. */
export type ManifestDraft = Omit<Manifest, "number" | "previousSha256">;

/** Publishes the successor of `head`. Undefined when another writer published that number first: nothing changed.
 *  A lost reply is resolved by reading back: the same bytes under the key mean that this call won. */
export async function publish(
  store: ObjectStore,
  head: ArchiveHead | undefined,
  draft: ManifestDraft,
): Promise<ArchiveHead | undefined> {
  const manifest: Manifest = {
    ...draft,
    number: (head?.manifest.number ?? 0) + 1,
    previousSha256: head?.sha256 ?? null,
  };
  const bytes = encodeManifest(manifest);
  const key = manifestKey(draft.partition, manifest.number);
  const isNew = await store.putIfAbsent(key, bytes);
  if (!isNew && !(await store.get(key)).equals(bytes)) return undefined;
  if (head !== undefined && (await wasCollected(store, head))) {
    // Whoever stood still until gc had collected all of an archive wins a number that is free again, and names what is gone.
    await store.remove(key);
    return undefined;
  }
  return { manifest, sha256: sha256(bytes) };
}

/** The last manifest goes after all objects: without it, and without the oldest object that it named, nothing is left. Where only one
 *  of the two is missing it was lost by accident, and a new manifest mends more than it harms. */
async function wasCollected(store: ObjectStore, { manifest }: ArchiveHead): Promise<boolean> {
  if ((await store.stat(manifestKey(manifest.partition, manifest.number))) !== undefined) return false;
  const [oldest] = manifest.segments;
  return oldest !== undefined && (await store.stat(`${oldest.key}.log`)) === undefined;
}
