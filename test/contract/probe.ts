/** What a contract case works with: one region, its own names, shorthands for the requests that most cases need. */

import { setTimeout as delay } from "node:timers/promises";
import type { Uuid } from "../../src/core/brand.ts";
import type { Api, ResponseOutput } from "../../src/wire/api.ts";
import { produce } from "../../src/wire/apis/00-produce.ts";
import { fetchApi } from "../../src/wire/apis/01-fetch.ts";
import { listOffsets } from "../../src/wire/apis/02-list-offsets.ts";
import { metadata } from "../../src/wire/apis/03-metadata.ts";
import { createTopics } from "../../src/wire/apis/19-create-topics.ts";
import { ErrorCode } from "../../src/wire/error-codes.ts";
import { type BrokerAddress, RawConnection } from "./connection.ts";
import { normalised, type Plain } from "./normalise.ts";

/** Versions that both Kafka 2.4 and 4.3 know, for requests in which the version is beside the point. */
const PRODUCE_VERSION = 9;
const FETCH_VERSION = 12;

/** A region must have made a topic's leader known within this many polls, 50 ms apart. */
const SETTLE_POLLS_MAX = 200;
const SETTLE_POLL_MS = 50;

/** One case: asks a region for things and tells what it answered, under labels. */
export interface ContractCase {
  readonly name: string;
  readonly run: (probe: Probe) => Promise<void>;
}

/** A region of several brokers that can be stopped. */
export interface ClusterControl {
  readonly addresses: ReadonlyMap<number, BrokerAddress>;
  /** Ends a broker as a crash would; resolves once it is gone. */
  stopBroker(id: number): Promise<void>;
  /** Starts it again; resolves once it answers. */
  startBroker(id: number): Promise<void>;
}

/** How a topic is created. */
export interface TopicOptions {
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly configs?: Readonly<Record<string, string>>;
}

/** One run of one case against one region. */
export class Probe {
  /** The moment that record timestamps of the case refer to. */
  readonly nowMs = BigInt(Date.now());
  readonly #address: BrokerAddress;
  readonly #suffix: string;
  readonly #cluster: ClusterControl | undefined;
  readonly #connections: RawConnection[] = [];
  readonly #answers: Record<string, Plain> = {};

  /** `suffix` keeps the names of this run apart from those of others on the same region. */
  constructor(address: BrokerAddress, suffix: string, cluster?: ClusterControl) {
    this.#address = address;
    this.#suffix = suffix;
    this.#cluster = cluster;
  }

  /** Runs a case and returns its labelled answers, normalised. */
  static async answersOf(
    one: ContractCase,
    address: BrokerAddress,
    cluster?: ClusterControl,
  ): Promise<Readonly<Record<string, Plain>>> {
    const suffix = `-${process.pid.toString(36)}${Date.now().toString(36)}${runs++}`;
    const probe = new Probe(address, suffix, cluster);
    try {
      await one.run(probe);
      return probe.#answers;
    } finally {
      for (const connection of probe.#connections) connection.close();
    }
  }

  /** The unique name of a topic or group of this run; shown as `name` in the answers. */
  named(name: string): string {
    return `${name}${this.#suffix}`;
  }

  /** The brokers, for cases that stop some. @throws when the region has only one */
  get cluster(): ClusterControl {
    if (this.#cluster === undefined) throw new Error("this case needs a region of several brokers");
    return this.#cluster;
  }

  /** A connection to one broker; closed when the run ends. */
  async connectTo(brokerId: number): Promise<RawConnection> {
    const address = this.cluster.addresses.get(brokerId);
    if (address === undefined) throw new Error(`no broker ${brokerId}`);
    const connection = await RawConnection.open(address);
    this.#connections.push(connection);
    return connection;
  }

  /** Another connection; closed when the run ends. */
  async connect(): Promise<RawConnection> {
    const connection = await RawConnection.open(this.#address);
    this.#connections.push(connection);
    return connection;
  }

  /** Asks over the run's main connection. */
  async ask<RI, SO>(api: Api<unknown, RI, SO, never>, version: number, body: RI): Promise<SO> {
    const connection = this.#connections[0] ?? (await this.connect());
    return connection.ask(api, version, body);
  }

  /** Adds an answer to what is compared. A label may be used once. */
  tell(label: string, answer: unknown): void {
    if (label in this.#answers) throw new Error(`label used twice: ${label}`);
    this.#answers[label] = normalised(answer, { suffix: this.#suffix, nowMs: this.nowMs });
  }

  /** Asks and tells in one step. */
  async check<RI, SO>(label: string, api: Api<unknown, RI, SO, never>, version: number, body: RI): Promise<SO> {
    const answer = await this.ask(api, version, body);
    this.tell(label, answer);
    return answer;
  }

  /** Creates a topic, waits until its partitions have a leader that answers, and returns its real name and id. */
  async topic(name: string, options: TopicOptions = {}): Promise<{ readonly name: string; readonly id: Uuid }> {
    const real = this.named(name);
    const numPartitions = options.partitions ?? 1;
    const configs = Object.entries(options.configs ?? {}).map(([key, value]) => ({ name: key, value }));
    const answer = await this.ask(createTopics, 7, {
      topics: [
        { name: real, numPartitions, replicationFactor: options.replicationFactor ?? 1, assignments: [], configs },
      ],
      timeoutMs: 10_000,
      validateOnly: false,
    });
    const created = answer.topics[0];
    if (created?.errorCode !== ErrorCode.NONE) throw new Error(`topic ${real} not created: ${JSON.stringify(answer)}`);
    // With several brokers the one asked need not lead; those cases wait for the leader themselves.
    if (this.#cluster === undefined) await this.#settled(real, numPartitions);
    return { name: real, id: created.topicId };
  }

  /** Produces one batch (or any bytes) to partition 0 and returns the partition's answer. */
  async produce(topic: string, records: Uint8Array | null, options: ProduceOptions = {}): Promise<unknown> {
    const connection = options.connection ?? this.#connections[0] ?? (await this.connect());
    const answer = await connection.ask(produce, options.version ?? PRODUCE_VERSION, {
      transactionalId: null,
      acks: options.acks ?? -1,
      timeoutMs: 10_000,
      topics: [{ name: topic, partitions: [{ index: options.partition ?? 0, records }] }],
    });
    return answer.topics[0]?.partitions[0];
  }

  /** Fetches from one partition by name and returns the whole answer. */
  fetch(topic: string, options: FetchOptions = {}): Promise<ResponseOutput<typeof fetchApi>> {
    return this.ask(fetchApi, options.version ?? FETCH_VERSION, {
      maxWaitMs: options.maxWaitMs ?? 200,
      minBytes: options.minBytes ?? 1,
      maxBytes: options.maxBytes ?? 10_000_000,
      isolationLevel: options.isolationLevel ?? 0,
      sessionId: options.sessionId ?? 0,
      sessionEpoch: options.sessionEpoch ?? -1,
      topics: [
        {
          name: topic,
          partitions: [
            {
              index: options.partition ?? 0,
              fetchOffset: options.offset ?? 0n,
              currentLeaderEpoch: options.currentLeaderEpoch ?? -1,
              lastFetchedEpoch: options.lastFetchedEpoch ?? -1,
              partitionMaxBytes: options.partitionMaxBytes ?? 1_000_000,
            },
          ],
        },
      ],
    });
  }

  /** Right after its creation a topic may have no leader, and the leader may not know yet that it is one. */
  async #settled(topic: string, partitions: number): Promise<void> {
    for (let poll = 0; poll < SETTLE_POLLS_MAX; poll++) {
      const answer = await this.ask(listOffsets, 6, {
        replicaId: -1,
        isolationLevel: 0,
        topics: [
          { name: topic, partitions: Array.from({ length: partitions }, (_, index) => ({ index, timestampMs: -1n })) },
        ],
      });
      const known = await this.ask(metadata, 9, { topics: [{ name: topic }], allowAutoTopicCreation: false });
      const codes = answer.topics[0]?.partitions.map(({ errorCode }) => errorCode) ?? [];
      if (codes.every((code) => code === ErrorCode.NONE) && known.topics[0]?.errorCode === ErrorCode.NONE) return;
      await delay(SETTLE_POLL_MS);
    }
    throw new Error(`topic ${topic} has no leader after ${SETTLE_POLLS_MAX * SETTLE_POLL_MS} ms`);
  }
}

/** Counts the runs of this process, to keep their names apart. */
let runs = 0;

/** How a batch is produced. */
export interface ProduceOptions {
  readonly connection?: RawConnection;
  readonly version?: number;
  readonly acks?: number;
  readonly partition?: number;
}

/** How one partition is fetched. */
export interface FetchOptions {
  readonly version?: number;
  readonly partition?: number;
  readonly offset?: bigint;
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
  readonly isolationLevel?: number;
  readonly sessionId?: number;
  readonly sessionEpoch?: number;
  readonly currentLeaderEpoch?: number;
  readonly lastFetchedEpoch?: number;
}
