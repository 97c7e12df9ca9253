/** The archive's SegmentSource over any Kafka cluster: fetches committed batches and cuts segments of its own into spool files.
 *
 *  ```
 *  <spool>/<cluster id>/<topic>-<topic id>/<partition>/segment.{json,log}
 *  ```
 *  Each partition holds one segment at most, so that the spool stays within its budget whatever the topics hold. */

import type { KafkaClient } from "../client/kafka-client.ts";
import type { Uuid } from "../core/brand.ts";
import type { Clock } from "../core/clock.ts";
import type { Storage } from "../core/storage.ts";
import type { PartitionBounds } from "../mirror/ports.ts";
import type { ArchivedPartition, SegmentSource } from "../tier/ports.ts";
import { Spool } from "../tier/segment-cutting/spool.ts";
import { archivedTopics, clusterIdOf, type SegmentSettings } from "./kafka-archived-topics.ts";
import { type CutOptions, KafkaSegmentCutter } from "./kafka-segment-cutter.ts";

/** Ids are 22 characters, and names may hold dashes, as ids may. */
const TOPIC_DIRECTORY = /^(.+)-([\w-]{22})$/;

/** Settings change seldom, and passes are seconds apart. */
const SETTINGS_MS_MAX = 60_000;

/** What to archive, and how its segments are cut. */
export interface KafkaSegmentsOptions {
  readonly wanted: (topic: string) => boolean;
  readonly spoolDirectory: string;
  /** Of all spools together; exceeded by one fetch for each partition that is at work. */
  readonly spoolBytesMax: number;
  /** No segment is larger, whatever the topic says; one batch may be. */
  readonly segmentBytesMax: number;
  /** How long a segment is open at most. */
  readonly openMs: number;
  readonly onGap: CutOptions["onGap"];
}

/** What it stands on. */
export interface KafkaSegmentsDeps {
  readonly client: KafkaClient;
  readonly storage: Storage;
  readonly clock: Clock;
  /** Waits until so many bytes may be fetched. */
  readonly pace: (bytes: number) => Promise<void>;
}

/** A partition as the last listing showed it. */
export interface SeenPartition {
  readonly partition: ArchivedPartition;
  readonly settings: SegmentSettings;
  /** The end is the last stable offset. */
  readonly bounds: PartitionBounds | Error;
}

/** One for each rule and process: two of them never share a spool directory. */
export class KafkaSegments implements SegmentSource {
  readonly clusterId: string;
  /** Closes segments although they are not full. */
  closeAll = false;
  readonly #options: KafkaSegmentsOptions;
  readonly #deps: KafkaSegmentsDeps;
  readonly #root: string;
  readonly #cutters = new Map<string, Promise<KafkaSegmentCutter>>();
  readonly #opened = new Set<KafkaSegmentCutter>();
  #seen: ReadonlyMap<string, SeenPartition> = new Map();
  #settings: ReadonlyMap<string, SegmentSettings> = new Map();
  #settingsAtMs = Number.NEGATIVE_INFINITY;

  /** @throws {ClientError} when the cluster does not tell its id */
  constructor(options: KafkaSegmentsOptions, deps: KafkaSegmentsDeps) {
    this.#options = options;
    this.#deps = deps;
    this.clusterId = clusterIdOf(deps.client);
    this.#root = `${options.spoolDirectory}/${this.clusterId}`;
  }

  /** Partitions of the last listing, by their keys. */
  get seen(): readonly SeenPartition[] {
    return [...this.#seen.values()];
  }

  /** Names of the topics in it. */
  get topics(): readonly string[] {
    return [...new Set(this.seen.map(({ partition }) => partition.topic))];
  }

  /** Bytes in all spools. */
  get spoolBytes(): number {
    let bytes = 0;
    for (const { spool } of this.#opened) bytes += spool.sizeBytes;
    return bytes;
  }

  /** Where the cutting of a partition is; undefined before its archive was asked. */
  nextOffset(partition: ArchivedPartition): bigint | undefined {
    for (const cutter of this.#opened) if (keyOf(cutter.partition) === keyOf(partition)) return cutter.nextOffset;
    return undefined;
  }

  async partitions(): Promise<readonly ArchivedPartition[]> {
    const { clusterId } = this;
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs - this.#settingsAtMs > SETTINGS_MS_MAX) {
      this.#settings = new Map();
      this.#settingsAtMs = nowMs;
    }
    const topics = await archivedTopics(this.#deps.client, this.#options.wanted, this.#settings);
    this.#settings = new Map(topics.map(({ topic, settings }) => [topic, settings]));
    const seen = topics.flatMap(({ topic, topicId, settings, bounds: all }) =>
      all.map((bounds, index): SeenPartition => {
        return { partition: { clusterId, topic, topicId, partition: index }, settings, bounds };
      }),
    );
    this.#seen = new Map(seen.map((one) => [keyOf(one.partition), one]));
    const left = this.#spooled().filter((partition) => !this.#seen.has(keyOf(partition)));
    return [...seen.map(({ partition }) => partition), ...left];
  }

  async closedSegments(...[partition, archiveEnd]: Parameters<SegmentSource["closedSegments"]>) {
    const seen = this.#seen.get(keyOf(partition));
    const cutter = await this.#cutter(partition, seen?.settings);
    const closed = seen === undefined ? await cutter.rest(archiveEnd) : await this.#cut(cutter, seen, archiveEnd);
    if (closed === undefined && seen === undefined) this.#forget(cutter);
    return closed === undefined ? [] : [closed];
  }

  async readSegment(partition: ArchivedPartition) {
    return (await this.#cutter(partition, undefined)).spool.files();
  }

  async dropLocal(partition: ArchivedPartition): Promise<void> {
    (await this.#cutter(partition, undefined)).archived();
  }

  /** Closes files; what is spooled is found again by the next process. Idempotent. */
  async close(): Promise<void> {
    for (const { spool } of this.#opened) spool.release();
  }

  async #cut(
    cutter: KafkaSegmentCutter,
    { bounds, settings }: SeenPartition,
    archiveEnd: Parameters<SegmentSource["closedSegments"]>[1],
  ) {
    if (bounds instanceof Error) throw bounds;
    const { segmentBytesMax, openMs, onGap } = this.#options;
    const segmentBytes = Math.min(settings.segmentBytes, segmentBytesMax);
    const rule = { segmentBytes, recordAgeMs: settings.segmentMs, openMs };
    return cutter.cut(bounds, { rule, closeAll: this.closeAll, onGap }, archiveEnd);
  }

  #cutter(partition: ArchivedPartition, settings: SegmentSettings | undefined): Promise<KafkaSegmentCutter> {
    const key = keyOf(partition);
    const known = this.#cutters.get(key);
    if (known !== undefined) return known;
    const opening = this.#open(partition, settings?.indexIntervalBytes ?? INDEX_INTERVAL_BYTES);
    this.#cutters.set(key, opening);
    opening.then(
      (cutter) => this.#opened.add(cutter),
      () => this.#cutters.delete(key),
    );
    return opening;
  }

  async #open(partition: ArchivedPartition, indexIntervalBytes: number): Promise<KafkaSegmentCutter> {
    const { storage, client, clock, pace } = this.#deps;
    const spool = await Spool.open({ directory: this.#directory(partition), indexIntervalBytes }, { storage });
    const isFull = (): boolean => this.spoolBytes > this.#options.spoolBytesMax;
    return new KafkaSegmentCutter(partition, { client, clock, spool, isFull, pace });
  }

  #forget(cutter: KafkaSegmentCutter): void {
    cutter.spool.clear();
    this.#opened.delete(cutter);
    this.#cutters.delete(keyOf(cutter.partition));
    const directory = this.#directory(cutter.partition);
    this.#deps.storage.remove(directory);
  }

  /** Partitions that a spool holds something of, whether the cluster still has them or not. */
  #spooled(): readonly ArchivedPartition[] {
    const { storage } = this.#deps;
    return storage.list(this.#root).flatMap((name) => {
      const [, topic, topicId] = TOPIC_DIRECTORY.exec(name) ?? [];
      if (topic === undefined || topicId === undefined) return [];
      return storage
        .list(`${this.#root}/${name}`)
        .filter((index) => /^\d+$/.test(index))
        .map((index) => {
          return { clusterId: this.clusterId, topic, topicId: topicId as Uuid, partition: Number(index) };
        });
    });
  }

  #directory({ topic, topicId, partition }: ArchivedPartition): string {
    return `${this.#root}/${topic}-${topicId}/${partition}`;
  }
}

/** Kafka's default. */
const INDEX_INTERVAL_BYTES = 4_096;

function keyOf({ topicId, partition }: ArchivedPartition): string {
  return `${topicId}/${partition}`;
}
