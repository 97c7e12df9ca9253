/** History mode on Apache Kafka: records of 2001 while the broker forgets producers several times a second, workers that die, and
 *  two workers at once. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openKafkaProgress } from "../../src/adapters/kafka-progress.ts";
import { KafkaSource } from "../../src/adapters/kafka-source.ts";
import { KafkaTarget } from "../../src/adapters/kafka-target.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { createTopics } from "../../src/client/admin.ts";
import { fetchFrom } from "../../src/client/fetch.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { logBounds } from "../../src/client/list-offsets.ts";
import { produceTo } from "../../src/client/produce.ts";
import { describeProducers } from "../../src/client/producers.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { AbortedTransactions } from "../../src/mirror/aborted.ts";
import { Flow } from "../../src/mirror/flow.ts";
import { isTributaryProducerId } from "../../src/mirror/lane-id.ts";
import { namingOf } from "../../src/mirror/naming.ts";
import type { LaneStatus } from "../../src/mirror/status.ts";
import { batchesIn } from "../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../src/wire/records.ts";
import { selection } from "../integration/mirror-world.ts";
import { apacheWorld } from "./apache-world.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";
import { ApacheKafka } from "./kafka.ts";
import { startRival } from "./rival.ts";

const skip = apacheKafkaMissing() ?? false;
const timeout = 240_000;
/** The broker looks for producers to forget this often. */
const properties = { "producer.id.expiration.check.interval.ms": "200" };
const YEAR_2001_MS = 1_000_000_000_000;
const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };

/** A worker in this process. */
interface Worker {
  readonly flow: Flow;
  /** As SIGKILL: nothing gets out any more. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** One broker that is source and target. */
class World implements AsyncDisposable {
  readonly #open: (() => Promise<void>)[] = [];
  readonly kafka: ApacheKafka;
  readonly client: KafkaClient;
  #values = 0;

  private constructor(kafka: ApacheKafka, client: KafkaClient) {
    this.kafka = kafka;
    this.client = client;
    this.#open.push(
      () => kafka.close(),
      () => client.close(),
    );
  }

  static async start(): Promise<World> {
    const kafka = await ApacheKafka.start({ properties });
    return new World(kafka, await World.#client(kafka));
  }

  static #client(kafka: ApacheKafka): Promise<KafkaClient> {
    return KafkaClient.open({ bootstrap: [...kafka.endpoints.values()], clientId: "history-test" }, deps);
  }

  async topics(...names: string[]): Promise<void> {
    const configs = { "retention.ms": "-1" };
    await createTopics(
      this.client,
      names.map((name) => ({ name, partitions: 1, replicationFactor: 1, configs })),
    );
    await this.client.metadata.refresh("test", { all: true });
  }

  async worker(topic: string): Promise<Worker> {
    const [sourceClient, targetClient] = [await World.#client(this.kafka), await World.#client(this.kafka)];
    const progress = await openKafkaProgress({ saveIntervalMs: 100 }, { ...deps, client: targetClient });
    const flow = Flow.open(
      {
        name: "history",
        topics: selection(topic),
        naming: namingOf("{source}.{topic}", { source: "west", target: "central", mirror: "history" }),
        delivery: "exactly-once",
        start: "earliest",
        onGap: "stop",
        onRecreate: "stop",
        provenance: "all",
        discoverEveryMs: 100,
      },
      {
        ...deps,
        source: new KafkaSource({}, { ...deps, client: sourceClient }),
        target: new KafkaTarget({ ...deps, client: targetClient }),
        progress,
      },
    );
    const cut = async (): Promise<void> => {
      await Promise.all([sourceClient.close(), targetClient.close()]);
    };
    let stopped = false;
    const stop = async (): Promise<void> => {
      if (stopped) return;
      stopped = true;
      await flow.close();
      await progress.close();
      await cut();
    };
    this.#open.push(stop);
    const kill = async (): Promise<void> => {
      await cut();
      void stop();
    };
    return { flow, kill, stop };
  }

  /** Appends batches of `count` records. */
  async produce(topic: string, batches: number, count: number, timestampMs: number): Promise<void> {
    for (let i = 0; i < batches; i++) {
      const records = Array.from({ length: count }, () => ({
        timestampMs: BigInt(timestampMs),
        key: null,
        value: Buffer.from(`v${this.#values++}`),
      }));
      const partition = { topic, topicId: ZERO_UUID, index: 0, records: encodeBatch(records).bytes };
      const [outcome] = await produceTo(this.client, 1, { partitions: [partition], acks: -1 });
      assert.equal(outcome?.errorCode, 0);
    }
  }

  /** What a reader of committed data sees. */
  async values(topic: string): Promise<string[]> {
    const [bounds] = await logBounds(this.client, [{ topic, index: 0 }], { isolation: "read_committed" });
    const values: string[] = [];
    for (let next = 0n; next < (bounds?.endOffset ?? 0n); ) {
      const where = { topic, topicId: this.client.metadata.topic(topic)?.topicId ?? ZERO_UUID, index: 0 };
      const at = { fetchOffset: next, lastFetchedEpoch: -1, currentLeaderEpoch: -1, maxBytes: 4_000_000 };
      const limits = { maxWaitMs: 100, minBytes: 1, maxBytes: 4_000_000, isolation: "read_committed" } as const;
      const [fetched] = await fetchFrom(this.client, 1, { partitions: [{ ...where, ...at }], ...limits });
      assert.equal(fetched?.errorCode, 0);
      const aborted = new AbortedTransactions(fetched.abortedTransactions);
      for (const batch of batchesIn(fetched.records)) {
        if (!aborted.covers(batch) && !batch.isControl)
          values.push(...decodeRecords(batch).map(({ value }) => value?.toString() ?? ""));
        next = batch.nextOffset;
      }
    }
    return values;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#open.reverse()) await close();
  }
}

function laneOf({ flow }: Worker): LaneStatus | undefined {
  return flow.status.lanes[0];
}

async function eventually(isTrue: () => boolean, what: string, limitMs = 60_000): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!isTrue()) {
    assert.ok(performance.now() < endMs, what);
    await delay(20);
  }
}

test("lane copies records of 2001 in transactions and goes back to live mode when they are behind it", {
  skip,
  timeout,
}, async (t) => {
  await using world = await World.start();
  await world.topics("orders", "west.orders");
  await world.produce("orders", 100, 10, YEAR_2001_MS);
  const worker = await world.worker("orders");
  await eventually(() => laneOf(worker)?.count === 1_000n, `all are copied: ${JSON.stringify(laneOf(worker)?.reason)}`);
  t.diagnostic(JSON.stringify(laneOf(worker), (_k, v) => (typeof v === "bigint" ? Number(v) : v)));
  const young = async (): Promise<void> => world.produce("orders", 1, 5, Date.now());
  for (let i = 0; i < 60 && laneOf(worker)?.modes.returns === 0; i++) {
    await young();
    await delay(250);
  }
  assert.equal(laneOf(worker)?.modes.returns, 1);
  await young();
  const expected = await world.values("orders");
  await eventually(() => laneOf(worker)?.count === BigInt(expected.length), "the young ones are copied");
  assert.deepEqual(await world.values("west.orders"), expected);
  const [described] = await describeProducers(world.client, [{ topic: "west.orders", index: 0 }]);
  const own = described?.producers.find(({ producerId }) => isTributaryProducerId(producerId));
  assert.equal(own?.producerEpoch, 2);
});

/** Appends old and young records for some seconds, and kills a worker now and then; answers how often. */
async function produceUnderKills(world: World, kill: () => Promise<void>): Promise<number> {
  let kills = 0;
  for (let round = 0; round < 12; round++) {
    const isOld = round % 4 !== 3;
    for (let i = 0; i < 20; i++) {
      await world.produce("orders", 1, 5, isOld ? YEAR_2001_MS : Date.now());
      await delay(Math.random() * 100);
    }
    if (round % 2 === 0) continue;
    await kill();
    kills++;
  }
  return kills;
}

test("lane lands each record of 2001 once while two workers write it and die in turn", { skip, timeout }, async (t) => {
  await using world = await World.start();
  await world.topics("orders", "west.orders");
  const workers = [await world.worker("orders"), await world.worker("orders")];
  const kills = await produceUnderKills(world, async () => {
    await workers.shift()?.kill();
    workers.push(await world.worker("orders"));
  });
  const expected = await world.values("orders");
  await eventually(
    () => workers.some((worker) => laneOf(worker)?.count === BigInt(expected.length)),
    `all are copied: ${workers.map((worker) => JSON.stringify(laneOf(worker)?.reason)).join()}`,
    120_000,
  );
  assert.deepEqual(await world.values("west.orders"), expected);
  const modes = workers.map((worker) => laneOf(worker)?.modes);
  t.diagnostic(JSON.stringify({ kills, modes }));
});

test("lane lands each record of 2001 once while one worker process is killed and its rival freezes and thaws", {
  skip,
  timeout,
}, async (t) => {
  await using world = await World.start();
  await world.topics("orders", "west.orders");
  const regions = { sources: new Map([["west", world.kafka]]), target: world.kafka };
  using apache = apacheWorld(regions, "orders");
  using other = apacheWorld(regions, "orders");
  await using rival = await startRival(other.world);
  let worker = await apache.world.startWorker();
  const kills = await produceUnderKills(world, async () => {
    await worker.kill();
    worker = await apache.world.startWorker();
  });
  const expected = await world.values("orders");
  const endMs = performance.now() + 120_000;
  let values = await world.values("west.orders");
  while (values.length < expected.length && performance.now() < endMs) {
    await delay(500);
    values = await world.values("west.orders");
  }
  await worker.stop();
  assert.deepEqual(await world.values("west.orders"), expected);
  t.diagnostic(`${kills} kills, the rival was frozen ${rival.pauses} times`);
});
