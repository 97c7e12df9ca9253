/** Kafka's own readers of MirrorMaker 2's topics find what a mirror with `compat: mm2` wrote. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Kafka, logLevel } from "kafkajs";
import { KafkaGroups } from "../../src/adapters/kafka-groups.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { decodeCheckpoint, decodeHeartbeat } from "../../src/mirror/mm2/formats.ts";
import type { OffsetMap } from "../../src/mirror/offset-map.ts";
import type { GroupCommit } from "../../src/mirror/offset-ports.ts";
import { storedLaneMap } from "../../src/runtime/stored-offsets.ts";
import { runJava } from "./java.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";
import { Mm2World, makeTopic, produceNumbers, recordsOf, type SeenRecord, topicNames, until } from "./mm2-world.ts";

const skip = apacheKafkaMissing() ?? false;
const timeout = 300_000;
const TOPIC = "orders";
/** Keeps its name, as under MirrorMaker's identity policy. */
const SAME = "audit";
const COPY = "east.orders";
const CHECKPOINTS = "east.checkpoints.internal";
const SYNCS = "mm2-offset-syncs.hub.internal";
const PARTITIONS = [0, 1];
const TRANSACTIONS = 24;
const MIRROR = `    topics: {include: [${TOPIC}]}
    rename: "{source}.{topic}"
    groups: {include: ["g*"], every: 1s}
    compat: mm2
  - name: same-names
    from: east
    to: hub
    topics: {include: [${SAME}]}
    rename: "{topic}"
    groups: {include: [same], every: 1s}
    compat: {mm2: {readOnlySource: true}}`;

/** Transactions, every third aborted: each leaves a marker, and so a hole in the offset map. */
async function produceTransactions(world: Mm2World): Promise<void> {
  const kafka = new Kafka({ brokers: [...world.east.kafka.bootstrap], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ transactionalId: "orders", maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  try {
    for (let n = 0; n < TRANSACTIONS; n++) {
      const transaction = await producer.transaction();
      const messages = PARTITIONS.flatMap((partition) =>
        Array.from({ length: 1 + (n % 4) }, (_, at) => ({ partition, key: `k${at}`, value: `${n}.${at}` })),
      );
      await transaction.send({ topic: TOPIC, messages });
      await (n % 3 === 2 ? transaction.abort() : transaction.commit());
    }
  } finally {
    await producer.disconnect();
  }
}

/** One group for each source offset of both partitions, its end included. */
async function commitEverywhere(world: Mm2World, end: bigint): Promise<readonly string[]> {
  const groups = new KafkaGroups({ client: world.east.client, logger: silentLogger });
  const names: string[] = [];
  for (let offset = 0n; offset <= end; offset++) {
    const commits = PARTITIONS.map((partition): GroupCommit => {
      return { topic: TOPIC, partition, offset, metadata: `note ${partition}` };
    });
    const group = `g${offset}`;
    assert.deepEqual(await groups.commit(group, commits), [undefined, undefined]);
    names.push(group);
  }
  return names;
}

/** The offset of the copy of the first record at or after the source offset; the copy's end when all come before. */
function expectedOffset(source: readonly SeenRecord[], copy: readonly SeenRecord[], offset: bigint): bigint {
  const index = source.findIndex((record) => record.offset >= offset);
  return index < 0 ? (copy.at(-1)?.offset ?? -1n) + 1n : (copy[index]?.offset ?? -1n);
}

test("MirrorMaker's clients read heartbeats, checkpoints and offset syncs of a mirror", { skip, timeout }, async () => {
  await using world = await Mm2World.open();
  await makeTopic(world.east, TOPIC, PARTITIONS.length);
  await produceTransactions(world);
  const source = await Promise.all(PARTITIONS.map((partition) => recordsOf(world.east, TOPIC, partition)));
  const end = 1n + (source[0]?.at(-1)?.offset ?? 0n);
  const groups = await commitEverywhere(world, end);
  await makeTopic(world.east, SAME, 1);
  await produceNumbers(world.east, { topic: SAME, index: 0 }, [1, 2, 3, 4, 5]);
  const same = { topic: SAME, partition: 0, offset: 3n, metadata: "s" };
  await new KafkaGroups({ client: world.east.client, logger: silentLogger }).commit("same", [same]);
  const inUse = world.topology(MIRROR);
  const maps: OffsetMap[] = [];
  {
    await using _worker = await world.worker(inUse);
    await until("all is copied", async () => {
      const copies = await Promise.all(PARTITIONS.map((partition) => recordsOf(world.hub, COPY, partition)));
      return copies.every((copy, at) => copy.length === source[at]?.length);
    });
    await until("checkpoints of all groups", async () => {
      const checkpoints = (await recordsOf(world.hub, CHECKPOINTS, 0)).map(checkpointOf);
      const exact = checkpoints.filter(({ upstreamOffset: g, group }) => group === `g${g}` && g <= end);
      return new Set(exact.map(({ group, partition }) => `${group}/${partition}`)).size >= 2 * groups.length;
    });
    await until("heartbeats that came over", async () => (await recordsOf(world.hub, "east.heartbeats", 0)).length > 2);
    await until("the checkpoint of the topic that keeps its name", async () =>
      (await recordsOf(world.hub, CHECKPOINTS, 0)).map(checkpointOf).some(({ topic }) => topic === SAME),
    );
    await until("offset syncs of the source that is not written to", async () =>
      (await topicNames(world.hub)).includes("mm2-offset-syncs.east.internal"),
    );
    await until("offset syncs", async () => (await recordsOf(world.east, SYNCS, 0)).length >= PARTITIONS.length);
  }
  for (const partition of PARTITIONS) maps.push((await storedLaneMap(inUse, { topic: TOPIC, partition })).map);
  const copies = await Promise.all(PARTITIONS.map((partition) => recordsOf(world.hub, COPY, partition)));

  const singles = groups.filter((_, at) => at % 16 === 5);
  const lines = await runJava("MirrorReader", [
    world.hub.kafka.bootstrap[0] ?? "",
    "east",
    "Default",
    "g.*",
    ...singles,
  ]);
  assert.deepEqual(lines.slice(0, 5), [
    "hops 1",
    "upstream [east]",
    "heartbeats [east.heartbeats, heartbeats]",
    `checkpoints [${CHECKPOINTS}]`,
    `remote [east.heartbeats, ${COPY}]`,
  ]);
  const expected = groups.flatMap((group, offset) =>
    PARTITIONS.flatMap((partition) => {
      const translated = expectedOffset(source[partition] ?? [], copies[partition] ?? [], BigInt(offset));
      assert.equal(maps[partition]?.translate(BigInt(offset)).targetOffset, translated);
      const line = [group, COPY, partition, translated, `note ${partition}`].join("\t");
      const alone = singles.includes(group) ? [`client\t${line}`, `utils\t${line}`] : [];
      return [`pattern\t${line}`, ...alone];
    }),
  );
  assert.deepEqual(lines.slice(5).toSorted(), expected.toSorted());
  await checkSyncs(world, { source, copies, end });
  await checkHeartbeats(world);
  await checkSameNames(world);
});

/** Under the identity policy, which knows the direction from heartbeats alone. */
async function checkSameNames(world: Mm2World): Promise<void> {
  const lines = await runJava("MirrorReader", [world.hub.kafka.bootstrap[0] ?? "", "east", "Identity", "same"]);
  assert.deepEqual(lines.slice(0, 2), ["hops 1", "upstream [east]"]);
  assert.deepEqual(lines.slice(5), [["pattern", "same", SAME, 0, 3, "s"].join("\t")]);
}

function checkpointOf({ key, value }: SeenRecord) {
  assert.ok(key !== null && value !== null);
  return decodeCheckpoint({ key, value });
}

/** MirrorMaker's own store never sends a group past a record that it has not read, and knows the end exactly. */
async function checkSyncs(
  world: Mm2World,
  sides: { readonly source: SeenRecord[][]; readonly copies: SeenRecord[][]; readonly end: bigint },
): Promise<void> {
  const bootstrap = world.east.kafka.bootstrap[0] ?? "";
  for (const partition of PARTITIONS) {
    const args = [bootstrap, SYNCS, TOPIC, `${partition}`, `${sides.end}`];
    const answers = await runJava("org.apache.kafka.connect.mirror.SyncReader", args);
    const [source, copy] = [sides.source[partition] ?? [], sides.copies[partition] ?? []];
    for (const [offset, answer] of answers.map((line) => line.split("\t").map(Number))) {
      const expected = Number(expectedOffset(source, copy, BigInt(offset ?? 0)));
      assert.ok((answer ?? 0) <= expected, `offset ${offset} is answered ${answer}, past ${expected}`);
    }
    assert.equal(answers.at(-1), `${sides.end}\t${(copy.at(-1)?.offset ?? -1n) + 1n}`);
  }
}

/** What lies in `heartbeats` is a sign of life of each direction, and its copy is byte for byte the source's. */
async function checkHeartbeats(world: Mm2World): Promise<void> {
  const beatOf = ({ key, value }: SeenRecord) => {
    assert.ok(key !== null && value !== null);
    return decodeHeartbeat({ key, value });
  };
  const [own, copied, origin] = await Promise.all([
    recordsOf(world.hub, "heartbeats", 0),
    recordsOf(world.hub, "east.heartbeats", 0),
    recordsOf(world.east, "heartbeats", 0),
  ]);
  assert.ok(own.map(beatOf).every(({ sourceAlias, targetAlias }) => sourceAlias === "east" && targetAlias === "hub"));
  assert.ok(
    copied.map(beatOf).every(({ sourceAlias, targetAlias }) => sourceAlias === "hub" && targetAlias === "east"),
  );
  assert.deepEqual(copied, origin.slice(0, copied.length));
  assert.deepEqual((await topicNames(world.east)).includes(SYNCS), true);
}
