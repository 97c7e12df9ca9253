/** Groups by their coordinators, which load, move and go away. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { commitOffsets, deleteGroups, describeGroups, fetchOffsets, listGroups } from "../../../src/client/groups.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { offsetCommit } from "../../../src/wire/apis/08-offset-commit.ts";
import { offsetFetch } from "../../../src/wire/apis/09-offset-fetch.ts";
import { findCoordinator } from "../../../src/wire/apis/10-find-coordinator.ts";
import { describeGroups as describeGroupsApi } from "../../../src/wire/apis/15-describe-groups.ts";
import { listGroups as listGroupsApi } from "../../../src/wire/apis/16-list-groups.ts";
import { deleteGroups as deleteGroupsApi } from "../../../src/wire/apis/42-delete-groups.ts";
import type { Received } from "./fake-broker.ts";
import { FakeCluster } from "./fake-cluster.ts";

const OFFSETS = [{ topic: "t", index: 0, committedOffset: 7n }];

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => new Error("it succeeded"),
    (error: Error) => error,
  );
}

/** A commit's answer with one code for everything. */
function committed({ body }: Received, errorCode: number) {
  const topics = body.topics.map(({ name, partitions }: { name: string; partitions: { index: number }[] }) => ({
    name,
    partitions: partitions.map(({ index }) => ({ index, errorCode })),
  }));
  return { throttleMs: 0, topics };
}

/** One group of an OffsetFetch answer. */
function stored(groupId: string, errorCode = 0) {
  const partitions = [{ index: 0, committedOffset: 7n, committedLeaderEpoch: 3, committedMetadata: "m", errorCode }];
  return { groupId, errorCode: 0, topics: [{ name: "t", partitions }] };
}

test("groups commit from outside the group at its coordinator", async () => {
  await using cluster = await FakeCluster.open();
  cluster.coordinatorId = 3;
  cluster.onAll(offsetCommit, (request) => committed(request, 0));
  await using client = await cluster.client();
  const outcomes = await cluster.world.clock.until(commitOffsets(client, "g", { offsets: OFFSETS }));
  assert.deepEqual(outcomes, [{ topic: "t", index: 0, errorCode: 0 }]);
  const [request] = cluster.broker(3).received(offsetCommit);
  assert.deepEqual([request?.body.generationId, request?.body.memberId], [-1, ""]);
});

test("groups repeat a commit while the coordinator loads or has moved", async () => {
  await using cluster = await FakeCluster.open();
  let answers = 0;
  cluster.onAll(offsetCommit, (request, nodeId) => {
    answers++;
    if (answers === 2) cluster.coordinatorId = 2;
    return committed(request, nodeId === 2 ? 0 : answers === 1 ? 14 : 16);
  });
  await using client = await cluster.client();
  const outcomes = await cluster.world.clock.until(commitOffsets(client, "g", { offsets: OFFSETS }));
  assert.deepEqual(outcomes, [{ topic: "t", index: 0, errorCode: 0 }]);
  assert.equal(answers, 3);
  assert.equal(cluster.received(findCoordinator).length, 3);
});

test("groups look for a coordinator again when the broker asked for it goes away", async () => {
  await using cluster = await FakeCluster.open();
  let lookups = 0;
  cluster.onAll(findCoordinator, ({ body, connection }) => {
    lookups++;
    if (lookups === 1) {
      connection.destroy();
      return undefined;
    }
    const found = { nodeId: 1, host: "", port: 0, errorCode: 0, errorMessage: null };
    return { throttleMs: 0, coordinators: body.coordinatorKeys.map((key: string) => ({ key, ...found })) };
  });
  cluster.onAll(offsetCommit, (request) => committed(request, 0));
  await using client = await cluster.client();
  const offsets = [{ topic: "t", index: 0, committedOffset: 7n }];
  const failure = await cluster.world.clock.until(
    commitOffsets(client, "g", { offsets }).catch((error: Error) => error),
  );
  assert.deepEqual(failure, [{ topic: "t", index: 0, errorCode: 0 }]);
});

test("groups remember a coordinator", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(offsetCommit, (request) => committed(request, 0));
  await using client = await cluster.client();
  const { clock } = cluster.world;
  await clock.until(commitOffsets(client, "g", { offsets: OFFSETS }));
  await clock.until(commitOffsets(client, "g", { offsets: OFFSETS }));
  assert.equal(cluster.received(findCoordinator).length, 1);
});

test("groups never repeat a commit whose outcome is unknown", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(offsetCommit, ({ connection }) => {
    connection.destroy();
    return undefined;
  });
  await using client = await cluster.client();
  const error = await cluster.world.clock.until(failureOf(commitOffsets(client, "g", { offsets: OFFSETS })));
  assert.ok(hasFaultCode(error, "CLIENT_DISCONNECTED"));
  assert.equal(cluster.received(offsetCommit).length, 1);
});

test("groups give refusals of a commit as codes", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(offsetCommit, (request) => committed(request, 25));
  await using client = await cluster.client();
  const outcomes = await cluster.world.clock.until(commitOffsets(client, "g", { offsets: OFFSETS }));
  assert.deepEqual(outcomes, [{ topic: "t", index: 0, errorCode: 25 }]);
});

test("groups give up in time with the last code when no coordinator comes", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(findCoordinator, ({ body }) => ({
    throttleMs: 0,
    coordinators: body.coordinatorKeys.map((key: string) => {
      return { key, nodeId: -1, host: "", port: -1, errorCode: 15, errorMessage: null };
    }),
  }));
  await using client = await cluster.client();
  const { clock } = cluster.world;
  const startMs = clock.monotonicMs();
  const outcomes = await clock.until(commitOffsets(client, "g", { offsets: OFFSETS, timeoutMs: 3_000 }));
  assert.deepEqual(outcomes, [{ topic: "t", index: 0, errorCode: 15 }]);
  assert.ok(clock.monotonicMs() - startMs <= 3_000);
});

test("groups fetch the offsets of many groups in one request for each coordinator", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(findCoordinator, ({ body }) => ({
    throttleMs: 0,
    coordinators: body.coordinatorKeys.map((key: string) => {
      return { key, nodeId: key === "a" ? 1 : 2, host: "", port: 0, errorCode: 0, errorMessage: null };
    }),
  }));
  cluster.onAll(offsetFetch, ({ body }) => ({
    throttleMs: 0,
    groups: body.groups.map(({ groupId }: { groupId: string }) => stored(groupId)).reverse(),
  }));
  await using client = await cluster.client();
  const found = await cluster.world.clock.until(
    fetchOffsets(client, [
      { groupId: "a" },
      { groupId: "b" },
      { groupId: "c", partitions: [{ topic: "t", index: 0 }] },
    ]),
  );
  const offset = {
    topic: "t",
    index: 0,
    committedOffset: 7n,
    committedLeaderEpoch: 3,
    committedMetadata: "m",
    errorCode: 0,
  };
  assert.deepEqual(
    found,
    ["a", "b", "c"].map((groupId) => ({ groupId, errorCode: 0, offsets: [offset] })),
  );
  assert.deepEqual(
    cluster.received(offsetFetch).map(({ body }) => body.groups.length),
    [1, 2],
  );
  assert.equal(cluster.received(findCoordinator).length, 1);
  assert.ok(cluster.received(offsetFetch).every(({ body }) => body.requireStable));
});

test("groups wait for offsets that an open transaction is about to commit", async () => {
  await using cluster = await FakeCluster.open();
  let answers = 0;
  cluster.onAll(offsetFetch, () => {
    answers++;
    return { throttleMs: 0, groups: [stored("g", answers < 3 ? 88 : 0)] };
  });
  await using client = await cluster.client();
  const [found] = await cluster.world.clock.until(fetchOffsets(client, [{ groupId: "g" }]));
  assert.equal(found?.offsets[0]?.errorCode, 0);
  assert.equal(answers, 3);
});

test("groups are listed from every broker, each once", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(listGroupsApi, (_, nodeId) => ({
    throttleMs: 0,
    errorCode: 0,
    groups: ["everywhere", `of-${nodeId}`].map((groupId) => ({ groupId, protocolType: "consumer" })),
  }));
  await using client = await cluster.client();
  const groups = await cluster.world.clock.until(listGroups(client));
  assert.deepEqual(groups.map(({ groupId }) => groupId).sort(), ["everywhere", "of-1", "of-2", "of-3"]);
});

test("groups that do not exist are described as dead, whatever the version", async () => {
  await using cluster = await FakeCluster.open();
  const group = { errorMessage: null, protocolType: "", protocolData: "", members: [] };
  cluster.onAll(describeGroupsApi, () => ({
    throttleMs: 0,
    groups: [
      { ...group, groupId: "old", errorCode: 0, groupState: "Dead" },
      { ...group, groupId: "new", errorCode: 69, groupState: "" },
    ],
  }));
  await using client = await cluster.client();
  const described = await cluster.world.clock.until(describeGroups(client, ["new", "old", "left out"]));
  assert.deepEqual(
    described.map(({ groupId, state, errorCode }) => [groupId, state, errorCode]),
    [
      ["new", "Dead", 0],
      ["old", "Dead", 0],
      ["left out", "", -1],
    ],
  );
});

test("groups are deleted with one code each", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(deleteGroupsApi, () => ({ throttleMs: 0, results: [{ groupId: "busy", errorCode: 68 }] }));
  await using client = await cluster.client();
  assert.deepEqual(await cluster.world.clock.until(deleteGroups(client, ["busy"])), [
    { groupId: "busy", errorCode: 68 },
  ]);
});
