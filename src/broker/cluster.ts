/** The controller of a region: topics, partitions, configuration and leaders, all on record before they take effect. */

import type { Uuid } from "../core/brand.ts";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import { type Random, randomInt, randomUuid } from "../core/random.ts";
import { type Storage, StorageError } from "../core/storage.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import type { BrokerNode } from "./broker-node.ts";
import { type ClusterEntry, ClusterRecord } from "./cluster-record.ts";
import { type BrokerLayers, brokerValue, type ConfigValues } from "./configs/resolver.ts";
import { type TopicSettings, topicSettings } from "./configs/topic-settings.ts";
import type { PartitionState } from "./election.ts";
import { RegionError, refusal } from "./errors.ts";
import { Journal } from "./journal.ts";
import { Leadership } from "./leadership.ts";
import type { ArchivedExtent } from "./log/partition-log.ts";
import { logConfig, openPartitionLog, partitionDirectory } from "./log-opening.ts";
import { Partition } from "./partition.ts";
import { ProducerIds } from "./producer-ids.ts";
import { collisionKey } from "./topic-names.ts";

/** A topic and its live partitions. */
export interface Topic {
  readonly name: string;
  readonly topicId: Uuid;
  /** Entries set on the topic itself. */
  readonly configs: ConfigValues;
  readonly partitions: readonly Partition[];
}

/** A topic in a cold store. */
export interface ArchivedTopic {
  readonly name: string;
  readonly topicId: Uuid;
  /** By index; undefined where the store holds nothing. */
  readonly partitions: readonly (ArchivedExtent | undefined)[];
}

/** What a cluster is. */
export interface ClusterOptions {
  /** Given: must match what is on record. Absent: as on record, or a new one. */
  readonly clusterId: string | undefined;
  /** Journal and logs live below it. */
  readonly directory: string;
  readonly brokers: ReadonlyMap<number, BrokerNode>;
  /** Broker entries that differ from Kafka's defaults. */
  readonly brokerConfigs: ConfigValues;
  /** Move leadership back to the preferred replica as soon as it is in sync again. */
  readonly prefersFirstReplica: boolean;
}

/** What a cluster stands on. */
export interface ClusterDeps {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Told about what others keep state for. */
export interface ClusterListener {
  readonly onTopicDeleted: (name: string) => void;
}

interface LiveTopic extends Topic {
  configs: ConfigValues;
  readonly partitions: Partition[];
}

/** Owns the journal and all partitions. Everything is synchronous: what returns is on record. */
export class Cluster {
  readonly brokers: ReadonlyMap<number, BrokerNode>;
  readonly #options: ClusterOptions;
  readonly #deps: ClusterDeps;
  readonly #record = new ClusterRecord();
  readonly #journal: Journal<ClusterEntry>;
  readonly #byName = new Map<string, LiveTopic>();
  readonly #byId = new Map<Uuid, LiveTopic>();
  readonly #listeners: ClusterListener[] = [];
  readonly #producerIds = new ProducerIds((size) => {
    const first = this.#record.nextProducerId;
    this.#journal.append({ t: "producer-ids", next: String(first + size) });
    return first;
  });
  readonly #leadership: Leadership;
  #isClosed = false;

  private constructor(options: ClusterOptions, deps: ClusterDeps) {
    this.brokers = options.brokers;
    this.#options = options;
    this.#deps = deps;
    deps.storage.makeDirectory(this.#logsDirectory);
    const path = `${options.directory}/cluster.journal`;
    this.#journal = Journal.open({ path, syncsSoon: true }, this.#record, deps);
    this.#leadership = new Leadership(options, {
      partitions: () => this.#partitions(),
      isRunning: (id) => this.brokers.get(id)?.isRunning ?? false,
      record: (changes) => this.#journal.append(...changes.map(([one, next]) => partitionEntry(one, next))),
      logger: deps.logger,
    });
  }

  /** Reads the journal, opens every log and removes logs of topics that are gone.
   *  @throws {RegionError} `REGION_CLUSTER_MISMATCH` when the directory holds another cluster */
  static open(options: ClusterOptions, deps: ClusterDeps): Cluster {
    const cluster = new Cluster(options, deps);
    cluster.#identify();
    cluster.#removeStrayLogs();
    for (const topic of cluster.#record.topics.values()) cluster.#openTopic(topic.topicId);
    // Nobody runs yet, so all leaders step down: whatever the crash took from a log, no two histories share an epoch.
    cluster.#leadership.elect();
    return cluster;
  }

  get clusterId(): string {
    return this.#record.clusterId ?? "";
  }
  get layers(): BrokerLayers {
    return { dynamic: this.#record.brokerConfigs, fixed: this.#options.brokerConfigs };
  }
  /** The running broker with the lowest id; -1 when none runs. */
  get controllerId(): number {
    for (const node of this.brokers.values()) if (node.isRunning) return node.id;
    return -1;
  }

  /** The effective value of a broker entry as a number. */
  brokerNumber(name: string): number {
    return Number(brokerValue(name, this.layers));
  }
  /** The effective value of a broker entry as a flag. */
  brokerFlag(name: string): boolean {
    return brokerValue(name, this.layers).toLowerCase() === "true";
  }

  topics(): readonly Topic[] {
    return [...this.#byName.values()];
  }
  topic(name: string): Topic | undefined {
    return this.#byName.get(name);
  }
  topicById(topicId: Uuid): Topic | undefined {
    return this.#byId.get(topicId);
  }
  partition(topic: string, index: number): Partition | undefined {
    return this.#byName.get(topic)?.partitions[index];
  }

  /** Registers a listener for the cluster's lifetime. */
  listen(listener: ClusterListener): void {
    this.#listeners.push(listener);
  }

  /** Where the next topic's first leader goes. */
  nextStart(): number {
    return randomInt(this.#deps.random, this.brokers.size);
  }

  /** @throws {Refusal} TOPIC_ALREADY_EXISTS; INVALID_TOPIC_EXCEPTION when the name collides with another topic's */
  checkTopicIsNew(name: string): void {
    if (this.#byName.has(name)) throw refusal(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`);
    const key = collisionKey(name);
    for (const other of this.#byName.keys()) {
      if (collisionKey(other) === key)
        throw refusal(ErrorCode.INVALID_TOPIC_EXCEPTION, `Topic '${name}' collides with existing topic: ${other}`);
    }
  }

  /** Creates a topic whose name, replicas and configs have been checked. */
  createTopic(name: string, replicas: readonly (readonly number[])[], configs: ConfigValues): Topic {
    this.checkTopicIsNew(name);
    return this.#createTopic({ name, topicId: randomUuid(this.#deps.random), configs }, replicas);
  }

  /** Shows a topic that a cold store holds, under the id it had, or what is new of it.
   *  @throws {Refusal} INVALID_TOPIC_EXCEPTION when its name collides with another topic's */
  showArchived({ name, topicId, partitions }: ArchivedTopic): void {
    if (!this.#byId.has(topicId)) this.checkTopicIsNew(name);
    const topic = this.#byId.get(topicId) ?? this.#createTopic({ name, topicId, configs: {} }, []);
    const replicas = [...this.brokers.keys()].slice(0, 1);
    const more = partitions.slice(topic.partitions.length).map(() => replicas);
    if (more.length > 0) this.addPartitions(topic, more);
    for (const [p, extent] of partitions.entries()) if (extent !== undefined) topic.partitions[p]?.showArchived(extent);
  }

  #createTopic(
    { name, topicId, configs }: Pick<Topic, "name" | "topicId" | "configs">,
    replicas: readonly (readonly number[])[],
  ): Topic {
    const partitions = replicas.map((ids, p) => ({ t: "partition", topicId, p, ...this.#firstState(ids) }) as const);
    this.#journal.append({ t: "topic", topicId, name, configs }, ...partitions);
    try {
      return this.#openTopic(topicId);
    } catch (error) {
      this.#forgetHalfMade(topicId);
      throw error;
    }
  }

  /** Adds partitions at the end. */
  addPartitions(topic: Topic, replicas: readonly (readonly number[])[]): void {
    const live = this.#live(topic);
    const { topicId } = live;
    const first = live.partitions.length;
    const entries = replicas.map(
      (ids, i) => ({ t: "partition", topicId, p: first + i, ...this.#firstState(ids) }) as const,
    );
    this.#journal.append(...entries);
    for (const { p } of entries) this.#openPartition(live, p);
  }

  /** Removes the topic with its records. */
  deleteTopic(topic: Topic): void {
    const live = this.#live(topic);
    this.#journal.append({ t: "topic-deleted", topicId: live.topicId });
    this.#byName.delete(live.name);
    this.#byId.delete(live.topicId);
    for (const partition of live.partitions) {
      partition.close();
      partition.log.destroy();
    }
    for (const listener of this.#listeners) listener.onTopicDeleted(live.name);
  }

  /** Replaces the entries set on a topic, which have been checked. */
  setTopicConfigs(topic: Topic, configs: ConfigValues): void {
    const live = this.#live(topic);
    this.#journal.append({ t: "topic-configs", topicId: live.topicId, configs });
    live.configs = configs;
    this.#reconfigure(live);
    this.#leadership.tryElect();
  }

  /** Replaces the cluster-wide dynamic broker entries, which have been checked. */
  setBrokerConfigs(configs: ConfigValues): void {
    this.#journal.append({ t: "broker-configs", configs });
    for (const topic of this.#byName.values()) this.#reconfigure(topic);
    this.#leadership.tryElect();
  }

  /** The cluster-wide dynamic broker entries. */
  get brokerConfigs(): ConfigValues {
    return this.#record.brokerConfigs;
  }

  /** Call after a broker started, stopped, or follows differently: elects leaders and lets replicas follow. */
  brokersChanged(): void {
    this.#leadership.tryElect();
    for (const partition of this.#partitions()) partition.refreshReplicas();
  }

  /** Elects leaders when that failed before for want of room on the disk. */
  retryElection(): void {
    if (this.#leadership.mustElect) this.brokersChanged();
  }

  /** A producer id that no broker has given out before. */
  nextProducerId(brokerId: number): bigint {
    return this.#producerIds.next(brokerId);
  }

  /** Waits until journal and logs are on the disk. */
  async sync(): Promise<void> {
    await this.#journal.sync();
    for (const partition of [...this.#partitions()]) if (!partition.isClosed) await partition.log.sync();
  }

  /** Closes all logs, so that the next open has nothing to recover. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const partitions = [...this.#partitions()];
    for (const partition of partitions) partition.close();
    for (const partition of partitions) await partition.log.close();
    this.#journal.close();
  }

  *#partitions(): Generator<Partition> {
    for (const topic of this.#byName.values()) yield* topic.partitions;
  }

  get #logsDirectory(): string {
    return `${this.#options.directory}/logs`;
  }

  #identify(): void {
    const wanted = this.#options.clusterId;
    const known = this.#record.clusterId;
    if (known === undefined) {
      this.#journal.append({ t: "cluster", clusterId: wanted ?? randomUuid(this.#deps.random) });
    } else if (wanted !== undefined && wanted !== known) {
      const path = this.#options.directory;
      throw new RegionError({ code: "REGION_CLUSTER_MISMATCH", path, expected: wanted, actual: known });
    }
  }

  /** A crash between the record of a deletion and the removal of the files leaves them behind. */
  #removeStrayLogs(): void {
    const known = new Set<string>();
    for (const { name, partitions } of this.#record.topics.values()) {
      for (const p of partitions.keys()) known.add(partitionDirectory(this.#logsDirectory, name, p));
    }
    for (const entry of this.#deps.storage.list(this.#logsDirectory)) {
      const path = `${this.#logsDirectory}/${entry}`;
      if (!known.has(path)) this.#deps.storage.remove(path);
    }
  }

  #firstState(replicas: readonly number[]): PartitionState {
    const running = replicas.filter((id) => this.brokers.get(id)?.isRunning ?? false);
    const [leader] = running;
    return leader === undefined
      ? { replicas, leaderId: -1, leaderEpoch: 0, isr: replicas.slice(0, 1) }
      : { replicas, leaderId: leader, leaderEpoch: 0, isr: running };
  }

  #openTopic(topicId: Uuid): LiveTopic {
    const record = this.#record.topics.get(topicId);
    if (record === undefined) throw refusal(ErrorCode.UNKNOWN_TOPIC_ID);
    const topic: LiveTopic = { name: record.name, topicId, configs: record.configs, partitions: [] };
    this.#byName.set(topic.name, topic);
    this.#byId.set(topicId, topic);
    for (const p of record.partitions.keys()) this.#openPartition(topic, p);
    return topic;
  }

  /** A topic whose logs could not all be made is no topic; when even that finds no room on the disk, the next open makes
   *  it whole. */
  #forgetHalfMade(topicId: Uuid): void {
    const live = this.#byId.get(topicId);
    if (live === undefined) return;
    this.#byName.delete(live.name);
    this.#byId.delete(topicId);
    for (const partition of live.partitions) {
      partition.close();
      partition.log.destroy();
    }
    try {
      this.#journal.append({ t: "topic-deleted", topicId });
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#deps.logger.error("could not take back a topic", { topic: live.name, error: error.message });
    }
  }

  #openPartition(topic: LiveTopic, p: number): void {
    const state = this.#record.topics.get(topic.topicId)?.partitions[p];
    if (state === undefined) throw refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const settings = this.#settings(topic);
    const what = { topic: topic.name, topicId: topic.topicId, index: p };
    const log = openPartitionLog(
      { ...what, directory: this.#logsDirectory, settings, producerIdExpirationMs: this.#producerExpirationMs },
      this.#deps,
    );
    // A power failure may take the end of the journal and leave the log that was written after it.
    const leaderEpoch = Math.max(state.leaderEpoch, log.latestEpoch);
    const partition = new Partition(
      { ...what, state: { ...state, leaderEpoch }, settings },
      {
        log,
        clock: this.#deps.clock,
        followPolicy: (brokerId) => this.brokers.get(brokerId)?.followPolicy ?? { kind: "stopped" },
        proposeIsr: (self, next) => {
          if (!this.#isClosed) this.#leadership.propose(self, next);
        },
      },
    );
    topic.partitions[p] = partition;
    partition.refreshReplicas();
  }

  #settings(topic: Pick<Topic, "configs">): TopicSettings {
    return topicSettings(topic.configs, this.layers);
  }

  get #producerExpirationMs(): number {
    return this.brokerNumber("producer.id.expiration.ms");
  }

  #reconfigure(topic: LiveTopic): void {
    const settings = this.#settings(topic);
    for (const partition of topic.partitions) {
      partition.reconfigure(settings);
      partition.log.configure(logConfig(settings, this.#producerExpirationMs));
    }
  }

  #live(topic: Topic): LiveTopic {
    const live = this.#byId.get(topic.topicId);
    if (live === undefined) throw refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    return live;
  }
}

function partitionEntry(partition: Partition, next: PartitionState): ClusterEntry {
  return { t: "partition", topicId: partition.topicId, p: partition.index, ...next };
}
