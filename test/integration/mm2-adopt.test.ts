/** `mirror adopt` on embedded regions, where MirrorMaker's traces are written by hand. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { nodeStorage } from "../../src/adapters/node-storage.ts";
import { askLeaders } from "../../src/client/leaders.ts";
import { produceTo } from "../../src/client/produce.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { hasFaultCode } from "../../src/core/errors.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { storeAdoption, surveyAdoption } from "../../src/runtime/adoption.ts";
import { StateDirectory } from "../../src/runtime/state-directory.ts";
import { storedLaneMap } from "../../src/runtime/stored-offsets.ts";
import { loadTopology } from "../../src/runtime/topology-files.ts";
import { MirrorWorker } from "../../src/runtime/worker.ts";
import { flowsOf } from "../../src/topology/model.ts";
import { encodeBatch } from "../../src/wire/records.ts";
import { contents, eventually, MirrorWorld, type Side } from "./mirror-world.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const OFFSETS = "mm2-offsets.west.internal";

/** Two regions, a topology between them, and a topic of three partitions that MirrorMaker copied in part. */
async function openWorld() {
  const regions = new MirrorWorld();
  const [west, central] = [await regions.side("west", { brokers: 1 }), await regions.side("central", { brokers: 1 })];
  const directory = mkdtempSync(join(tmpdir(), "mm2-adopt-"));
  const file = join(directory, "pair.yaml");
  const brokers = ({ region }: Side): string => region.endpoints.map(({ host, port }) => `"${host}:${port}"`).join();
  writeFileSync(
    file,
    `version: 1
name: pair
regions: {west: {brokers: [${brokers(west)}]}, central: {brokers: [${brokers(central)}]}}
mirrors: [{name: m, from: west, to: central, topics: orders, rename: "{source}.{topic}", compat: mm2}]
`,
  );
  const topology = loadTopology(file);
  const root = join(directory, "state");
  const state = new StateDirectory({ root, topology: topology.name }, { storage: nodeStorage() });
  const close = async (): Promise<void> => {
    await regions[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  };
  return { regions, west, central, file, inUse: { topology, state }, [Symbol.asyncDispose]: close };
}

type World = Awaited<ReturnType<typeof openWorld>>;

/** Appends what is given as it is. */
async function append({ client }: Side, topic: string, index: number, records: Parameters<typeof encodeBatch>[0]) {
  const item = { topic, topicId: ZERO_UUID, index, records: encodeBatch(records).bytes };
  const [outcome] = await askLeaders(client, [item], {
    failed: (_, errorCode) => ({ topic, index, errorCode }),
    ask: (nodeId, partitions) => produceTo(client, nodeId, { partitions, acks: -1 }),
  });
  assert.equal(outcome?.errorCode, 0);
}

/** Copies the source's first records as MirrorMaker does, and notes a position. */
async function copy(world: World, partition: number, records: number, noted: number | undefined): Promise<void> {
  const source = (await world.regions.read(world.west, "orders", partition)).slice(0, records);
  const copies = source.map(({ timestampMs, key, value }) => {
    return { timestampMs, key: key === undefined ? null : Buffer.from(key), value: Buffer.from(value ?? "") };
  });
  await append(world.central, "west.orders", partition, copies);
  if (noted === undefined) return;
  const key = JSON.stringify(["MirrorSourceConnector", { cluster: "west", partition, topic: "orders" }]);
  const value = Buffer.from(JSON.stringify({ offset: noted }));
  await append(world.central, OFFSETS, 0, [{ timestampMs: 0n, key: Buffer.from(key), value }]);
}

/** Ten records in each of three partitions, of which MirrorMaker copied all but noted less, nothing and nothing. */
async function copiedInPart(): Promise<World> {
  const world = await openWorld();
  await world.regions.topic(world.west, "orders", 3);
  await world.regions.topic(world.central, "west.orders", 3);
  await world.regions.topic(world.central, OFFSETS, 1);
  for (const partition of [0, 1, 2]) await world.regions.produce(world.west, "orders", partition, 10);
  await copy(world, 0, 6, 3);
  return world;
}

function adopt(world: World, ...args: readonly string[]) {
  return tributary(world, "mirror", "adopt", ...args);
}

async function tributary(world: World, ...args: readonly string[]) {
  const all = [MAIN, "-t", world.file, "--state", world.inUse.state.path, ...args];
  const child = spawn(process.execPath, all, { stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}

interface LaneJson {
  readonly topic: string;
  readonly partition: number;
}

/** The rows of the topic's lanes; heartbeats come and go. */
function rows(stdout: string): readonly string[] {
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.trim().replaceAll(/ {2,}/g, " | "))
    .filter((line) => line.includes(" orders "));
}

test("a worker begins no lane that MirrorMaker filled, even where no position was stored", async () => {
  await using world = await copiedInPart();
  await copy(world, 1, 4, undefined);
  await using worker = await MirrorWorker.open(
    { world: world.inUse, flows: flowsOf(world.inUse.topology) },
    { logger: silentLogger, onShutdown: () => {} },
  );
  const reasonOf = (partition: number) => {
    const lanes = worker.status.flows[0]?.lanes ?? [];
    return lanes.find((lane) => lane.sourceTopic === "orders" && lane.partition === partition)?.reason;
  };
  const copied = async (partition: number) =>
    (await world.regions.read(world.central, "west.orders", partition)).length;
  await eventually(async () => (await copied(2)) === 10, "the empty partition is copied");
  await eventually(() => reasonOf(0) !== undefined && reasonOf(1) !== undefined, "the others wait");
  assert.match(reasonOf(0) ?? "", /up to source offset 3 or further/);
  assert.match(reasonOf(1) ?? "", /stored no position/);
  assert.deepEqual([await copied(0), await copied(1)], [6, 4]);
});

test("adopt shows, stores when told, and lets the worker go on without a gap or a repeat", async () => {
  await using world = await copiedInPart();
  await using worker = await MirrorWorker.open(
    { world: world.inUse, flows: flowsOf(world.inUse.topology) },
    { logger: silentLogger, onShutdown: () => {} },
  );
  const reasons = () => worker.status.flows[0]?.lanes.map(({ reasonCode }) => reasonCode) ?? [];
  const copied = async (partition: number) =>
    contents(await world.regions.read(world.central, "west.orders", partition));
  const source = async (partition: number) => contents(await world.regions.read(world.west, "orders", partition));
  // Where MirrorMaker never came the worker begins by itself.
  await eventually(async () => (await copied(1)).length === 10 && (await copied(2)).length === 10, "others are copied");
  assert.ok(reasons().includes("ADOPTION_NEEDED"));

  const looked = await adopt(world);
  assert.equal(looked.code, 0, looked.stderr);
  assert.equal(rows(looked.stdout)[0], "m | orders | 0 | 6 | the target ends behind the stored position");
  assert.match(looked.stderr, /nothing stored yet; say --yes to let 1 lane go on there/);
  assert.equal((await copied(0)).length, 6);

  const stored = await adopt(world, "--yes", "-o", "json");
  const { lanes, stored: isStored } = JSON.parse(stored.stdout);
  const lane = lanes.find(({ topic, partition }: LaneJson) => topic === "orders" && partition === 0);
  assert.deepEqual([stored.code, isStored, lane.source_next, lane.target_next], [0, true, 6, 6]);
  await eventually(async () => (await copied(0)).length >= 10, "the adopted lane goes on");
  assert.deepEqual(await copied(0), await source(0));

  const again = await adopt(world, "--yes");
  assert.deepEqual([again.code, rows(again.stdout)[0]?.split(" | ").at(-1)], [0, "Tributary knows it already"]);
  assert.match(again.stderr, /every lane is Tributary's already/);
});

test("plan tells what MirrorMaker copied until it is adopted, and how", async () => {
  await using world = await copiedInPart();
  const risks = async () => JSON.parse((await tributary(world, "topology", "plan", "-o", "json")).stdout).risks;
  const [risk, ...others] = await risks();
  assert.deepEqual(
    [risk.code, risk.region, risk.topic, others.length],
    ["adoption-needed", "central", "west.orders", 0],
  );
  assert.match(risk.what, /copied 1 of 3 partitions/);
  assert.match(risk.mend, /^tributary mirror adopt -t \S+ m --yes$/);
  assert.equal((await adopt(world, "--yes")).code, 0);
  assert.deepEqual(await risks(), []);
});

test("an adopted lane translates what it copied itself, and says so of the rest", async () => {
  await using world = await copiedInPart();
  assert.equal((await adopt(world, "--yes")).code, 0);
  const { map } = await storedLaneMap(world.inUse, { topic: "orders", partition: 0 });
  assert.deepEqual(map.progress, { sourceNext: 6n, targetNext: 6n, count: 0n });
  assert.equal(map.translate(5n).kind, "expired");
  assert.equal(map.translate(6n).kind, "exact");
  assert.equal(map.reverse(5n).kind, "expired");
});

test("adopt stores nothing when somebody wrote to the target since it looked", async () => {
  await using world = await copiedInPart();
  const [flow] = flowsOf(world.inUse.topology);
  assert.ok(flow !== undefined);
  const lanes = await surveyAdoption(world.inUse, flow, { chosen: new Map() });
  await world.regions.produce(world.central, "west.orders", 1, 1);
  await assert.rejects(storeAdoption(world.inUse, "central", lanes), (error) => hasFaultCode(error, "TARGET_GROWN"));
  assert.deepEqual(await world.regions.read(world.central, "tributary.lanes.internal", 0), []);
});

test("adopt stores nothing while one lane is unclear, and takes a person's word for it", async () => {
  await using world = await copiedInPart();
  await copy(world, 1, 4, undefined);
  const unclear = await adopt(world, "--yes");
  assert.equal(unclear.code, 2);
  assert.equal(rows(unclear.stdout)[1], "m | orders | 1 | ? | no position is stored, but the target holds records");
  assert.match(unclear.stderr, /--at orders\/1=4 {2}if the target ends with the record at source offset 3\n/);
  assert.match(unclear.stderr, /nothing stored: 1 lane unclear/);
  assert.deepEqual(await world.regions.read(world.central, "tributary.lanes.internal", 0), []);
  const chosen = await adopt(world, "--yes", "--at", "orders/1=4");
  assert.equal(chosen.code, 0, chosen.stderr);
  assert.equal(rows(chosen.stdout)[1], "m | orders | 1 | 4 | chosen");
  const wrong = await adopt(world, "--at", "orders=4");
  assert.deepEqual([wrong.code, wrong.stdout], [64, ""]);
  assert.match(wrong.stderr, /^tributary: --at "orders=4" is no choice; write topic\/partition=offset\n$/);
});
