/** What lies in a store: every archived partition with its keys, from the bucket alone. */

import type { Uuid } from "../core/brand.ts";
import type { ArchivedPartition, ObjectStore } from "./ports.ts";

/** The keys of one partition's archive. */
export interface CatalogEntry {
  /** `<cluster id>/<topic>-<topic id>/<partition>/` */
  readonly prefix: string;
  /** The same, taken apart. */
  readonly partition: ArchivedPartition;
  /** Ascending. */
  readonly manifestKeys: readonly string[];
  /** Segments' objects, named by a manifest or not. */
  readonly objectKeys: readonly string[];
}

/** Which archives are meant; absent fields select all. */
export interface ArchiveSelection {
  readonly topic?: string | undefined;
  readonly partition?: number | undefined;
  readonly topicId?: string | undefined;
  readonly clusterId?: string | undefined;
}

/** An id of a topic is 22 characters of base64url, so the dash before it is where the name ends. */
const PLACE = /^(([^/]+)\/([^/]+)-([A-Za-z0-9_-]{22})\/(\d+)\/)(manifest\/\d{20}\.json|[^/]+)$/;

/** All partitions, in order of their keys. Keys of other kinds are nobody's business here. @throws {StoreError} */
export async function readCatalog(store: ObjectStore, below = ""): Promise<readonly CatalogEntry[]> {
  const entries = new Map<string, CatalogEntry & { manifestKeys: string[]; objectKeys: string[] }>();
  for (const key of await store.list(below)) {
    const place = placeOf(key);
    if (place === undefined) continue;
    const { prefix, partition, rest } = place;
    const entry = entries.get(prefix) ?? { prefix, partition, manifestKeys: [], objectKeys: [] };
    entries.set(prefix, entry);
    (rest.startsWith("manifest/") ? entry.manifestKeys : entry.objectKeys).push(key);
  }
  return [...entries.values()];
}

/** The partition that an object belongs to; undefined for objects of other kinds. */
export function partitionOf(key: string): ArchivedPartition | undefined {
  return placeOf(key)?.partition;
}

/** True when the partition is one of those that are meant. */
export function isSelected(partition: ArchivedPartition, selection: ArchiveSelection): boolean {
  return (
    (selection.topic ?? partition.topic) === partition.topic &&
    (selection.partition ?? partition.partition) === partition.partition &&
    (selection.topicId ?? partition.topicId) === partition.topicId &&
    (selection.clusterId ?? partition.clusterId) === partition.clusterId
  );
}

function placeOf(key: string) {
  const [, prefix, clusterId, topic, topicId, index, rest] = PLACE.exec(key) ?? [];
  if (prefix === undefined || clusterId === undefined || topic === undefined || rest === undefined) return undefined;
  const partition: ArchivedPartition = { clusterId, topic, topicId: topicId as Uuid, partition: Number(index) };
  return { prefix, partition, rest };
}
