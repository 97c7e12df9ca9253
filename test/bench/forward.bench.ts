/** The mirror's forward path, whole: fetch from a region, plan, stamp, produce to another one, exactly once, beside a plain
 *  TCP relay of as many bytes in the same process. Regions, sender and sink are processes of their own, so the CPU counted
 *  is the mirror's alone. */

import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openKafkaProgress } from "../../src/adapters/kafka-progress.ts";
import { KafkaSource } from "../../src/adapters/kafka-source.ts";
import { KafkaTarget } from "../../src/adapters/kafka-target.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { createTopics } from "../../src/client/admin.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { produceTo } from "../../src/client/produce.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { Endpoint } from "../../src/core/network.ts";
import { Flow } from "../../src/mirror/flow.ts";
import { namingOf } from "../../src/mirror/naming.ts";
import { compilePattern, type Pattern } from "../../src/topology/patterns.ts";
import { encodeBatch } from "../../src/wire/records.ts";
import { type Cost, costOf, median, printRows, type Row } from "./measure.ts";

const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
const ROUNDS = 3;
const PRODUCE_BATCHES = 64;

interface Shape {
  readonly name: string;
  readonly recordBytes: number;
  readonly batchBytes: number;
  readonly partitions: number;
  readonly totalBytes: number;
  readonly budget?: string;
}

const MIB = 1024 * 1024;
const SHAPES: readonly Shape[] = [
  {
    name: "1 KiB records, 16 KiB batches, 1 partition",
    recordBytes: 1_024,
    batchBytes: 16 * 1024,
    partitions: 1,
    totalBytes: 256 * MIB,
    budget: "<= 1.2 CPU s/GB",
  },
  {
    name: "1 KiB records, 16 KiB batches, 24 partitions",
    recordBytes: 1_024,
    batchBytes: 16 * 1024,
    partitions: 24,
    totalBytes: 256 * MIB,
    budget: "<= 1.2 CPU s/GB",
  },
  {
    name: "1 KiB records, 64 KiB batches, 24 partitions",
    recordBytes: 1_024,
    batchBytes: 64 * 1024,
    partitions: 24,
    totalBytes: 384 * MIB,
    budget: "<= 1.5x relay",
  },
  {
    name: "100 B records, 16 KiB batches, 24 partitions",
    recordBytes: 100,
    batchBytes: 16 * 1024,
    partitions: 24,
    totalBytes: 256 * MIB,
    budget: "<= 1.5 CPU s/GB",
  },
];

/** Prints GB/s and CPU seconds per GB for each shape. */
export async function benchForward(): Promise<void> {
  const rows: Row[] = [];
  for (const shape of SHAPES) {
    const mirrored: Cost[] = [];
    const relayed: Cost[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      mirrored.push(await mirrorOnce(shape));
      relayed.push(await relayOnce(shape.totalBytes));
    }
    const gigabytes = shape.totalBytes / 1e9;
    const rate = (costs: readonly Cost[]): number => gigabytes / median(costs.map((cost) => cost.wallSeconds));
    const cpu = (costs: readonly Cost[]): number => median(costs.map((cost) => cost.cpuSeconds)) / gigabytes;
    rows.push({
      what: `${shape.name}: rate`,
      value: rate(mirrored),
      unit: "GB/s",
      peer: { name: "relay", value: rate(relayed) },
    });
    rows.push({
      what: `${shape.name}: CPU`,
      value: cpu(mirrored),
      unit: "CPU s/GB",
      peer: { name: "relay", value: cpu(relayed) },
      ...(shape.budget === undefined ? {} : { budget: shape.budget }),
    });
  }
  printRows("Forward path, exactly once, embedded regions as source and target", rows);
}

async function mirrorOnce(shape: Shape): Promise<Cost> {
  const directory = mkdtempSync(join(tmpdir(), "tributary-bench-"));
  const children: ChildProcess[] = [];
  try {
    const source = await startRegion(children, join(directory, "source"), "source");
    const target = await startRegion(children, join(directory, "target"), "target");
    const records = await fill(source, shape);
    return await costOf(() => copy(source, target, records));
  } finally {
    for (const child of children) child.disconnect();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function startRegion(
  children: ChildProcess[],
  directory: string,
  clusterId: string,
): Promise<readonly Endpoint[]> {
  const child = fork(join(import.meta.dirname, "parts/region.ts"), [directory, clusterId]);
  children.push(child);
  const { endpoints } = await message<{ readonly endpoints: readonly Endpoint[] }>(child, "endpoints");
  return endpoints;
}

/** Writes the topic in batches of the shape; the number of records. */
async function fill(bootstrap: readonly Endpoint[], shape: Shape): Promise<bigint> {
  await using client = await KafkaClient.open({ bootstrap, clientId: "fill" }, deps);
  await createTopics(client, [{ name: "t", partitions: shape.partitions, replicationFactor: 1 }]);
  await client.metadata.refresh("fill", { all: true });
  const perBatch = Math.max(1, Math.floor(shape.batchBytes / (shape.recordBytes + 12)));
  const nowMs = BigInt(Date.now());
  const value = Buffer.alloc(shape.recordBytes, "tributary ");
  const batch = encodeBatch(Array.from({ length: perBatch }, () => ({ timestampMs: nowMs, key: null, value }))).bytes;
  const batches = Math.ceil(shape.totalBytes / batch.length);
  const waiting = new Set<Promise<unknown>>();
  for (let i = 0; i < batches; i++) {
    const partition = { topic: "t", topicId: ZERO_UUID, index: i % shape.partitions, records: Buffer.from(batch) };
    const sent = produceTo(client, 1, { partitions: [partition], acks: 1 }).finally(() => waiting.delete(sent));
    waiting.add(sent);
    if (waiting.size >= PRODUCE_BATCHES) await Promise.race(waiting);
  }
  await Promise.all(waiting);
  return BigInt(batches * perBatch);
}

async function copy(source: readonly Endpoint[], target: readonly Endpoint[], records: bigint): Promise<void> {
  await using sourceClient = await KafkaClient.open({ bootstrap: source, clientId: "mirror" }, deps);
  await using targetClient = await KafkaClient.open({ bootstrap: target, clientId: "mirror" }, deps);
  await using progress = await openKafkaProgress({}, { ...deps, client: targetClient });
  await using flow = Flow.open(
    {
      name: "bench",
      topics: { include: [pattern("t")], exclude: [] },
      naming: namingOf("{source}.{topic}", { source: "source", target: "target", mirror: "bench" }),
      delivery: "exactly-once",
      start: "earliest",
      onGap: "stop",
      onRecreate: "stop",
      provenance: "local",
    },
    {
      ...deps,
      source: new KafkaSource({}, { ...deps, client: sourceClient }),
      target: new KafkaTarget({ ...deps, client: targetClient }),
      progress,
    },
  );
  const endMs = performance.now() + 120_000;
  for (;;) {
    const copied = flow.status.lanes.reduce((sum, lane) => sum + (lane.count ?? 0n), 0n);
    if (copied >= records) return;
    if (performance.now() > endMs)
      throw new Error(`only ${copied} of ${records} records were copied: ${JSON.stringify(flow.status.troubles)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function relayOnce(bytes: number): Promise<Cost> {
  const child = fork(join(import.meta.dirname, "parts/flood.ts"), [String(bytes)]);
  try {
    const { ports } = await message<{ readonly ports: readonly [number, number] }>(child, "ports");
    return await costOf(async () => {
      const done = message(child, "done");
      const from = connect({ host: "127.0.0.1", port: ports[0] });
      const to = connect({ host: "127.0.0.1", port: ports[1] });
      from.pipe(to);
      await done;
    });
  } finally {
    child.disconnect();
  }
}

function message<T>(child: ChildProcess, field: string): Promise<T> {
  return new Promise((resolve, reject) => {
    child.on("message", (received) => {
      if (typeof received === "object" && received !== null && field in received) resolve(received as T);
    });
    child.once("exit", (code) => reject(new Error(`a part of the benchmark ended with ${code}`)));
  });
}

function pattern(text: string): Pattern {
  const compiled = compilePattern(text);
  if ("problem" in compiled) throw new Error(compiled.problem);
  return compiled;
}
