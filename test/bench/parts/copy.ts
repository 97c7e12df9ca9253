/** A topic filled in one embedded region and copied to another by a flow in this process. */

import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { openKafkaProgress } from "../../../src/adapters/kafka-progress.ts";
import { KafkaSource } from "../../../src/adapters/kafka-source.ts";
import { KafkaTarget } from "../../../src/adapters/kafka-target.ts";
import { nodeClock } from "../../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../../src/adapters/node-network.ts";
import { nodeRandom } from "../../../src/adapters/node-random.ts";
import { createTopics } from "../../../src/client/admin.ts";
import { KafkaClient } from "../../../src/client/kafka-client.ts";
import { produceTo } from "../../../src/client/produce.ts";
import { ZERO_UUID } from "../../../src/core/brand.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import type { Endpoint, Network } from "../../../src/core/network.ts";
import { Flow } from "../../../src/mirror/flow.ts";
import { namingOf } from "../../../src/mirror/naming.ts";
import { compilePattern, type Pattern } from "../../../src/topology/patterns.ts";
import { encodeBatch } from "../../../src/wire/records.ts";

const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
const PRODUCE_BATCHES = 64;
const COPY_MS_MAX = 120_000;

/** What the topic holds. */
export interface Shape {
  readonly recordBytes: number;
  readonly batchBytes: number;
  readonly partitions: number;
  readonly totalBytes: number;
}

/** Where a side is, and over which network. */
export interface Side {
  readonly bootstrap: readonly Endpoint[];
  /** Default: this machine's. */
  readonly network?: Network;
}

/** Starts a region as a process of its own, which ends with its channel. */
export async function startRegion(
  children: ChildProcess[],
  directory: string,
  clusterId: string,
): Promise<readonly Endpoint[]> {
  const child = fork(join(import.meta.dirname, "region.ts"), [directory, clusterId]);
  children.push(child);
  const { endpoints } = await message<{ readonly endpoints: readonly Endpoint[] }>(child, "endpoints");
  return endpoints;
}

/** Writes the topic in batches of the shape; the number of records. */
export async function fill(bootstrap: readonly Endpoint[], shape: Shape): Promise<bigint> {
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

/** How a copy went. */
export interface Copied {
  /** Until the first records were acknowledged: connections, discovery, takeover. */
  readonly startSeconds: number;
  /** Records that were acknowledged after that, per second. */
  readonly recordsPerSecond: number;
}

/** Copies so many records, exactly once; resolves when all are acknowledged. */
export async function copy(source: Side, target: Side, records: bigint): Promise<Copied> {
  const startMs = performance.now();
  await using sourceClient = await openClient(source);
  await using targetClient = await openClient(target);
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
  let first: { readonly records: bigint; readonly atMs: number } | undefined;
  for (;;) {
    const copied = flow.status.lanes.reduce((sum, lane) => sum + (lane.count ?? 0n), 0n);
    const nowMs = performance.now();
    if (copied > 0n) first ??= { records: copied, atMs: nowMs };
    if (copied >= records && first !== undefined) {
      const startSeconds = (first.atMs - startMs) / 1_000;
      return { startSeconds, recordsPerSecond: (Number(copied - first.records) * 1_000) / (nowMs - first.atMs) };
    }
    if (nowMs - startMs > COPY_MS_MAX)
      throw new Error(`only ${copied} of ${records} records were copied: ${JSON.stringify(flow.status.troubles)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function openClient({ bootstrap, network = deps.network }: Side): Promise<KafkaClient> {
  return KafkaClient.open({ bootstrap, clientId: "mirror" }, { ...deps, network });
}

/** The first message of a child that has the field. */
export function message<T>(child: ChildProcess, field: string): Promise<T> {
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
