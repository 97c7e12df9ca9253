/** A region, a client and a source in virtual time, and everything that the source asked the region for. */

import { KafkaSource } from "../../../src/adapters/kafka-source.ts";
import { MemoryNetwork } from "../../../src/adapters/memory-network.ts";
import { MemoryStorage } from "../../../src/adapters/memory-storage.ts";
import { createSimClock, type SimClock } from "../../../src/adapters/sim-clock.ts";
import { EmbeddedRegion } from "../../../src/broker/embedded-region.ts";
import type { FaultAction } from "../../../src/broker/faults.ts";
import { createTopics } from "../../../src/client/admin.ts";
import { KafkaClient } from "../../../src/client/kafka-client.ts";
import { produceTo } from "../../../src/client/produce.ts";
import { ZERO_UUID } from "../../../src/core/brand.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import type { SourceReader, TopicPartition } from "../../../src/mirror/ports.ts";
import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { batchesIn } from "../../../src/wire/record-batch.ts";
import { encodeBatch } from "../../../src/wire/records.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { settledOn } from "../../support/settled-on.ts";

export const TOPIC = "orders";
const WAIT_MS_MAX = 60_000;

/** A fetch as the region got it. */
export interface Asked {
  readonly sessionEpoch: number;
  readonly partitions: readonly number[];
  readonly maxWaitMs: number;
  readonly brokerId: number;
  readonly rackId: string;
}

/** Open one for each test. */
export class SourceWorld implements AsyncDisposable {
  readonly clock: SimClock;
  readonly region: EmbeddedRegion;
  readonly network: MemoryNetwork;
  readonly source: KafkaSource;
  /** All fetches so far. */
  readonly asked: Asked[] = [];
  /** What is to become of a fetch. */
  fate: (asked: Asked) => FaultAction | undefined = () => undefined;
  readonly #client: KafkaClient;

  private constructor(parts: Pick<SourceWorld, "clock" | "region" | "network">, client: KafkaClient) {
    this.clock = parts.clock;
    this.region = parts.region;
    this.network = parts.network;
    this.#client = client;
    this.source = new KafkaSource({ rackId: "b" }, { client, clock: parts.clock, random: seededRandom(2) });
    parts.region.faults.control(
      fetchApi.key,
      ({ body, brokerId }) => {
        const { sessionEpoch, topics, maxWaitMs, rackId } = body as {
          readonly rackId: string;
          readonly sessionEpoch: number;
          readonly maxWaitMs: number;
          readonly topics: readonly { readonly partitions: readonly { readonly index: number }[] }[];
        };
        const partitions = topics.flatMap((topic) => topic.partitions.map(({ index }) => index));
        const one = { sessionEpoch, partitions, maxWaitMs, brokerId, rackId };
        this.asked.push(one);
        return this.fate(one);
      },
      { stays: true },
    );
  }

  /** One topic; one broker unless a test says otherwise, of which each has all partitions. */
  static async open(partitions: number, brokers = 1): Promise<SourceWorld> {
    const clock = createSimClock();
    const random = seededRandom(1);
    const network = new MemoryNetwork({}, { clock, random });
    const deps = { clock, random, logger: silentLogger };
    const opening = (async () => {
      const region = await EmbeddedRegion.open(
        { directory: "region", brokers },
        { ...deps, storage: new MemoryStorage(), network: network.at("region") },
      );
      const client = await KafkaClient.open(
        { bootstrap: region.endpoints, clientId: "source" },
        { ...deps, network: network.at("worker") },
      );
      await createTopics(client, [{ name: TOPIC, partitions, replicationFactor: brokers }]);
      await client.metadata.require([TOPIC]);
      return new SourceWorld({ clock, region, network }, client);
    })();
    return settledOn(clock, opening);
  }

  at(partition: number): TopicPartition {
    const topicId = this.#client.metadata.topic(TOPIC)?.topicId ?? ZERO_UUID;
    return { topic: TOPIC, topicId, partition };
  }

  leaderOf(partition: number): number {
    return this.region.partition(TOPIC, partition)?.leaderId ?? -1;
  }

  /** Writes batches with one record each. */
  async write(partition: number, batches: number, recordBytes = 10): Promise<void> {
    const timestampMs = BigInt(this.clock.nowMs());
    for (let i = 0; i < batches; i++) {
      const { bytes } = encodeBatch([{ timestampMs, key: null, value: Buffer.alloc(recordBytes, i) }]);
      const place = { topic: TOPIC, topicId: this.at(partition).topicId, index: partition };
      await this.settled(
        produceTo(this.#client, this.leaderOf(partition), { partitions: [{ ...place, records: bytes }], acks: 1 }),
      );
    }
  }

  /** Reads a partition for ever and calls back with the offset of each batch. */
  follow(partition: number, onBatch: (offset: bigint) => void = () => undefined, from = 0n): SourceReader {
    const reader = this.source.open(this.at(partition), { offset: from, leaderEpoch: -1 });
    const never = new AbortController().signal;
    void (async () => {
      for (;;) {
        const { records, release } = await reader.next(never);
        for (const batch of batchesIn(records)) onBatch(batch.baseOffset);
        release();
      }
    })().catch(() => undefined);
    return reader;
  }

  /** Lets time pass until it holds. */
  async until(isDone: () => boolean): Promise<void> {
    if (!(await this.clock.runUntil(isDone, WAIT_MS_MAX))) throw new Error("it never came to that");
  }

  /** Lets time pass. */
  async pass(forMs: number): Promise<void> {
    await this.clock.runUntil(() => false, forMs);
  }

  settled<T>(work: Promise<T>): Promise<T> {
    return settledOn(this.clock, work);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
    await this.settled(this.region.close());
  }
}
