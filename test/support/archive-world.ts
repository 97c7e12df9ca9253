/** An archive that stock clients wrote through a region, and a server over it that stock clients read. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kafka, logLevel, Partitioners } from "kafkajs";
import { embeddedSegments } from "../../src/adapters/embedded-segments.ts";
import { MemoryStorage } from "../../src/adapters/memory-storage.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { nodeStorage } from "../../src/adapters/node-storage.ts";
import { EmbeddedRegion } from "../../src/broker/embedded-region.ts";
import { type Logger, silentLogger } from "../../src/core/logger.ts";
import { ArchiveServer, type ArchiveServerOptions } from "../../src/runtime/archive-server.ts";
import { offloadOnce } from "../../src/tier/offload.ts";
import type { ObjectStore } from "../../src/tier/ports.ts";

/** The topic that `writeFlights` fills. */
export const TOPIC = "flights";
/** Record `i` of a partition carries this time plus `i` seconds: in the near future, so that no marker of a transaction is
 *  later, which a search by time would find. */
export const START_MS = Date.now() + 600_000;
const PARTITIONS = 2;

/** A record as a reader sees it. */
export interface SeenRecord {
  readonly partition: number;
  readonly offset: string;
  readonly value: string;
  readonly timestampMs: number;
}

/** A region whose records go to an archive. */
export interface ArchiveSource extends AsyncDisposable {
  readonly region: EmbeddedRegion;
  readonly kafka: Kafka;
  /** Moves everything written so far to the store. */
  archive(): Promise<void>;
  /** Moves what was written before the newest segment was begun. */
  archiveClosed(): Promise<void>;
}

/** Starts the region; it gives records of last year no trouble, and rolls after few of them. */
export async function openArchiveSource(store: ObjectStore, clusterId = "cluster-a"): Promise<ArchiveSource> {
  const deps = { clock: nodeClock(), random: nodeRandom(), logger: silentLogger };
  const region = await EmbeddedRegion.open(
    { directory: "source", clusterId, brokers: 1, topicDefaults: { "retention.ms": "-1", "segment.bytes": "20000" } },
    { ...deps, storage: new MemoryStorage(), network: nodeNetwork() },
  );
  const archiveClosed = async (): Promise<void> => {
    const policy = { olderThanMs: -3_600_000, keepLocalBytes: 0, deleteLocal: "never" } as const;
    await offloadOnce(policy, () => true, { ...deps, source: embeddedSegments(region), store });
  };
  return {
    ...{ region, archiveClosed },
    kafka: kafkaAt(region.endpoints[0]),
    async archive() {
      for (const { partitions } of region.topics()) for (const { log } of partitions) log.roll();
      await archiveClosed();
    },
    [Symbol.asyncDispose]: () => region.close(),
  };
}

/** A stock client that keeps its log to itself. */
export function kafkaAt(endpoint: { readonly host: string; readonly port: number } | undefined): Kafka {
  return new Kafka({
    clientId: "archive-test",
    brokers: [`${endpoint?.host}:${endpoint?.port}`],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 5 },
  });
}

/** Records `from` up to `to` of each partition, ten to a batch; every third batch belongs to a transaction that is aborted.
 *  Their values tell which. */
export async function writeFlights(source: ArchiveSource, from = 0, to = 300): Promise<void> {
  const admin = source.kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }] });
  await admin.disconnect();
  const options = { createPartitioner: Partitioners.LegacyPartitioner, allowAutoTopicCreation: false };
  const plain = source.kafka.producer(options);
  const writer = source.kafka.producer({
    ...options,
    transactionalId: "writer",
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await Promise.all([plain.connect(), writer.connect()]);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (let at = from; at < to; at += 10) {
      const kind = ["plain", "committed", "aborted"][(at / 10) % 3] ?? "plain";
      const messages = Array.from({ length: 10 }, (_, i) => ({
        ...{ partition, key: `${at + i}`, value: `${kind} ${at + i} ${"x".repeat(100)}` },
        timestamp: String(START_MS + (at + i) * 1_000),
      }));
      if (kind === "plain") await plain.send({ topic: TOPIC, messages });
      else {
        const transaction = await writer.transaction();
        await transaction.send({ topic: TOPIC, messages });
        await (kind === "aborted" ? transaction.abort() : transaction.commit());
      }
    }
  }
  await Promise.all([plain.disconnect(), writer.disconnect()]);
}

/** A server, and the directory that outlives it. */
export interface ServedArchive extends AsyncDisposable {
  readonly server: ArchiveServer;
  readonly kafka: Kafka;
  readonly stateDirectory: string;
  /** Stops the server and starts another one on the same state. */
  restart(): Promise<ServedArchive>;
}

/** Serves the store on a free port. */
export async function serveArchive(
  store: ObjectStore,
  options: Partial<ArchiveServerOptions> & { readonly logger?: Logger } = {},
): Promise<ServedArchive> {
  const stateDirectory = options.stateDirectory ?? join(mkdtempSync(join(tmpdir(), "archive-")), "state");
  const server = await ArchiveServer.open(
    { host: "127.0.0.1", port: 0, wants: () => true, refreshMs: 60_000, ...options, stateDirectory },
    {
      ...{ store, storage: nodeStorage(), clock: nodeClock(), random: nodeRandom(), network: nodeNetwork() },
      logger: options.logger ?? silentLogger,
    },
  );
  return {
    ...{ server, stateDirectory, kafka: kafkaAt(server.endpoint) },
    async restart() {
      await server.close();
      return serveArchive(store, { ...options, stateDirectory });
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      rmSync(join(stateDirectory, ".."), { recursive: true, force: true });
    },
  };
}

/** What a reader reads. */
export interface Reading {
  readonly groupId: string;
  /** Records until it stops. */
  readonly records: number;
  /** Default false: committed records only. */
  readonly readsUncommitted?: boolean;
  /** Default true. */
  readonly commits?: boolean;
  /** Where each partition is read from, in place of what the group committed. */
  readonly from?: readonly { readonly partition: number; readonly offset: string }[];
}

/** Reads in a group, commits what it read unless told not to, and stops. Rejects when nothing comes for 20 s. */
export async function readInGroup(kafka: Kafka, reading: Reading): Promise<readonly SeenRecord[]> {
  const { groupId, records, readsUncommitted = false, commits = true, from = [] } = reading;
  const consumer = kafka.consumer({ groupId, readUncommitted: readsUncommitted, maxWaitTimeInMs: 200 });
  const seen: SeenRecord[] = [];
  const done = Promise.withResolvers<void>();
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachMessage: async ({ partition, message }) => {
      if (seen.length >= records) return;
      const { offset, value, timestamp } = message;
      seen.push({ partition, offset, value: String(value).trimEnd(), timestampMs: Number(timestamp) });
      const next = { topic: TOPIC, partition, offset: String(BigInt(offset) + 1n) };
      if (commits) await consumer.commitOffsets([next]);
      if (seen.length === records) done.resolve();
    },
  });
  for (const { partition, offset } of from) consumer.seek({ topic: TOPIC, partition, offset });
  const timer = setTimeout(() => done.reject(new Error(`${seen.length} of ${records} records in 20 s`)), 20_000);
  try {
    await done.promise;
  } finally {
    clearTimeout(timer);
    await consumer.disconnect();
  }
  return seen;
}

/** In the order of partitions and offsets. */
export function inOrder(records: readonly SeenRecord[]): readonly SeenRecord[] {
  return records.toSorted((a, b) => a.partition - b.partition || Number(a.offset) - Number(b.offset));
}
