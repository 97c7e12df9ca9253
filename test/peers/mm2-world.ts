/** A cluster `east` that flows into a cluster `hub`, both Apache Kafka, with a worker in this process, and clients to look at them. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KafkaSource } from "../../src/adapters/kafka-source.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { nodeStorage } from "../../src/adapters/node-storage.ts";
import { createTopics, listTopics } from "../../src/client/admin.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { askLeaders } from "../../src/client/leaders.ts";
import { logBounds } from "../../src/client/list-offsets.ts";
import { produceTo } from "../../src/client/produce.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { AbortedTransactions } from "../../src/mirror/aborted.ts";
import { StateDirectory } from "../../src/runtime/state-directory.ts";
import { loadTopology } from "../../src/runtime/topology-files.ts";
import { MirrorWorker } from "../../src/runtime/worker.ts";
import { flowsOf } from "../../src/topology/model.ts";
import { batchesIn } from "../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../src/wire/records.ts";
import { ApacheKafka } from "./kafka.ts";

const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
/** Everything that is waited for takes a second or two; a busy machine gets a minute. */
const WAIT_MS = 60_000;
const WAIT_POLL_MS = 150;

/** A record as consumers see it. */
export interface SeenRecord {
  readonly offset: bigint;
  readonly timestampMs: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/** One cluster with a client. */
export interface Mm2Side {
  readonly kafka: ApacheKafka;
  readonly client: KafkaClient;
}

/** See the file's comment; use with `await using`. */
export class Mm2World implements AsyncDisposable {
  readonly east: Mm2Side;
  readonly hub: Mm2Side;
  readonly #open: AsyncDisposableStack;
  readonly #directory = mkdtempSync(join(tmpdir(), "mm2-world-"));

  private constructor(east: Mm2Side, hub: Mm2Side, open: AsyncDisposableStack) {
    this.east = east;
    this.hub = hub;
    this.#open = open;
  }

  /** Starts both clusters, one after the other: a port that the first was given and has not taken yet looks free to the second. */
  static async open(): Promise<Mm2World> {
    await using opening = new AsyncDisposableStack();
    const east = await side(opening);
    const hub = await side(opening);
    return new Mm2World(east, hub, opening.move());
  }

  /** A topology of one mirror from east to hub, as the rest of its YAML says. */
  topology(mirror: string) {
    const broker = ({ kafka }: Mm2Side): string => `{brokers: ["${kafka.bootstrap[0]}"]}`;
    const regions = `regions:\n  east: ${broker(this.east)}\n  hub: ${broker(this.hub)}`;
    const file = join(this.#directory, "mm2.yaml");
    writeFileSync(
      file,
      `version: 1\nname: mm2\n${regions}\nmirrors:\n  - name: m\n    from: east\n    to: hub\n${mirror}\n`,
    );
    const topology = loadTopology(file);
    const root = join(this.#directory, "state");
    const state = new StateDirectory({ root, topology: topology.name }, { storage: nodeStorage() });
    return { topology, state };
  }

  /** Runs the mirrors of a topology until it is closed. */
  async worker(world: ReturnType<Mm2World["topology"]>): Promise<MirrorWorker> {
    const run = { world, flows: flowsOf(world.topology) };
    return MirrorWorker.open(run, { logger: silentLogger, onShutdown: () => {} });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open.disposeAsync();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function side(open: AsyncDisposableStack): Promise<Mm2Side> {
  const kafka = open.use(await ApacheKafka.start());
  const bootstrap = [...kafka.endpoints.values()];
  return { kafka, client: open.use(await KafkaClient.open({ bootstrap, clientId: "mm2-world" }, deps)) };
}

/** Makes a topic with one replica. */
export async function makeTopic({ client }: Mm2Side, name: string, partitions: number): Promise<void> {
  await createTopics(client, [{ name, partitions, replicationFactor: 1 }]);
}

/** Names of all topics, sorted. */
export async function topicNames({ client }: Mm2Side): Promise<readonly string[]> {
  return (await listTopics(client)).map(({ name }) => name).toSorted();
}

/** Appends records of now to one partition in one batch; each has the next number as its value. */
export async function produceNumbers(
  { client }: Mm2Side,
  at: { readonly topic: string; readonly index: number },
  numbers: readonly number[],
): Promise<void> {
  const timestampMs = BigInt(deps.clock.nowMs());
  const records = numbers.map((n) => ({ timestampMs, key: Buffer.from(`k${n % 7}`), value: Buffer.from(`${n}`) }));
  const item = { ...at, topicId: ZERO_UUID, records: encodeBatch(records).bytes };
  const [outcome] = await askLeaders(client, [item], {
    failed: (_, errorCode) => ({ ...at, errorCode }),
    ask: (nodeId, partitions) => produceTo(client, nodeId, { partitions, acks: -1 }),
  });
  if (outcome?.errorCode !== 0) throw new Error(`produce failed with ${outcome?.errorCode}`);
}

/** The sum of the ends of partitions, marks of transactions included: cheap to ask again and again. 0 when there is no such topic. */
export async function endsOf({ client }: Mm2Side, topic: string, partitions: readonly number[]): Promise<number> {
  if (!(await listTopics(client)).some(({ name }) => name === topic)) return 0;
  const bounds = await logBounds(
    client,
    partitions.map((index) => ({ topic, index })),
  );
  return bounds.reduce((sum, { endOffset }) => sum + Number(endOffset), 0);
}

/** All committed records of a partition; none when there is no such topic. */
export async function recordsOf({ client }: Mm2Side, topic: string, partition: number): Promise<SeenRecord[]> {
  const info = (await listTopics(client)).find(({ name }) => name === topic);
  if (info === undefined) return [];
  const at = { topic, topicId: info.topicId, partition };
  const source = new KafkaSource({}, { client, ...deps });
  const { startOffset, endOffset } = await source.bounds(at);
  const reader = source.open(at, { offset: startOffset, leaderEpoch: -1 });
  const records: SeenRecord[] = [];
  for (let next = startOffset; next < endOffset; ) {
    const chunk = await reader.next(AbortSignal.timeout(WAIT_MS));
    const aborted = new AbortedTransactions(chunk.aborted);
    for (const batch of batchesIn(Buffer.from(chunk.records))) {
      next = batch.nextOffset;
      if (aborted.covers(batch) || batch.isControl) continue;
      for (const { offsetDelta, timestampMs, key, value } of decodeRecords(batch))
        records.push({ offset: batch.baseOffset + BigInt(offsetDelta), timestampMs, key, value });
    }
    chunk.release();
  }
  reader.close();
  return records;
}

/** Waits until it holds. */
export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const endMs = deps.clock.monotonicMs() + WAIT_MS;
  while (!(await holds())) {
    if (deps.clock.monotonicMs() > endMs) throw new Error(`did not happen: ${what}`);
    await new Promise<void>((resolve) => deps.clock.after(WAIT_POLL_MS, resolve));
  }
}
