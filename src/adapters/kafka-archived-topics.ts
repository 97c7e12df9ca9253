/** The topics of a Kafka cluster as an archive sees them: which partitions there are, how their segments are cut, where logs begin
 *  and end. */

import { listTopics } from "../client/admin.ts";
import type { TopicMetadata } from "../client/cluster-view.ts";
import { describeConfigs } from "../client/configs.ts";
import { ClientError } from "../client/errors.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import type { Uuid } from "../core/brand.ts";
import { OWN_PREFIX } from "../mirror/discovery.ts";
import type { PartitionBounds, TopicPartition } from "../mirror/ports.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { boundsOf } from "./kafka-partitions.ts";

/** For one question. */
const CALL_TIMEOUT_MS = 10_000;
/** Topics per request: an answer of four settings each stays far below a megabyte. */
const TOPICS_MAX = 500;

const SEGMENT_SETTINGS = ["segment.bytes", "segment.ms", "index.interval.bytes", "cleanup.policy"];

/** What the cluster says of a topic's segments. */
export interface SegmentSettings {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly indexIntervalBytes: number;
  /** Its records are replaced by later ones of their key, and only so. */
  readonly compactsOnly: boolean;
}

/** Kafka's own defaults, for clusters that do not let settings be read. */
const DEFAULTS: SegmentSettings = {
  segmentBytes: 2 ** 30,
  segmentMs: 7 * 86_400_000,
  indexIntervalBytes: 4_096,
  compactsOnly: false,
};

/** One topic. */
export interface ArchivedTopic {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly settings: SegmentSettings;
  /** By partition; an error in place of what a leader could not answer. The end is the last stable offset. */
  readonly bounds: readonly (PartitionBounds | Error)[];
}

/** The id by which the archive knows the cluster. @throws {ClientError} when it has none */
export function clusterIdOf(client: KafkaClient): string {
  const { clusterId } = client.metadata;
  if (clusterId !== null) return clusterId;
  throw new ClientError({ code: "CLIENT_UNREACHABLE", bootstrap: "", reason: "the cluster does not tell its id" });
}

/** The topics that are wanted, in the order of their names, without internal ones. Settings are asked for where none are `known`, by
 *  topic. @throws {ClientError} */
export async function archivedTopics(
  client: KafkaClient,
  wanted: (topic: string) => boolean,
  known: ReadonlyMap<string, SegmentSettings>,
): Promise<readonly ArchivedTopic[]> {
  const topics = (await listTopics(client))
    .filter(({ name, isInternal }) => !isInternal && !name.startsWith("__") && !name.startsWith(OWN_PREFIX))
    .filter(({ name }) => wanted(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const isNew = ({ name }: TopicMetadata): boolean => !known.has(name);
  const [found, bounds] = await Promise.all([settingsOf(client, topics.filter(isNew)), boundsOfAll(client, topics)]);
  let at = 0;
  return topics.map(({ name, topicId, partitions }) => {
    const own = bounds.slice(at, at + partitions.length);
    at += partitions.length;
    return { topic: name, topicId, settings: known.get(name) ?? found.get(name) ?? DEFAULTS, bounds: own };
  });
}

/** The bounds of one partition now. @throws {ClientError} */
export async function boundsNow(client: KafkaClient, partition: TopicPartition): Promise<PartitionBounds> {
  const [bounds] = await boundsOf(client, [partition], "read_committed", CALL_TIMEOUT_MS);
  if (bounds === undefined || bounds instanceof Error) throw bounds ?? new Error("an answer is missing");
  return bounds;
}

function boundsOfAll(
  client: KafkaClient,
  topics: readonly TopicMetadata[],
): Promise<readonly (PartitionBounds | Error)[]> {
  const partitions = topics.flatMap(({ name, topicId, partitions: all }) =>
    all.map((_, partition) => ({ topic: name, topicId, partition })),
  );
  return partitions.length === 0
    ? Promise.resolve([])
    : boundsOf(client, partitions, "read_committed", CALL_TIMEOUT_MS);
}

async function settingsOf(
  client: KafkaClient,
  topics: readonly TopicMetadata[],
): Promise<ReadonlyMap<string, SegmentSettings>> {
  const found = new Map<string, SegmentSettings>();
  for (let at = 0; at < topics.length; at += TOPICS_MAX) {
    const resources = topics.slice(at, at + TOPICS_MAX).map(({ name }) => ({ type: "topic", name }) as const);
    const options = { keys: SEGMENT_SETTINGS, timeoutMs: CALL_TIMEOUT_MS };
    for (const { name, errorCode, entries } of await describeConfigs(client, resources, options)) {
      if (errorCode !== ErrorCode.NONE) continue;
      const number = (key: string, otherwise: number): number => {
        const value = Number(entries.get(key)?.value);
        return Number.isSafeInteger(value) && value > 0 ? value : otherwise;
      };
      found.set(name, {
        segmentBytes: number("segment.bytes", DEFAULTS.segmentBytes),
        segmentMs: number("segment.ms", DEFAULTS.segmentMs),
        indexIntervalBytes: number("index.interval.bytes", DEFAULTS.indexIntervalBytes),
        compactsOnly: entries.get("cleanup.policy")?.value === "compact",
      });
    }
  }
  return found;
}
