/** The cluster that is archived: an embedded region in memory, reached through its listeners alone, with a topic for each run. */

import { MemoryNetwork } from "../../../../src/adapters/memory-network.ts";
import { MemoryStorage } from "../../../../src/adapters/memory-storage.ts";
import { createSimClock } from "../../../../src/adapters/sim-clock.ts";
import { EmbeddedRegion } from "../../../../src/broker/embedded-region.ts";
import type { PartitionLog } from "../../../../src/broker/log/partition-log.ts";
import { createTopics, deleteTopics } from "../../../../src/client/admin.ts";
import { commitOffsets } from "../../../../src/client/groups.ts";
import { KafkaClient } from "../../../../src/client/kafka-client.ts";
import { produceTo } from "../../../../src/client/produce.ts";
import { TransactionalWriter } from "../../../../src/client/transactions.ts";
import { ZERO_UUID } from "../../../../src/core/brand.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import type { ArchivedPartition } from "../../../../src/tier/ports.ts";
import { type EncodeOptions, encodeBatch } from "../../../../src/wire/records.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

/** Records of each batch. */
export const RECORDS_PER_BATCH = 5;
const VALUE_BYTES = 60;
/** Just before the cluster's clock starts. */
const RECORD_MS = 1_749_999_000_000;
/** Virtual time in which anything must come about. */
const SETTLE_MS = 600_000;

/** Shared by runs that follow one another; each makes a topic and deletes it in the end. */
export class Cluster implements AsyncDisposable {
  readonly clock = createSimClock();
  readonly #deps = {
    clock: this.clock,
    random: seededRandom(1),
    network: new MemoryNetwork({}, { clock: this.clock, random: seededRandom(2) }),
    logger: silentLogger,
  };
  #region: EmbeddedRegion | undefined;
  #client: KafkaClient | undefined;
  #topics = 0;

  /** Starts it. */
  static async open(): Promise<Cluster> {
    const cluster = new Cluster();
    await cluster.driven(cluster.#start());
    return cluster;
  }

  /** Lets virtual time pass until the work is done. */
  async driven<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    void work.then(settle, settle);
    await this.clock.runUntil(() => isSettled, SETTLE_MS);
    if (!isSettled) throw new Error("nothing more happens, yet the work is not done");
    return work;
  }

  /** A client of one process. */
  connect(): Promise<KafkaClient> {
    return KafkaClient.open({ bootstrap: this.region.endpoints, clientId: "tier" }, this.#deps);
  }

  get region(): EmbeddedRegion {
    if (this.#region === undefined) throw new Error("the cluster is not up");
    return this.#region;
  }

  /** What lies on the brokers' disk. */
  log({ topic, partition }: ArchivedPartition): PartitionLog | undefined {
    return this.#region?.partitionLog(topic, partition);
  }

  async makeTopic(): Promise<ArchivedPartition> {
    const topic = `flights-${++this.#topics}`;
    const [made] = await createTopics(this.client, [{ name: topic, partitions: 1, replicationFactor: 1 }]);
    if (made?.errorCode !== 0) throw new Error(`topic ${topic} was not made: ${made?.errorMessage}`);
    return { clusterId: this.region.clusterId, topic, topicId: made.topicId, partition: 0 };
  }

  async removeTopic({ topic }: ArchivedPartition): Promise<void> {
    await deleteTopics(this.client, [topic]);
  }

  /** Appends batches, with a transaction around every fifth one that is aborted behind the batch after it. */
  async produce(at: ArchivedPartition, batches: number): Promise<void> {
    const { topic, partition: index } = at;
    const nodeId = this.client.metadata.leaderOf(topic, index)?.leaderId ?? -1;
    const options = { transactionalId: topic, transactionTimeoutMs: 60_000 };
    const writer = await TransactionalWriter.open(this.client, options);
    for (let i = 0; i < batches; i++) {
      const isTransactional = i % 5 === 1;
      if (isTransactional) await writer.announce([{ topic, index }]);
      const own = { ...writer.identity, baseSequence: RECORDS_PER_BATCH * Math.floor(i / 5), isTransactional };
      const records = batch(isTransactional ? own : {});
      const partition = { topic, topicId: ZERO_UUID, index, records };
      const outcome = isTransactional
        ? await writer.produce(nodeId, partition)
        : (await produceTo(this.client, nodeId, { partitions: [partition], acks: -1 }))[0];
      if (outcome?.errorCode !== 0) throw new Error(`produce failed with ${outcome?.errorCode}`);
      if (i % 5 === 2) await writer.end("abort");
    }
  }

  /** Says how far a group has read. */
  async commit({ topic, partition: index }: ArchivedPartition, committedOffset: bigint): Promise<void> {
    const [outcome] = await commitOffsets(this.client, `readers-of-${topic}`, {
      offsets: [{ topic, index, committedOffset }],
    });
    if (outcome?.errorCode !== 0) throw new Error(`commit failed with ${outcome?.errorCode}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.driven(Promise.resolve(this.#client?.close()));
    await this.driven(Promise.resolve(this.#region?.close()));
  }

  /** For what is no process of the archive. */
  get client(): KafkaClient {
    if (this.#client === undefined) throw new Error("the cluster is not up");
    return this.#client;
  }

  async #start(): Promise<void> {
    const deps = { ...this.#deps, storage: new MemoryStorage() };
    this.#region = await EmbeddedRegion.open({ directory: "/cluster", clusterId: "cluster-k", brokers: 1 }, deps);
    this.#client = await this.connect();
  }
}

function batch(encode: EncodeOptions): Buffer {
  const records = Array.from({ length: RECORDS_PER_BATCH }, (_, at) => {
    return { timestampMs: BigInt(RECORD_MS + at), key: Buffer.from(`k${at}`), value: Buffer.alloc(VALUE_BYTES, at) };
  });
  return encodeBatch(records, encode).bytes;
}
