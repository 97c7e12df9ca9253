/** Collects what writers left behind that were killed while they wrote: no object, and so in no list, but it takes room.
 *
 *  How old a write is, only the store's clock tells, by the last bytes that it got; a writer that stood still for longer than the
 *  grace period finds its write gone, fails and writes again under another name. */

import { partitionOf } from "./catalog.ts";
import { StoreError } from "./errors.ts";
import type { GcOptions } from "./gc.ts";
import { baseOffsetOf } from "./manifest.ts";
import type { ObjectStore, UnfinishedWrite } from "./ports.ts";

/** What was (or would be) given up. */
export interface UnfinishedReport {
  readonly removed: readonly UnfinishedWrite[];
  readonly bytes: number;
  /** Younger than the grace period: they may be under way. */
  readonly waiting: number;
  /** Why the store does not tell, where it does not. */
  readonly untold: string | undefined;
}

/** `nowMs` is the store's time (`storeNowMs`). Of a bucket that others use too, only what has a key of an archive is `wanted`,
 *  see `isArchiveKey`. @throws {StoreError} */
export async function collectUnfinished(
  wanted: (key: string) => boolean,
  { graceMs, dryRun }: GcOptions,
  { store, nowMs }: { readonly store: ObjectStore; readonly nowMs: number },
): Promise<UnfinishedReport> {
  const found = await told(store);
  if (typeof found === "string") return { removed: [], bytes: 0, waiting: 0, untold: found };
  const ours = found.filter(({ key }) => wanted(key));
  const removed = ours.filter(({ writtenMs }) => writtenMs <= nowMs - graceMs);
  for (const write of dryRun ? [] : removed) await store.giveUp(write);
  const bytes = removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { removed, bytes, waiting: ours.length - removed.length, untold: undefined };
}

/** True for every key that an archive uses. */
export function isArchiveKey(key: string): boolean {
  const isOfPartition =
    partitionOf(key) !== undefined && (key.includes("/manifest/") || baseOffsetOf(key) !== undefined);
  return isOfPartition || OTHER_KEYS.some((form) => form.test(key));
}

/** True for the keys of one cluster's partitions whose topic is wanted, and for those of the cluster as a whole. */
export function isKeyOf(clusterId: string, wanted: (topic: string) => boolean): (key: string) => boolean {
  return (key) => {
    if (!key.startsWith(`${clusterId}/`) || !isArchiveKey(key)) return false;
    const partition = partitionOf(key);
    return partition === undefined || wanted(partition.topic);
  };
}

/** Positions of groups, topics' settings, Parquet, and what is written to ask a store. */
const OTHER_KEYS: readonly RegExp[] = [
  /^[^/]+\/groups\/\d{20}-[0-9a-f]+\.json$/,
  /^[^/]+\/(topics|missing)\/[^/]+-[A-Za-z0-9_-]{22}\.json$/,
  /^parquet\/topic=[^/]+\/date=[^/]+\/[^/]+\.parquet$/,
  /^(clock|scrub\/place\.json|tributary-probe\/[0-9a-f]+)$/,
];

async function told(store: ObjectStore): Promise<readonly UnfinishedWrite[] | string> {
  try {
    return await store.unfinished();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const { fault } = error;
    if (fault.code === "STORE_UNSUPPORTED" || fault.code === "STORE_DENIED") return fault.reason;
    throw error;
  }
}
