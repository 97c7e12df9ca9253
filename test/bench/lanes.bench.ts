/** Many lanes on one worker: memory, time to start, CPU while nothing happens, and every record where it belongs. Regions are
 *  processes of their own; the worker is started as a user would. Exits with 1 when a budget is missed. */

import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { createTopics } from "../../src/client/admin.ts";
import { fetchFrom } from "../../src/client/fetch.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { produceTo } from "../../src/client/produce.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { Endpoint } from "../../src/core/network.ts";
import { batchesIn } from "../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../src/wire/records.ts";
import { printRows } from "./measure.ts";
import { buildPackage, WorkerProcess } from "./parts/worker.ts";

const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
const PARTITIONS_PER_TOPIC = 100;
const RECORDS_PER_BATCH = 3;
/** Partitions in one request of the load and of the check. */
const PARTITIONS_PER_REQUEST = 500;
/** The worker settles before it is measured: maps are stored, garbage of the start is collected. */
const SETTLE_MS = 15_000;
const IDLE_MS = 20_000;
const COPIED_MS_MAX = 180_000;

/** What a size of worker may cost. */
interface Budget {
  readonly rssMib: number;
  readonly startSeconds: number;
  readonly idleCpuPercent: number;
}

interface Size {
  readonly lanes: number;
  /** Undefined: measured, and only correctness is required. */
  readonly budget?: Budget;
}

const SIZES: readonly Size[] = [
  { lanes: 1_000, budget: { rssMib: 150, startSeconds: 5, idleCpuPercent: 2 } },
  { lanes: 10_000 },
];

/** Measures one size after the other; `TRIBUTARY_BENCH_LANES` names others, comma-separated. */
export async function benchLanes(): Promise<void> {
  const wanted = process.env["TRIBUTARY_BENCH_LANES"]?.split(",").map(Number);
  const sizes = wanted?.map((lanes) => SIZES.find((size) => size.lanes === lanes) ?? { lanes }) ?? SIZES;
  buildPackage();
  for (const size of sizes) await benchSize(size);
}

async function benchSize({ lanes, budget }: Size): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "tributary-lanes-"));
  const children: ChildProcess[] = [];
  try {
    const source = await startRegion(children, join(directory, "source"), "source");
    const target = await startRegion(children, join(directory, "target"), "target");
    await using client = await KafkaClient.open({ bootstrap: source, clientId: "load" }, deps);
    await using reader = await KafkaClient.open({ bootstrap: target, clientId: "check" }, deps);
    const topics = await createAll(client, lanes);
    await writeAll(client, topics, 0);
    const measured = await measure({ directory, source, target }, { client, reader, topics, lanes });
    report(lanes, measured, budget);
  } finally {
    for (const child of children) child.disconnect();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface Measured {
  readonly startSeconds: number;
  readonly rssMib: number;
  readonly idleCpuPercent: number;
  readonly catchUpSeconds: number;
}

interface Sides {
  readonly directory: string;
  readonly source: readonly Endpoint[];
  readonly target: readonly Endpoint[];
}

interface Load {
  readonly client: KafkaClient;
  readonly reader: KafkaClient;
  readonly topics: readonly string[];
  readonly lanes: number;
}

async function measure({ directory, source, target }: Sides, load: Load): Promise<Measured> {
  const { client, reader, topics, lanes } = load;
  const execArgv = (process.env["TRIBUTARY_BENCH_NODE_ARGS"] ?? "").split(" ").filter((text) => text !== "");
  const startedMs = performance.now();
  await using worker = WorkerProcess.start(join(directory, "worker"), { source, target }, execArgv);
  await copied(worker, lanes * RECORDS_PER_BATCH, lanes);
  const startSeconds = (performance.now() - startedMs) / 1_000;
  await pause(SETTLE_MS);
  const cpuBefore = worker.cpuSeconds;
  const idleSinceMs = performance.now();
  await pause(IDLE_MS);
  const idleCpuPercent = ((worker.cpuSeconds - cpuBefore) / (performance.now() - idleSinceMs)) * 100_000;
  const rssMib = worker.rssBytes / 2 ** 20;
  const wroteMs = performance.now();
  await writeAll(client, topics, 1);
  await copied(worker, lanes * RECORDS_PER_BATCH * 2, lanes);
  const catchUpSeconds = (performance.now() - wroteMs) / 1_000;
  await checkAll(reader, topics);
  return { startSeconds, rssMib, idleCpuPercent, catchUpSeconds };
}

/** Waits until every lane copies and all of them together have carried that many records. */
async function copied(worker: WorkerProcess, records: number, lanes: number): Promise<void> {
  const endMs = performance.now() + COPIED_MS_MAX;
  for (;;) {
    const all = (await worker.status())?.flows.flatMap((flow) => flow.lanes) ?? [];
    const carried = all.reduce((sum, lane) => sum + (lane.records ?? 0), 0);
    if (all.length === lanes && carried === records && all.every(({ state }) => state === "copying")) return;
    if (performance.now() > endMs) throw new Error(`only ${carried} of ${records} records by ${all.length} lanes`);
    await pause(Math.max(100, lanes / 10));
  }
}

/** One budget per line, and the process's exit code. */
function report(lanes: number, measured: Measured, budget: Budget | undefined): void {
  const row = (what: string, value: number, unit: string, max: number | undefined) => {
    if (max !== undefined && value > max) process.exitCode = 1;
    const verdict = max === undefined ? {} : { budget: `<= ${max} ${value > max ? "MISSED" : "kept"}` };
    return { what, value, unit, ...verdict };
  };
  printRows(`${lanes} lanes on one worker, embedded regions`, [
    row("from start until all have copied", measured.startSeconds, "s", budget?.startSeconds),
    row("memory (RSS) after start, idle", measured.rssMib, "MiB", budget?.rssMib),
    row("CPU while idle", measured.idleCpuPercent, "% of a core", budget?.idleCpuPercent),
    row("one batch more for each lane, written and copied", measured.catchUpSeconds, "s", undefined),
  ]);
}

async function startRegion(children: ChildProcess[], directory: string, clusterId: string) {
  const child = fork(join(import.meta.dirname, "parts/region.ts"), [directory, clusterId]);
  children.push(child);
  return new Promise<readonly Endpoint[]>((resolve, reject) => {
    child.once("message", (message: { readonly endpoints: readonly Endpoint[] }) => resolve(message.endpoints));
    child.once("exit", (code) => reject(new Error(`a region of the benchmark ended with ${code}`)));
  });
}

async function createAll(client: KafkaClient, lanes: number): Promise<readonly string[]> {
  const topics = Array.from({ length: Math.ceil(lanes / PARTITIONS_PER_TOPIC) }, (_, i) => `t${i}`);
  const specs = topics.map((name) => ({ name, partitions: PARTITIONS_PER_TOPIC, replicationFactor: 1 }));
  await createTopics(client, specs, { timeoutMs: COPIED_MS_MAX });
  await client.metadata.refresh("bench", { all: true });
  return topics;
}

interface Place {
  readonly topic: string;
  readonly index: number;
}

function groupsOf(topics: readonly string[]): readonly (readonly Place[])[] {
  const all = topics.flatMap((topic) =>
    Array.from({ length: PARTITIONS_PER_TOPIC }, (_, index): Place => ({ topic, index })),
  );
  const count = Math.ceil(all.length / PARTITIONS_PER_REQUEST);
  return Array.from({ length: count }, (_, i) =>
    all.slice(i * PARTITIONS_PER_REQUEST, (i + 1) * PARTITIONS_PER_REQUEST),
  );
}

/** One batch for each partition, with records that tell where they belong. */
async function writeAll(client: KafkaClient, topics: readonly string[], round: number): Promise<void> {
  for (const group of groupsOf(topics)) {
    const partitions = group.map(({ topic, index }) => ({
      topic,
      index,
      topicId: idOf(client, topic),
      records: encodeBatch(recordsOf({ topic, index }, round)).bytes,
    }));
    const outcomes = await produceTo(client, 1, { partitions, acks: 1 });
    const refused = outcomes.find(({ errorCode }) => errorCode !== 0);
    if (refused !== undefined) throw new Error(`write refused: ${refused.topic}-${refused.index} ${refused.errorCode}`);
  }
}

function recordsOf({ topic, index }: Place, round: number) {
  return Array.from({ length: RECORDS_PER_BATCH }, (_, i) => ({
    timestampMs: BigInt(Date.now()),
    key: Buffer.from(`${topic}-${index}`),
    value: Buffer.from(`${round * RECORDS_PER_BATCH + i}`),
  }));
}

/** Every partition of the target holds its own records, once each and in order. */
async function checkAll(client: KafkaClient, topics: readonly string[]): Promise<void> {
  await client.metadata.refresh("bench", { all: true });
  for (const group of groupsOf(topics)) {
    const partitions = group.map(({ topic, index }) => {
      const at = { topic, index, topicId: idOf(client, topic) };
      return { ...at, fetchOffset: 0n, lastFetchedEpoch: -1, currentLeaderEpoch: -1, maxBytes: 16 * 1024 };
    });
    const limits = { maxWaitMs: 100, minBytes: 1, maxBytes: 32 * 1024 * 1024, isolation: "read_committed" } as const;
    for (const fetched of await fetchFrom(client, 1, { partitions, ...limits })) {
      const records = [...batchesIn(fetched.records)].flatMap((batch) => [...decodeRecords(batch)]);
      const found = records.map(({ key, value }) => `${key?.toString()}:${value?.toString()}`).join(" ");
      const at = `${fetched.topic}-${fetched.index}`;
      const wanted = Array.from({ length: 2 * RECORDS_PER_BATCH }, (_, i) => `${at}:${i}`).join(" ");
      if (found !== wanted) throw new Error(`partition ${at} holds "${found}" instead of "${wanted}"`);
    }
  }
}

function idOf(client: KafkaClient, topic: string) {
  const id = client.metadata.topic(topic)?.topicId;
  if (id === undefined) throw new Error(`topic ${topic} is not there`);
  return id;
}

function pause(forMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, forMs));
}
