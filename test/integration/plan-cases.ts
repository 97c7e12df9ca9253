/** Sources of every kind, between any two clusters: what a lane makes of their batches, and that offsets stay exact. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Kafka, logLevel } from "kafkajs";
import { alterConfigs } from "../../src/client/configs.ts";
import { logBounds } from "../../src/client/list-offsets.ts";
import { namingOf } from "../../src/mirror/naming.ts";
import type { LaneStatus } from "../../src/mirror/status.ts";
import { encodeBatch, type RecordInput } from "../../src/wire/records.ts";
import { contents, eventually, type MirrorWorker, type MirrorWorld, type Side, selection } from "./mirror-world.ts";

/** Two clusters, which may be the same one. */
export interface PlanPair {
  readonly world: MirrorWorld;
  readonly source: Side;
  readonly target: Side;
}

/** A kind of source. */
export interface PlanCase {
  readonly name: string;
  /** The source has to clean its logs within seconds. */
  readonly needsCompaction?: true;
  readonly run: (pair: PlanPair, topic: string) => Promise<void>;
}

/** Names of copies begin so. */
const PREFIX = "copy.";
const NAMING = namingOf(`${PREFIX}{topic}`, { source: "west", target: "central", mirror: "test" });
const MIB = 1024 * 1024;

function copyOf(topic: string): string {
  return `${PREFIX}${topic}`;
}

function worker({ world, source, target }: PlanPair, topic: string, options: object = {}): Promise<MirrorWorker> {
  return world.worker(source, target, { topics: selection(topic), naming: NAMING, ...options });
}

function laneOf({ flow }: MirrorWorker): LaneStatus | undefined {
  return flow.status.lanes[0];
}

/** Waits until the lane is at the source's present end, then compares the copy and translates every offset. */
async function exactCopy(
  { world, source, target }: PlanPair,
  topic: string,
  running: MirrorWorker,
): Promise<LaneStatus> {
  const [bounds] = await logBounds(source.client, [{ topic, index: 0 }], { isolation: "read_committed" });
  const isDone = (): boolean => (laneOf(running)?.sourceNext ?? 0n) >= (bounds?.endOffset ?? 0n);
  await eventually(isDone, `${topic} is copied`, 60_000);
  const [read, copied] = [await world.read(source, topic, 0), await world.read(target, copyOf(topic), 0)];
  assert.ok(read.length > 0);
  assert.deepEqual(contents(copied), contents(read));
  const map = running.flow.directory.find(topic, 0)?.map;
  for (const [at, { offset }] of read.entries())
    assert.equal(map?.translate(offset).targetOffset, copied[at]?.offset, `offset ${offset} of ${topic}`);
  return laneOf(running) ?? assert.fail("no lane");
}

function keyed(key: string, value: string | null): RecordInput {
  return { timestampMs: BigInt(Date.now()), key: Buffer.from(key), value: value === null ? null : Buffer.from(value) };
}

const tiny: PlanCase = {
  name: "tiny batches of one record go on one by one",
  run: async (pair, topic) => {
    await pair.world.topic(pair.source, topic, 1);
    for (let i = 0; i < 300; i++) await pair.world.produce(pair.source, topic, 0, 1);
    const lane = await exactCopy(pair, topic, await worker(pair, topic));
    assert.equal(lane.counts.asIsBatches + lane.counts.mergedBatches, 300);
  },
};

const huge: PlanCase = {
  name: "huge records of 10 MiB go on as they are",
  run: async (pair, topic) => {
    const { world, source, target } = pair;
    const configs = { "max.message.bytes": String(12 * MIB) };
    await world.topic(source, topic, 1, configs);
    await world.topic(target, copyOf(topic), 1, configs);
    for (const codec of [0, 4] as const) {
      const record = { timestampMs: BigInt(Date.now()), key: null, value: randomBytes(10 * MIB) };
      await world.append(source, { topic, index: 0 }, encodeBatch([record], { codec }));
      await world.produce(source, topic, 0, 3);
    }
    const lane = await exactCopy(pair, topic, await worker(pair, topic));
    assert.equal(lane.counts.asIsBatches, 4);
  },
};

const oversize: PlanCase = {
  name: "batches over the target's limit are split, and a record over it stops the lane until the limit is raised",
  run: async (pair, topic) => {
    const { world, source, target } = pair;
    await world.topic(source, topic, 1);
    await world.topic(target, copyOf(topic), 1, { "max.message.bytes": "20000" });
    const records = (count: number, bytes: number): RecordInput[] =>
      Array.from({ length: count }, () => ({ timestampMs: BigInt(Date.now()), key: null, value: randomBytes(bytes) }));
    for (const codec of [0, 3] as const)
      await world.append(source, { topic, index: 0 }, encodeBatch(records(50, 2_000), { codec }));
    const running = await worker(pair, topic);
    const lane = await exactCopy(pair, topic, running);
    assert.equal(lane.counts.rewrittenBatches["too-large"], 2);
    await world.append(source, { topic, index: 0 }, encodeBatch(records(1, 30_000)));
    await eventually(() => laneOf(running)?.reason?.code === "TARGET_REFUSED", "the lane says so");
    await alterConfigs(
      target.client,
      { type: "topic", name: copyOf(topic) },
      { changes: [{ name: "max.message.bytes", value: "100000" }] },
    );
    await exactCopy(pair, topic, running);
  },
};

const appendTime: PlanCase = {
  name: "append times that consumers of the source see stay, in every codec",
  run: async (pair, topic) => {
    const { world, source } = pair;
    await world.topic(source, topic, 1, { "message.timestamp.type": "LogAppendTime" });
    const longAgoMs = Date.now() - 3_600_000;
    for (const codec of [0, 1, 2, 3, 4] as const) await world.produce(source, topic, 0, 4, { codec }, longAgoMs);
    const lane = await exactCopy(pair, topic, await worker(pair, topic));
    assert.equal(lane.counts.rewrittenBatches["append-time"], 5);
    for (const { timestampMs } of await world.read(source, topic, 0))
      assert.ok(timestampMs > BigInt(longAgoMs + 60_000));
  },
};

const transactions: PlanCase = {
  name: "committed transactions are copied, aborted ones and markers are holes",
  run: async (pair, topic) => {
    const { world, source } = pair;
    await world.topic(source, topic, 1);
    const brokers = [...source.region.endpoints.values()].map(({ host, port }) => `${host}:${port}`);
    const kafka = new Kafka({ brokers, clientId: "plans", logLevel: logLevel.NOTHING });
    const producer = kafka.producer({ transactionalId: `plans-${topic}`, maxInFlightRequests: 1, idempotent: true });
    await producer.connect();
    for (let i = 0; i < 12; i++) {
      const transaction = await producer.transaction();
      const messages = [0, 1, 2].map((at) => ({ key: `k${i}`, value: `${i} ${at}`, partition: 0 }));
      await transaction.send({ topic, messages });
      await (i % 3 === 1 ? transaction.abort() : transaction.commit());
      if (i % 4 === 0) await world.produce(source, topic, 0, 2);
    }
    await producer.disconnect();
    const lane = await exactCopy(pair, topic, await worker(pair, topic));
    assert.deepEqual([lane.counts.skippedBatches.control, lane.counts.skippedBatches.aborted], [12, 4]);
    assert.deepEqual(lane.counts.skippedRecords, { aborted: 12, loop: 0 });
  },
};

const compacted: PlanCase = {
  name: "compacted logs with gaps and tombstones with a horizon are copied exactly to a compacted topic",
  needsCompaction: true,
  run: async (pair, topic) => {
    const { world, source, target } = pair;
    const configs = { "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "segment.ms": "200" };
    await world.topic(source, topic, 1, configs);
    await world.topic(target, copyOf(topic), 1, { "cleanup.policy": "compact" });
    const before = 10 * 12;
    for (let round = 0; round < 10; round++) {
      const records = Array.from({ length: 12 }, (_, at) => {
        const key = `k${(round * 5 + at) % 30}`;
        return keyed(key, at === 7 ? null : `${round} ${at}`);
      });
      await world.append(source, { topic, index: 0 }, encodeBatch(records, { codec: round % 2 === 0 ? 0 : 4 }));
    }
    // The segment that is written to is never cleaned: a record after `segment.ms` closes the one before.
    const isCleaned = async (): Promise<boolean> => {
      await world.append(source, { topic, index: 0 }, encodeBatch([keyed("closes a segment", "x")]));
      const records = await world.read(source, topic, 0);
      return records.filter(({ offset }) => offset < before).length < before / 2;
    };
    await eventually(isCleaned, "the source is cleaned", 60_000);
    const { counts } = await exactCopy(pair, topic, await worker(pair, topic));
    assert.ok(counts.rewrittenBatches["offset-gaps"] + counts.rewrittenBatches["delete-horizon"] > 0);
  },
};

const keyless: PlanCase = {
  name: "records without a key stop a lane to a compacted topic with the reason, and the filter leaves them out",
  run: async (pair, topic) => {
    const { world, source, target } = pair;
    await world.topic(source, topic, 1);
    await world.topic(target, copyOf(topic), 1, { "cleanup.policy": "compact" });
    const at = { topic, index: 0 };
    await world.append(source, at, encodeBatch([keyed("a", "1"), keyed("b", "2")]));
    await world.append(source, at, encodeBatch([{ ...keyed("", "3"), key: null }, keyed("c", "4")]));
    const first = await worker(pair, topic);
    await eventually(() => laneOf(first)?.reason?.code === "TARGET_KEYLESS", "the lane says so");
    await first.stop();
    await worker(pair, topic, { filter: { skipKeyless: true } });
    const values = async () => (await world.read(target, copyOf(topic), 0)).map(({ value }) => value);
    await eventually(async () => (await values()).length === 3, "the rest is copied", 60_000);
    assert.deepEqual(await values(), ["1", "2", "4"]);
  },
};

const filtered: PlanCase = {
  name: "a filter changes while a worker with the old one goes on, and every record is there as one of them says",
  run: async (pair, topic) => {
    const { world, source, target } = pair;
    await world.topic(source, topic, 1);
    const at = { topic, index: 0 };
    const append = async (round: number): Promise<void> => {
      await world.append(source, at, encodeBatch([keyed("in", `${round} in`), keyed("out", `${round} out`)]));
    };
    for (let round = 0; round < 20; round++) await append(round);
    const old = await worker(pair, topic);
    await exactCopy(pair, topic, old);
    await worker(pair, topic, { filter: { keys: { include: ["in"], exclude: [] } } });
    let rounds = 20;
    const isOldStopped = async (): Promise<boolean> => {
      await append(rounds++);
      return laneOf(old)?.reason?.code === "LANE_RULES_CHANGED";
    };
    await eventually(isOldStopped, "the old worker stops", 60_000);
    const last = `${rounds} in`;
    await append(rounds++);
    const ins = async () => (await world.read(target, copyOf(topic), 0)).map(({ value }) => value ?? "");
    await eventually(async () => (await ins()).includes(last), "the last record is there", 60_000);
    const values = await ins();
    const expected = Array.from({ length: rounds }, (_, round) => [`${round} in`, `${round} out`]).flat();
    const lastOut = expected.indexOf(values.findLast((value) => value.endsWith("out")) ?? "");
    assert.deepEqual(
      values,
      expected.filter((value, at) => value.endsWith("in") || at <= lastOut),
      "all before the change, and the chosen ones after it",
    );
  },
};

/** All of them. */
export const PLAN_CASES: readonly PlanCase[] = [
  tiny,
  huge,
  oversize,
  appendTime,
  transactions,
  compacted,
  keyless,
  filtered,
];
