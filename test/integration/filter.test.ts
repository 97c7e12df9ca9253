/** Mirrors that leave records and headers out, between embedded regions; filters that change; compacted targets. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { mayWriteMarkers } from "../../src/client/transactions.ts";
import type { RecordFilter } from "../../src/topology/record-filter.ts";
import { describeCluster } from "../../src/wire/apis/60-describe-cluster.ts";
import { OPERATIONS_NOT_ASKED } from "../../src/wire/apis/authorized-operations.ts";
import { encodeBatch, type RecordInput } from "../../src/wire/records.ts";
import { eventually, MirrorWorld, type Side } from "./mirror-world.ts";

const FILTER: RecordFilter = {
  keys: { include: ["eu*"], exclude: [] },
  headers: { include: [], exclude: ["x-test"] },
  skipTombstones: true,
  dropHeaders: ["trace-*"],
};

function record(key: string, value: string | null, headers: readonly string[] = []): RecordInput {
  const named = headers.map((name) => ({ key: name, value: Buffer.from(name) }));
  return {
    timestampMs: BigInt(Date.now()),
    key: Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers: named,
  };
}

const RECORDS: readonly RecordInput[] = [
  record("eu-1", "a", ["trace-id", "kept"]),
  record("us-1", "b"),
  record("eu-2", null),
  record("eu-3", "c", ["x-test"]),
  record("eu-4", "d"),
];

async function copies(world: MirrorWorld, central: Side) {
  return (await world.read(central, "west.orders", 0)).map(({ key, value, headers }) => ({ key, value, headers }));
}

test("flow leaves out records and headers as its filter says, and its offset map leads past them", async () => {
  await using world = new MirrorWorld();
  const [west, central] = [await world.side("west", { brokers: 1 }), await world.side("central", { brokers: 1 })];
  await world.topic(west, "orders", 1);
  for (const codec of [0, 1, 2, 3, 4] as const)
    await world.append(west, { topic: "orders", index: 0 }, encodeBatch(RECORDS, { codec }));
  const worker = await world.worker(west, central, { filter: FILTER });
  await eventually(async () => (await copies(world, central)).length === 10, "it is copied");
  const once = [
    { key: "eu-1", value: "a", headers: ["kept=kept"] },
    { key: "eu-4", value: "d", headers: [] },
  ];
  assert.deepEqual(await copies(world, central), [once, once, once, once, once].flat());
  const [lane] = worker.flow.status.lanes;
  assert.deepEqual(lane?.counts.filteredRecords, { key: 5, keyless: 0, header: 5, tombstone: 5, sample: 0 });
  const map = worker.flow.directory.find("orders", 0)?.map;
  const answers = [0n, 1n, 3n, 4n, 5n].map((offset) => map?.translate(offset).targetOffset);
  assert.deepEqual(answers, [0n, 1n, 1n, 1n, 2n]);
});

test("flow goes on by another filter where it is, when a worker with the old one was killed", async () => {
  await using world = new MirrorWorld();
  const [west, central] = [await world.side("west", { brokers: 1 }), await world.side("central", { brokers: 1 })];
  await world.topic(west, "orders", 1);
  const at = { topic: "orders", index: 0 };
  await world.append(west, at, encodeBatch(RECORDS));
  const first = await world.worker(west, central);
  await eventually(async () => (await copies(world, central)).length === 5, "all of it is copied");
  await first.kill();
  await world.append(west, at, encodeBatch(RECORDS));
  const second = await world.worker(west, central, { filter: FILTER });
  await eventually(async () => (await copies(world, central)).length === 7, "what the filter leaves in is copied");
  await second.kill();
  await world.append(west, at, encodeBatch(RECORDS));
  await world.worker(west, central);
  await eventually(async () => (await copies(world, central)).length >= 12, "all of it is copied again");
  const keys = (await copies(world, central)).map(({ key }) => key);
  const all = ["eu-1", "us-1", "eu-2", "eu-3", "eu-4"];
  assert.deepEqual(keys, [...all, "eu-1", "eu-4", ...all]);
});

test("client knows that a cluster does not let it fence other writers", async () => {
  await using world = new MirrorWorld();
  const { region, client } = await world.side("central", { brokers: 1 });
  const described = (clusterAuthorizedOperations: number) => ({
    errorCode: 0,
    errorMessage: null,
    clusterId: region.clusterId,
    controllerId: 1,
    brokers: [],
    clusterAuthorizedOperations,
  });
  assert.equal(await mayWriteMarkers(client), true);
  region.faults.control(describeCluster.key, () => ({ kind: "answer", response: described(1 << 8) }));
  assert.equal(await mayWriteMarkers(client), false);
  region.faults.control(describeCluster.key, () => ({ kind: "answer", response: described(OPERATIONS_NOT_ASKED) }));
  assert.equal(await mayWriteMarkers(client), undefined);
});
