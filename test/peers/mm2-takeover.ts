/** A mirror goes on where MirrorMaker 2 was killed: record for record what the source holds, no gap and no repeat. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { hasFaultCode } from "../../src/core/errors.ts";
import { type LaneAdoption, storeAdoption, surveyAdoption } from "../../src/runtime/adoption.ts";
import type { MirrorWorker } from "../../src/runtime/worker.ts";
import { flowsOf } from "../../src/topology/model.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";
import { MirrorMaker } from "./mirror-maker.ts";
import { endsOf, Mm2World, makeTopic, produceNumbers, recordsOf, type SeenRecord, until } from "./mm2-world.ts";

const skip = apacheKafkaMissing() ?? false;
const timeout = 300_000;
const TOPIC = "orders";
const COPY = "east.orders";
/** The last one gets no records while MirrorMaker runs for the second time. */
const PARTITIONS = [0, 1, 2];
const BUSY = [0, 1];
const BATCHES = 80;
const BATCH_RECORDS = 250;
const MIRROR = `    topics: {include: [${TOPIC}]}\n    rename: "{source}.{topic}"\n    compat: mm2`;

/** How MirrorMaker is run, and what its end leaves to be found out. */
interface Variant {
  readonly name: string;
  readonly properties: Readonly<Record<string, string>>;
  /** Whether it is run and stopped in order before. */
  readonly stopsFirst: boolean;
  readonly evidence: readonly string[];
}

const VARIANTS: readonly Variant[] = [
  {
    name: "MirrorMaker",
    // Positions are stored at the end only, which a kill prevents.
    properties: { "offset.flush.interval.ms": "3600000", "hub->east.emit.heartbeats.enabled": "true" },
    stopsFirst: true,
    // Now and then it stores one all the same, when it finds a topic and deals its work out anew.
    evidence: ["beyond-position", "at-position"],
  },
  {
    name: "MirrorMaker with exactly once",
    properties: {
      "hub.exactly.once.source.support": "enabled",
      // The kill leaves a transaction open; by default it would take a minute until the broker ends it.
      "hub.producer.transaction.timeout.ms": "5000",
      "dedicated.mode.enable.internal.rest": "true",
      listeners: "http://127.0.0.1:0",
    },
    stopsFirst: false,
    evidence: ["at-position"],
  },
];

async function startMirrorMaker(world: Mm2World, { properties }: Variant): Promise<MirrorMaker> {
  return MirrorMaker.start({
    source: { alias: "east", bootstrap: world.east.kafka.bootstrap },
    target: { alias: "hub", bootstrap: world.hub.kafka.bootstrap },
    properties: { topics: TOPIC, ...properties },
  });
}

/** Counts up over the life of a world, so that every record is another. */
function producer(world: Mm2World) {
  let next = 0;
  return async (partitions: readonly number[], count: number): Promise<void> => {
    for (const index of partitions) {
      const numbers = Array.from({ length: count }, () => next++);
      await produceNumbers(world.east, { topic: TOPIC, index }, numbers);
    }
  };
}

async function copiedCount(world: Mm2World): Promise<number> {
  const copies = await Promise.all(PARTITIONS.map((partition) => recordsOf(world.hub, COPY, partition)));
  return copies.reduce((sum, copy) => sum + copy.length, 0);
}

/** Whether the copy has so many records; counts them only once its ends allow it. */
async function holds(world: Mm2World, records: number): Promise<boolean> {
  return (await endsOf(world.hub, COPY, PARTITIONS)) >= records && (await copiedCount(world)) === records;
}

/** Lets MirrorMaker copy some records and stop in order, then kills it while it copies more. */
async function runMirrorMaker(world: Mm2World, variant: Variant): Promise<void> {
  const produce = producer(world);
  await makeTopic(world.east, TOPIC, PARTITIONS.length);
  await produce(PARTITIONS, 100);
  if (variant.stopsFirst) {
    await using first = await startMirrorMaker(world, variant);
    await until("MirrorMaker copies", () => holds(world, 300));
    await first.stop();
  }
  await using mirrorMaker = await startMirrorMaker(world, variant);
  await produce(BUSY, 1);
  await until("MirrorMaker goes on", () => holds(world, 302));
  for (let batch = 0; batch < BATCHES; batch++) {
    await produce(BUSY, BATCH_RECORDS);
    if (batch === BATCHES / 2) await mirrorMaker.stop("kill");
  }
  await produce([2], 10);
}

/** Why each lane of the topic stands still. */
function reasonsOf(worker: MirrorWorker): readonly (string | null)[] {
  const lanes = worker.status.flows.flatMap((flow) => flow.lanes);
  return lanes.filter(({ sourceTopic }) => sourceTopic === TOPIC).map(({ reasonCode }) => reasonCode);
}

/** Once Connect has noticed that its worker is gone. */
async function survey(inUse: ReturnType<Mm2World["topology"]>): Promise<readonly LaneAdoption[]> {
  const [flow] = flowsOf(inUse.topology);
  assert.ok(flow !== undefined);
  let lanes: readonly LaneAdoption[] = [];
  await until("MirrorMaker's group is empty and its transaction over", async () => {
    try {
      lanes = await surveyAdoption(inUse, flow, { chosen: new Map() });
      return !lanes.some(({ finding }) => finding.kind === "unclear" && finding.why === "open-transaction");
    } catch (error) {
      assert.ok(hasFaultCode(error, "MIRROR_MAKER_RUNS"), String(error));
      return false;
    }
  });
  return lanes;
}

function contents(records: readonly SeenRecord[]): readonly string[] {
  return records.map(({ timestampMs, key, value }) => `${timestampMs} ${key} ${value}`);
}

/** Behind what MirrorMaker left, which it may have copied twice when it was stopped, come exactly the beats after its last. */
async function checkHeartbeats(world: Mm2World, left: readonly string[]): Promise<void> {
  const copy = contents(await recordsOf(world.hub, "east.heartbeats", 0));
  const origin = contents(await recordsOf(world.east, "heartbeats", 0));
  const after = origin.slice(origin.lastIndexOf(left.at(-1) ?? "") + 1);
  assert.deepEqual(copy, [...left, ...after].slice(0, copy.length), "heartbeats");
}

for (const variant of VARIANTS)
  test(`a mirror takes over from ${variant.name} without a gap or a repeat`, { skip, timeout }, async (t) => {
    await using world = await Mm2World.open();
    await runMirrorMaker(world, variant);
    const before = await copiedCount(world);
    const inUse = world.topology(MIRROR);
    await using worker = await world.worker(inUse);
    await until("lanes wait for adoption", () => {
      const reasons = reasonsOf(worker);
      return reasons.length === PARTITIONS.length && reasons.every((reason) => reason === "ADOPTION_NEEDED");
    });
    const lanes = await survey(inUse);
    const copied = await copiedCount(world);
    t.diagnostic(`MirrorMaker copied ${copied} records`);
    assert.ok(copied >= before && copied < BUSY.length * BATCHES * BATCH_RECORDS, "MirrorMaker was killed too late");
    const orders = lanes.filter(({ wanted }) => wanted.sourcePartition.topic === TOPIC);
    const evidence = orders.map(({ finding }) => (finding.kind === "found" ? finding.evidence : finding.kind));
    t.diagnostic(evidence.join(", "));
    assert.equal(evidence.length, PARTITIONS.length);
    for (const one of evidence) assert.ok(variant.evidence.includes(one), one);
    const beats = contents(await recordsOf(world.hub, "east.heartbeats", 0));
    await storeAdoption(inUse, "hub", lanes);
    for (const partition of PARTITIONS) {
      const source = await recordsOf(world.east, TOPIC, partition);
      await until("all is copied", async () => (await endsOf(world.hub, COPY, [partition])) >= source.length);
      await until("all is copied", async () => (await recordsOf(world.hub, COPY, partition)).length >= source.length);
      assert.deepEqual(contents(await recordsOf(world.hub, COPY, partition)), contents(source), `${COPY}/${partition}`);
    }
    await checkHeartbeats(world, beats);
  });
