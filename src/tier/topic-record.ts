/** What a topic was beside its records, kept with the archive so that it can be made again.
 *
 *  ```
 *  <cluster id>/topics/<topic>-<topic id>.json
 *  ```
 *  The only object of an archive that is written again: when a setting or the number of partitions changed. */

import type { Uuid } from "../core/brand.ts";
import type { Clock } from "../core/clock.ts";
import { archiveFailure } from "./archive-failure.ts";
import { StoreError } from "./errors.ts";
import { JsonFields, parseJson } from "./json-fields.ts";
import type { ObjectStore } from "./ports.ts";

/** Minor versions add fields, a major one breaks readers. */
const TOPIC_FORMAT_VERSION = "1.0";

/** A topic as its cluster shows it. */
export interface TopicShape {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Settings made on the topic itself, by name; what it inherits is left out. */
  readonly configs: ReadonlyMap<string, string>;
}

/** As it is archived. */
export interface TopicRecord extends TopicShape {
  readonly clusterId: string;
  /** Milliseconds since the epoch. */
  readonly takenAtMs: number;
}

/** Tells the topics of a cluster; those that do not exist are left out. Rejects when the cluster cannot be asked. */
export type TopicsView = (topics: readonly string[]) => Promise<readonly TopicShape[]>;

/** Keeps what is new about the topics; the number of records that were written.
 *  @throws {StoreError | ArchiveError} and what the view throws */
export async function captureTopics(
  clusterId: string,
  topics: readonly string[],
  view: TopicsView,
  { store, clock }: { readonly store: ObjectStore; readonly clock: Clock },
): Promise<number> {
  if (topics.length === 0) return 0;
  let written = 0;
  for (const shape of await view(topics)) {
    const before = await readTopicRecord(store, { clusterId, ...shape });
    if (before !== undefined && factsOf(before) === factsOf(shape)) continue;
    const record = { ...shape, clusterId, takenAtMs: clock.nowMs() };
    await store.put(topicRecordKey(record), encodeTopicRecord(record));
    written++;
  }
  return written;
}

/** Undefined when the topic was archived without one. @throws {StoreError | ArchiveError} */
export async function readTopicRecord(store: ObjectStore, topic: TopicKey): Promise<TopicRecord | undefined> {
  const key = topicRecordKey(topic);
  try {
    return decodeTopicRecord(key, await store.get(key));
  } catch (error) {
    if (error instanceof StoreError && error.fault.code === "STORE_MISSING") return undefined;
    throw error;
  }
}

/** What names a record. */
export type TopicKey = Pick<TopicRecord, "clusterId" | "topic" | "topicId">;

/** Where a topic's record lies. */
function topicRecordKey({ clusterId, topic, topicId }: TopicKey): string {
  return `${clusterId}/topics/${topic}-${topicId}.json`;
}

/** Settings in order of their names. */
function encodeTopicRecord(record: TopicRecord): Buffer {
  const { clusterId, topic, topicId, partitions, replicationFactor, configs, takenAtMs } = record;
  const json = {
    format: FORMAT,
    format_version: TOPIC_FORMAT_VERSION,
    cluster_id: clusterId,
    topic,
    topic_id: topicId,
    partitions,
    replication_factor: replicationFactor,
    configs: inOrder(configs).map(([name, value]) => ({ name, value })),
    taken_at_ms: takenAtMs,
  };
  return Buffer.from(`${JSON.stringify(json, null, 2)}\n`);
}

/** @throws {ArchiveError} `ARCHIVE_BAD_MANIFEST`, or `ARCHIVE_NEWER_FORMAT` for a major version not known here */
function decodeTopicRecord(key: string, bytes: Uint8Array): TopicRecord {
  const fields = new JsonFields(key, parseJson(key, bytes));
  if (fields.string("format") !== FORMAT) throw fields.bad("format");
  const formatVersion = fields.string("format_version");
  if (formatVersion.split(".")[0] !== TOPIC_FORMAT_VERSION.split(".")[0])
    throw archiveFailure({ code: "ARCHIVE_NEWER_FORMAT", key, formatVersion });
  return {
    clusterId: fields.string("cluster_id"),
    topic: fields.string("topic"),
    topicId: fields.string("topic_id") as Uuid,
    partitions: fields.number("partitions"),
    replicationFactor: fields.number("replication_factor"),
    configs: new Map(
      fields.list("configs").map((entry) => {
        const config = new JsonFields(key, entry);
        return [config.string("name"), config.string("value")];
      }),
    ),
    takenAtMs: fields.number("taken_at_ms"),
  };
}

const FORMAT = "tributary-topic";

function factsOf({ partitions, replicationFactor, configs }: TopicShape): string {
  return JSON.stringify([partitions, replicationFactor, inOrder(configs)]);
}

function inOrder(configs: ReadonlyMap<string, string>): readonly (readonly [string, string])[] {
  return [...configs].toSorted(([a], [b]) => (a < b ? -1 : 1));
}
