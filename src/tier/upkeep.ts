/** What an archive needs from time to time: retention, the end of topics, and gc of what they left behind. */

import type { Clock } from "../core/clock.ts";
import { readHead } from "./archive.ts";
import { type CatalogEntry, readCatalog } from "./catalog.ts";
import { collect } from "./gc.ts";
import { MissingTopics } from "./missing-topics.ts";
import type { ArchivedPartition, ObjectStore } from "./ports.ts";
import { type RemoteRetention, type RemovalReport, removePartition, retainPartition } from "./retention.ts";
import { storeNowMs } from "./store-clock.ts";
import { collectUnfinished, isKeyOf } from "./unfinished.ts";

/** What a rule wants. */
export interface UpkeepPolicy {
  readonly retention: RemoteRetention;
  /** What becomes of the archive of a topic that the cluster no longer has. */
  readonly onTopicDeleted: "keep" | "delete";
  /** Milliseconds that objects stay after they lost their name. */
  readonly graceMs: number;
}

/** The first offset that a cluster's own log has of a partition; `gone` only where it surely has no topic of that id, `missing` where all
 *  its brokers say so now: their archives go once that was so for the grace period. */
export type LocalStart = bigint | "gone" | "missing" | "unknown";

/** The logs of the cluster that an archive is of. */
export interface LocalLogs {
  readonly clusterId: string;
  localStart(partition: ArchivedPartition): Promise<LocalStart>;
  /** The archive has nothing below the offset any more. */
  raiseStart(partition: ArchivedPartition, offset: bigint): Promise<void>;
}

/** What was done. */
export interface UpkeepReport {
  readonly segmentsRemoved: number;
  /** Of these, those of topics that the cluster no longer has. */
  readonly segmentsOfDeletedTopics: number;
  readonly bytesRemoved: number;
  readonly objectsCollected: number;
  /** What killed writers had begun. */
  readonly unfinishedCollected: number;
  /** Manifests that cannot be read and so keep gc from its work. */
  readonly blockedBy: readonly string[];
}

/** What it works with. */
export interface UpkeepDeps {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly logs: LocalLogs;
  /** Whether gc is done too, which reads every manifest that is kept: not needed every time. */
  readonly collects: boolean;
}

/** All partitions of the cluster in the store whose topic is wanted. @throws {ArchiveError | StoreError} */
export async function keepUp(
  policy: UpkeepPolicy,
  wanted: (topic: string) => boolean,
  deps: UpkeepDeps,
): Promise<UpkeepReport> {
  const { store, logs } = deps;
  let [segmentsRemoved, segmentsOfDeletedTopics, bytesRemoved] = [0, 0, 0];
  let [objectsCollected, unfinishedCollected] = [0, 0];
  const blockedBy: string[] = [];
  const { retention, onTopicDeleted } = policy;
  const removes = retention.ageMs !== undefined || retention.bytes !== undefined || onTopicDeleted === "delete";
  const report = (): UpkeepReport => ({
    ...{ segmentsRemoved, segmentsOfDeletedTopics, bytesRemoved },
    ...{ objectsCollected, unfinishedCollected, blockedBy },
  });
  if (!removes && !deps.collects) return report();
  const nowMs = await storeNowMs(store);
  const missing = await MissingTopics.read(store, logs.clusterId);
  for (const entry of await readCatalog(store, `${logs.clusterId}/`)) {
    if (!wanted(entry.partition.topic)) continue;
    const removed = removes ? await removeFrom(entry, policy, { ...deps, nowMs, missing }) : undefined;
    segmentsRemoved += removed?.segments.length ?? 0;
    if (removed?.cause === "topic-deleted") segmentsOfDeletedTopics += removed.segments.length;
    for (const { logBytes } of removed?.segments ?? []) bytesRemoved += logBytes;
    if (!deps.collects) continue;
    const collected = await collect(entry, { graceMs: policy.graceMs, dryRun: false }, { store, nowMs });
    objectsCollected += collected.objects.length + collected.manifests.length;
    if (collected.blockedBy !== undefined) blockedBy.push(collected.blockedBy);
  }
  if (deps.collects) {
    const options = { graceMs: policy.graceMs, dryRun: false };
    const begun = await collectUnfinished(isKeyOf(logs.clusterId, wanted), options, { store, nowMs });
    unfinishedCollected = begun.removed.length;
  }
  return report();
}

async function removeFrom(
  { partition }: CatalogEntry,
  { retention, onTopicDeleted, graceMs }: UpkeepPolicy,
  deps: UpkeepDeps & { readonly nowMs: number; readonly missing: MissingTopics },
): Promise<RemovalReport | undefined> {
  const local = await deps.logs.localStart(partition);
  if (local === "unknown") return undefined;
  if (local === "missing") return onTopicDeleted === "delete" ? removeMissing(partition, graceMs, deps) : undefined;
  await deps.missing.forget(partition);
  if (local === "gone" && onTopicDeleted === "delete") return removePartition(partition, "topic-deleted", deps);
  const bounds = { nowMs: deps.nowMs, localStart: local === "gone" ? undefined : local };
  const removed = await retainPartition(partition, { retention, bounds }, deps);
  if (removed !== undefined && local !== "gone") await deps.logs.raiseStart(partition, removed.startOffset);
  return removed;
}

/** The note stays, so that the topic's other partitions find it; it holds some bytes. */
async function removeMissing(
  partition: ArchivedPartition,
  graceMs: number,
  deps: UpkeepDeps & { readonly nowMs: number; readonly missing: MissingTopics },
): Promise<RemovalReport | undefined> {
  const sinceMs = await deps.missing.since(partition);
  if (sinceMs === undefined) await deps.missing.note(partition, deps.clock);
  else if (deps.nowMs - sinceMs >= graceMs) return removePartition(partition, "topic-deleted", deps);
  return undefined;
}

/** An archive that goes, or would go, with its topic. */
export interface MissingArchive {
  readonly partition: ArchivedPartition;
  readonly segments: number;
  readonly bytes: number;
  /** By the store's clock; undefined: it would be noted now. */
  readonly missingSinceMs: number | undefined;
}

/** The archives of topics that the cluster has no more, which upkeep would take out after the grace. Changes nothing.
 *  @throws {ArchiveError | StoreError} */
export async function missingArchives(
  wanted: (topic: string) => boolean,
  { store, logs }: Pick<UpkeepDeps, "store" | "logs">,
): Promise<readonly MissingArchive[]> {
  const found: MissingArchive[] = [];
  const missing = await MissingTopics.read(store, logs.clusterId);
  for (const { partition } of await readCatalog(store, `${logs.clusterId}/`)) {
    if (!wanted(partition.topic) || (await logs.localStart(partition)) !== "missing") continue;
    const segments = (await readHead(store, partition))?.manifest.segments ?? [];
    if (segments.length === 0) continue;
    const bytes = segments.reduce((sum, { logBytes }) => sum + logBytes, 0);
    found.push({ partition, segments: segments.length, bytes, missingSinceMs: await missing.since(partition) });
  }
  return found;
}
