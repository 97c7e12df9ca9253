/** The topics of an archive as one cluster would show them: each name once. */

import type { Uuid } from "../core/brand.ts";
import type { CatalogEntry } from "./catalog.ts";
import { ArchiveError } from "./errors.ts";
import type { Manifest } from "./manifest.ts";
import type { LeaderEpochStart } from "./ports.ts";

/** One topic of one cluster. */
export interface ArchivedTopic {
  readonly name: string;
  readonly topicId: Uuid;
  readonly clusterId: string;
  /** Of its partitions, those that have a manifest. */
  readonly entries: readonly CatalogEntry[];
}

/** Groups a catalog's entries by topic, in order of name. */
export function topicsIn(catalog: readonly CatalogEntry[]): readonly ArchivedTopic[] {
  const topics = new Map<string, ArchivedTopic & { entries: CatalogEntry[] }>();
  for (const entry of catalog) {
    // Objects without a manifest are what an offloader left that died, or has not finished.
    if (entry.manifestKeys.length === 0) continue;
    const { clusterId, topic: name, topicId } = entry.partition;
    const key = `${clusterId}/${topicId}/${name}`;
    const topic = topics.get(key) ?? { name, topicId, clusterId, entries: [] };
    topics.set(key, topic);
    topic.entries.push(entry);
  }
  return [...topics.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Of the topics of one name the one to show: that of the newest manifest, among topics of one cluster that was deleted and
 *  made again. @throws {ArchiveError} `ARCHIVE_AMBIGUOUS` when they belong to several clusters */
export async function topicToShow(
  candidates: readonly ArchivedTopic[],
  writtenAtMs: (topic: ArchivedTopic) => Promise<number>,
): Promise<ArchivedTopic | undefined> {
  const clusters = [...new Set(candidates.map(({ clusterId }) => clusterId))];
  const [first, second] = candidates;
  if (first === undefined || second === undefined) return first;
  if (clusters.length > 1) {
    const fault = { code: "ARCHIVE_AMBIGUOUS", topic: first.name, candidates: clusters } as const;
    const message = `topic "${first.name}" is archived from several clusters: ${clusters.join(", ")}; choose one with --cluster, or leave the topic out with --topic`;
    throw new ArchiveError(fault, { message });
  }
  const times = await Promise.all(candidates.map(writtenAtMs));
  return candidates[times.indexOf(Math.max(...times))];
}

/** Which offsets of a partition an archive holds. */
export interface ArchivedExtent {
  readonly startOffset: bigint;
  readonly endOffset: bigint;
  /** Of the leaders that wrote them, oldest first. */
  readonly epochs: readonly LeaderEpochStart[];
}

/** Undefined when the manifest names no segment. */
export function extentOf({ segments }: Manifest): ArchivedExtent | undefined {
  const startOffset = segments[0]?.baseOffset;
  const endOffset = segments.at(-1)?.nextOffset;
  if (startOffset === undefined || endOffset === undefined) return undefined;
  const epochs: LeaderEpochStart[] = [];
  for (const { epoch, startOffset: begun } of segments.flatMap(({ leaderEpochs }) => leaderEpochs)) {
    if (epoch <= (epochs.at(-1)?.epoch ?? -1)) continue;
    epochs.push({ epoch, startOffset: epochs.length === 0 ? startOffset : begun });
  }
  return { startOffset, endOffset, epochs };
}
