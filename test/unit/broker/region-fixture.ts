/** A region in memory, and a client that speaks the bare protocol to it. */

import assert from "node:assert/strict";
import { MemoryNetwork } from "../../../src/adapters/memory-network.ts";
import { MemoryStorage } from "../../../src/adapters/memory-storage.ts";
import { nodeClock } from "../../../src/adapters/node-clock.ts";
import { EmbeddedRegion } from "../../../src/broker/embedded-region.ts";
import type { ColdRead, ColdStore } from "../../../src/broker/ports.ts";
import type { RegionOptions } from "../../../src/broker/region-options.ts";
import type { Uuid } from "../../../src/core/brand.ts";
import { type Logger, silentLogger } from "../../../src/core/logger.ts";
import type { Connection } from "../../../src/core/network.ts";
import { type Api, decodeResponse, encodeRequest } from "../../../src/wire/api.ts";
import { produce } from "../../../src/wire/apis/00-produce.ts";
import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { createTopics } from "../../../src/wire/apis/19-create-topics.ts";
import { FrameDecoder } from "../../../src/wire/frame.ts";
import { type BatchView, batchesIn } from "../../../src/wire/record-batch.ts";
import { encodeBatch } from "../../../src/wire/records.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";

/** A region whose time stands still until the test moves it; the network beneath it runs on its own. */
export interface TestRegion extends AsyncDisposable {
  readonly region: EmbeddedRegion;
  readonly clock: FakeClock;
  readonly network: MemoryNetwork;
  readonly storage: MemoryStorage;
  /** A connection to one broker; closed with the region. */
  readonly connect: (brokerId: number) => Promise<TestClient>;
  /** A connection to the leader of `topic` 0. */
  readonly leader: (topic: string) => Promise<TestClient>;
  readonly createTopic: (name: string, shape?: TopicShape) => Promise<void>;
}

/** What a test wants of a topic. */
export interface TopicShape {
  readonly partitions?: number;
  readonly replicas?: number;
  /** Brokers of partition 0, the preferred leader first. */
  readonly assignment?: readonly number[];
  readonly configs?: Readonly<Record<string, string>>;
}

/** Extras of a test region. */
export interface Extras {
  readonly storage?: MemoryStorage;
  readonly logger?: Logger;
  readonly coldStore?: ColdStore;
}

/** A cold store that only reads: it knows of no times, and of no aborted transactions. */
export function coldStoreReading(read: (request: ColdRead) => Buffer | undefined): ColdStore {
  return {
    read: async (request) => {
      const records = read(request);
      return records === undefined ? undefined : { records, abortedTransactions: [] };
    },
    offsetForTimestamp: async () => undefined,
    latestRecord: async () => undefined,
    endOffset: async () => undefined,
  };
}

/** Opens a region of three brokers unless told otherwise. */
export async function openTestRegion(options: Partial<RegionOptions> = {}, extras: Extras = {}): Promise<TestRegion> {
  const clock = createFakeClock();
  const random = seededRandom(1);
  const network = new MemoryNetwork({}, { clock: nodeClock(), random });
  const storage = extras.storage ?? new MemoryStorage();
  const logger = extras.logger ?? silentLogger;
  const coldStore = extras.coldStore === undefined ? {} : { coldStore: extras.coldStore };
  const region = await EmbeddedRegion.open(
    { directory: "region", ...options },
    { storage, clock, random, network, logger, ...coldStore },
  );
  const clients: TestClient[] = [];
  const connect = async (brokerId: number): Promise<TestClient> => {
    const endpoint = region.endpoints.find((each) => each.brokerId === brokerId);
    assert.ok(endpoint !== undefined);
    const client = new TestClient(await network.connect(endpoint, { timeoutMs: 5_000 }));
    clients.push(client);
    return client;
  };
  return {
    ...{ region, clock, network, storage, connect },
    leader: (topic) => connect(region.partition(topic, 0)?.leaderId ?? -1),
    createTopic: async (name, shape = {}) => {
      const client = await connect(region.runningBrokers[0] ?? -1);
      const isByHand = shape.assignment !== undefined;
      const topic = {
        name,
        numPartitions: isByHand ? -1 : (shape.partitions ?? 1),
        replicationFactor: isByHand ? -1 : (shape.replicas ?? -1),
        assignments: isByHand ? [{ index: 0, brokerIds: shape.assignment }] : [],
        configs: Object.entries(shape.configs ?? {}).map(([key, value]) => ({ name: key, value })),
      };
      const answer = await client.ask(createTopics, 7, { topics: [topic], timeoutMs: 1_000, validateOnly: false });
      assert.deepEqual([answer.topics[0]?.errorCode, answer.topics[0]?.errorMessage], [0, null]);
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.close();
      await region.close();
    },
  };
}

/** Sends requests in order and matches answers by correlation id. */
export class TestClient {
  readonly #connection: Connection;
  readonly #waiting = new Map<number, (frame: Buffer | undefined) => void>();
  readonly #ended: Promise<void>;
  #isEnded = false;
  #next = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    const decoder = new FrameDecoder();
    this.#ended = new Promise((resolve) => {
      connection.start({
        onData: (chunk) => decoder.push(chunk, (frame) => this.#answer(frame.readInt32BE(0), frame)),
        onDrain: () => {},
        onClose: () => {
          this.#isEnded = true;
          for (const id of [...this.#waiting.keys()]) this.#answer(id, undefined);
          resolve();
        },
      });
    });
  }

  /** Resolves when the other side has ended the connection. */
  get ended(): Promise<void> {
    return this.#ended;
  }
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** The response. Rejects when the connection ends first. */
  async ask<RI, SO>(api: Api<unknown, RI, SO, never>, apiVersion: number, body: RI): Promise<SO> {
    const frame = await this.send(api, apiVersion, body);
    if (frame === undefined) throw new Error(`connection ended before ${api.name} was answered`);
    return decodeResponse(api, apiVersion, frame);
  }

  /** The response's bytes, undefined when the connection ended. */
  send<RI>(api: Api<unknown, RI, unknown, never>, apiVersion: number, body: RI): Promise<Buffer | undefined> {
    const correlationId = this.#next++;
    this.#connection.write(encodeRequest(api, { apiVersion, correlationId, clientId: "test" }, body));
    return new Promise((resolve) => this.#waiting.set(correlationId, resolve));
  }

  /** Bytes as they are. */
  write(bytes: Uint8Array): void {
    this.#connection.write([bytes]);
  }

  close(): void {
    this.#connection.close();
  }

  #answer(id: number, frame: Buffer | undefined): void {
    this.#waiting.get(id)?.(frame);
    this.#waiting.delete(id);
  }
}

/** A batch of records with these values. */
export function batchOf(
  values: readonly string[],
  producer: { readonly producerId?: bigint; readonly producerEpoch?: number; readonly baseSequence?: number } = {},
): BatchView {
  const records = values.map((value, offsetDelta) => ({
    offsetDelta,
    timestampMs: 1_750_000_000_000n,
    key: Buffer.from("k"),
    value: Buffer.from(value),
    headers: [],
  }));
  return encodeBatch(records, producer);
}

/** What a test looks at after a produce. */
export interface ProduceAnswer {
  readonly errorCode: number;
  readonly baseOffset: bigint;
  readonly currentLeader: { readonly leaderId: number; readonly leaderEpoch: number };
}

/** Produces one batch to partition 0. */
export async function send(
  client: TestClient,
  topic: string,
  batch: BatchView,
  { acks = -1, timeoutMs = 1_000 }: { readonly acks?: number; readonly timeoutMs?: number } = {},
): Promise<ProduceAnswer> {
  const response = await client.ask(produce, 11, {
    transactionalId: null,
    acks,
    timeoutMs,
    topics: [{ name: topic, partitions: [{ index: 0, records: batch.bytes }] }],
  });
  const answer = response.topics[0]?.partitions[0];
  assert.ok(answer !== undefined);
  return answer;
}

/** What a test asks of a fetch; by default everything there is, at once. */
export interface FetchShape {
  /** From version 13 on, instead of the name. */
  readonly topicId?: Uuid | undefined;
  readonly fetchOffset?: bigint;
  readonly version?: number;
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly partitionMaxBytes?: number;
  readonly currentLeaderEpoch?: number;
  readonly lastFetchedEpoch?: number;
  /** 1 reads what is committed. */
  readonly isolationLevel?: number;
}

/** Fetches from partition 0. */
export async function fetched(client: TestClient, topic: string, shape: FetchShape = {}) {
  const version = shape.version ?? 12;
  const partition = {
    index: 0,
    currentLeaderEpoch: shape.currentLeaderEpoch ?? -1,
    fetchOffset: shape.fetchOffset ?? 0n,
    ...(version >= 12 ? { lastFetchedEpoch: shape.lastFetchedEpoch ?? -1 } : {}),
    partitionMaxBytes: shape.partitionMaxBytes ?? 1_000_000,
  };
  const response = await client.ask(fetchApi, version, {
    maxWaitMs: shape.maxWaitMs ?? 0,
    minBytes: shape.minBytes ?? 1,
    maxBytes: 10_000_000,
    isolationLevel: shape.isolationLevel ?? 0,
    topics: [
      { ...(shape.topicId === undefined ? { name: topic } : { topicId: shape.topicId }), partitions: [partition] },
    ],
  });
  const answer = response.topics[0]?.partitions[0];
  assert.ok(answer !== undefined);
  return { ...answer, batches: [...batchesIn(answer.records ?? Buffer.alloc(0))] };
}
