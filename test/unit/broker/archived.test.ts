/** Partitions whose records lie in a cold store, as fetches and ListOffsets see them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { HANDLERS } from "../../../src/broker/handlers.ts";
import type { ColdStore } from "../../../src/broker/ports.ts";
import { readOnlyHandlers } from "../../../src/broker/read-only.ts";
import type { Uuid } from "../../../src/core/brand.ts";
import { produce } from "../../../src/wire/apis/00-produce.ts";
import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { listOffsets } from "../../../src/wire/apis/02-list-offsets.ts";
import { metadata } from "../../../src/wire/apis/03-metadata.ts";
import { apiVersions } from "../../../src/wire/apis/18-api-versions.ts";
import { initProducerId } from "../../../src/wire/apis/22-init-producer-id.ts";
import { offsetForLeaderEpoch } from "../../../src/wire/apis/23-offset-for-leader-epoch.ts";
import { addPartitionsToTxn } from "../../../src/wire/apis/24-add-partitions-to-txn.ts";
import { describeConfigs } from "../../../src/wire/apis/32-describe-configs.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { batchOf, fetched, openTestRegion, send } from "./region-fixture.ts";

const REASON = "this server only reads";
const TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid;
const EPOCHS = [
  { epoch: 3, startOffset: 100n },
  { epoch: 7, startOffset: 150n },
];
const EXTENT = { startOffset: 100n, endOffset: 200n, stableOffset: 200n, epochs: EPOCHS };
const FOUND = { offset: 123n, timestampMs: 5_000n, leaderEpoch: 3 };
const LATEST = { offset: 170n, timestampMs: 9_000n, leaderEpoch: 7 };

function coldStore(tieredTo?: bigint): ColdStore {
  return {
    read: async ({ offset, isCommittedOnly }) => {
      const batch = batchOf([`record ${offset}`]);
      batch.setBaseOffset(offset);
      return {
        records: batch.bytes,
        abortedTransactions: isCommittedOnly ? [{ producerId: 9n, firstOffset: offset }] : [],
      };
    },
    offsetForTimestamp: async () => FOUND,
    latestRecord: async () => LATEST,
    endOffset: async () => tieredTo,
  };
}

/** Has one record for each offset, without an end; the greatest times come last. */
function recordsFrom100(): ColdStore {
  const found = (offset: bigint) => ({ offset, timestampMs: offset, leaderEpoch: 3 });
  return {
    ...coldStore(),
    read: async ({ offset }) => {
      const batches = Array.from({ length: 50 }, (_, i) => {
        const batch = batchOf(["record"]);
        batch.setBaseOffset(offset + BigInt(i));
        return batch.bytes;
      });
      return { records: Buffer.concat(batches), abortedTransactions: [] };
    },
    offsetForTimestamp: async ({ endOffset }, timestampMs) =>
      timestampMs < endOffset ? found(timestampMs) : undefined,
    latestRecord: async ({ endOffset }) => found(endOffset - 1n),
  };
}

async function openArchived() {
  const world = await openTestRegion({ brokers: 1, readOnly: REASON }, { coldStore: coldStore(200n) });
  world.region.showArchived({ name: "flights", topicId: TOPIC_ID, partitions: [EXTENT, undefined] });
  return world;
}

type World = Awaited<ReturnType<typeof openTestRegion>>;

async function offsetsAt(world: World, topic: string, times: readonly bigint[]) {
  const client = await world.connect(1);
  const answer = await client.ask(listOffsets, 11, {
    replicaId: -1,
    topics: [{ name: topic, partitions: times.map((timestampMs) => ({ index: 0, timestampMs })) }],
  });
  return answer.topics[0]?.partitions.map(({ errorCode, offset, leaderEpoch }) => [errorCode, offset, leaderEpoch]);
}

test("an archived partition is read from the cold store at its offsets, with what was aborted", async () => {
  await using world = await openArchived();
  const client = await world.connect(1);
  const answer = await fetched(client, "flights", { fetchOffset: 150n, isolationLevel: 1 });
  assert.deepEqual([answer.errorCode, answer.batches[0]?.baseOffset], [0, 150n]);
  assert.deepEqual(answer.abortedTransactions, [{ producerId: 9n, firstOffset: 150n }]);
  assert.deepEqual([answer.logStartOffset, answer.highWatermark, answer.lastStableOffset], [100n, 200n, 200n]);
  assert.equal((await fetched(client, "flights", { fetchOffset: 99n })).errorCode, ErrorCode.OFFSET_OUT_OF_RANGE);
  assert.equal((await fetched(client, "flights", { fetchOffset: 201n })).errorCode, ErrorCode.OFFSET_OUT_OF_RANGE);
  const topics = (await client.ask(metadata, 12, { topics: null })).topics;
  assert.deepEqual(
    topics.map(({ name, topicId, partitions }) => [name, topicId, partitions.map(({ leaderEpoch }) => leaderEpoch)]),
    [["flights", TOPIC_ID, [7, 0]]],
  );
});

test("ListOffsets of an archived partition answers latest, earliest, local, tiered, pending, times and epochs", async () => {
  await using world = await openArchived();
  assert.deepEqual(await offsetsAt(world, "flights", [-1n, -2n, -3n, -4n, -5n, -6n, 4_000n]), [
    [0, 200n, 7],
    [0, 100n, 3],
    [0, LATEST.offset, 7],
    [0, 200n, 7],
    [0, 199n, 7],
    [0, 200n, 7],
    [0, FOUND.offset, 3],
  ]);
  const client = await world.connect(1);
  const ends = await client.ask(offsetForLeaderEpoch, 4, {
    replicaId: -1,
    topics: [
      {
        name: "flights",
        partitions: [2, 3, 5, 7, 8].map((leaderEpoch) => ({ index: 0, currentLeaderEpoch: -1, leaderEpoch })),
      },
    ],
  });
  assert.deepEqual(
    ends.topics[0]?.partitions.map(({ leaderEpoch, endOffset }) => [leaderEpoch, endOffset]),
    [
      [2, 100n],
      [3, 150n],
      [3, 150n],
      [7, 200n],
      [-1, -1n],
    ],
  );
});

test("ListOffsets over cold and local records takes the later of both times, and the first at or after a time", async () => {
  await using world = await openTestRegion({ brokers: 1 }, { coldStore: coldStore(1n) });
  await world.createTopic("orders", { partitions: 1 });
  const client = await world.connect(1);
  await send(client, "orders", batchOf(["cold"]));
  world.region.partitionLog("orders", 0)?.roll();
  await send(client, "orders", batchOf(["hot"]));
  assert.deepEqual(await offsetsAt(world, "orders", [-5n, -6n]), [
    [0, 0n, 0],
    [0, 1n, 0],
  ]);
  const [before] = (await offsetsAt(world, "orders", [-3n])) ?? [];
  world.region.partitionLog("orders", 0)?.dropLocalSegment(0n);
  // The local record is later than what the store found.
  assert.deepEqual(await offsetsAt(world, "orders", [-3n, 4_000n]), [
    [0, 1n, 0],
    [0, FOUND.offset, 3],
  ]);
  assert.notDeepEqual(before, undefined);
});

test("an archive that grows wakes who waits at its end, under the epoch of its last leader", async () => {
  await using world = await openArchived();
  const client = await world.connect(1);
  let answered = false;
  const waiting = client
    .ask(fetchApi, 12, {
      ...{ isolationLevel: 0, maxWaitMs: 60_000, minBytes: 1, maxBytes: 1_000_000 },
      topics: [{ name: "flights", partitions: [{ index: 0, fetchOffset: 200n, partitionMaxBytes: 1_000_000 }] }],
    })
    .finally(() => {
      answered = true;
    });
  await world.clock.advance(1_000);
  assert.equal(answered, false);
  const partitions = [{ ...EXTENT, endOffset: 210n, stableOffset: 210n }, undefined];
  world.region.showArchived({ name: "flights", topicId: TOPIC_ID, partitions });
  const [partition] = (await waiting).topics[0]?.partitions ?? [];
  assert.deepEqual([partition?.errorCode, partition?.highWatermark], [0, 210n]);
  const epochs = [...EPOCHS, { epoch: 8, startOffset: 210n }];
  world.region.showArchived({
    name: "flights",
    topicId: TOPIC_ID,
    partitions: [{ startOffset: 120n, endOffset: 220n, stableOffset: 220n, epochs }, undefined, EXTENT],
  });
  assert.deepEqual(await offsetsAt(world, "flights", [-1n, -2n]), [
    [0, 220n, 8],
    [0, 120n, 3],
  ]);
  assert.equal((await client.ask(metadata, 12, { topics: null })).topics[0]?.partitions.length, 3);
});

test("committed readers of an archived partition stop where a transaction is undecided, and go on when the archive decides it", async () => {
  await using world = await openTestRegion({ brokers: 1, readOnly: REASON }, { coldStore: recordsFrom100() });
  const show = (endOffset: bigint, stableOffset: bigint) =>
    world.region.showArchived({
      ...{ name: "flights", topicId: TOPIC_ID },
      partitions: [{ ...EXTENT, endOffset, stableOffset }],
    });
  show(110n, 105n);
  const client = await world.connect(1);
  const offsets = async (isolationLevel: number, fetchOffset = 100n) => {
    const answer = await fetched(client, "flights", { fetchOffset, isolationLevel });
    assert.deepEqual([answer.errorCode, answer.highWatermark], [0, 110n]);
    return [answer.lastStableOffset, answer.batches[0]?.baseOffset, answer.batches.at(-1)?.baseOffset];
  };
  assert.deepEqual(await offsets(1), [105n, 100n, 104n]);
  // What the store has beyond the high watermark is not shown either.
  assert.deepEqual(await offsets(0), [105n, 100n, 109n]);
  assert.deepEqual(await offsets(1, 105n), [105n, undefined, undefined]);
  const ends = await client.ask(listOffsets, 11, {
    ...{ replicaId: -1, isolationLevel: 1 },
    topics: [{ name: "flights", partitions: [-1n, -3n, 107n].map((timestampMs) => ({ index: 0, timestampMs })) }],
  });
  assert.deepEqual(
    ends.topics[0]?.partitions.map(({ offset }) => offset),
    [105n, 104n, -1n],
  );
  const told: [number, number][] = [];
  world.region.topics()[0]?.partitions[0]?.watch({
    onProgress: (bytes, stableBytes) => told.push([bytes, stableBytes]),
    onLeaderChange: () => undefined,
  });
  show(120n, 105n);
  assert.ok(told.every(([, stableBytes]) => stableBytes === 0));
  // Up to where the high watermark was before: committed readers hear of it all the same.
  show(130n, 120n);
  assert.ok(told.some(([, stableBytes]) => stableBytes > 0));
  const { batches, lastStableOffset } = await fetched(client, "flights", { fetchOffset: 105n, isolationLevel: 1 });
  assert.deepEqual([lastStableOffset, batches[0]?.baseOffset, batches.at(-1)?.baseOffset], [120n, 105n, 119n]);
});

test("a store that does not answer in time leaves a fetch empty and a lookup timed out, which clients repeat", async () => {
  const silent = new Promise<never>(() => {});
  const hanging = { ...coldStore(200n), read: () => silent, offsetForTimestamp: () => silent };
  await using world = await openTestRegion({ brokers: 1, readOnly: REASON }, { coldStore: hanging });
  world.region.showArchived({ name: "flights", topicId: TOPIC_ID, partitions: [EXTENT] });
  const client = await world.connect(1);
  const passing = async <T>(work: Promise<T>): Promise<T> => {
    let isDone = false;
    void work.finally(() => {
      isDone = true;
    });
    // Requests travel in real time, waits pass in the clock's.
    for (; !isDone; await new Promise(setImmediate)) await world.clock.advance(1_000);
    return work;
  };
  const { errorCode, batches, highWatermark } = await passing(fetched(client, "flights", { fetchOffset: 150n }));
  assert.deepEqual([errorCode, batches.length, highWatermark], [0, 0, 200n]);
  assert.deepEqual(await passing(offsetsAt(world, "flights", [4_000n])), [[ErrorCode.REQUEST_TIMED_OUT, -1n, -1]]);
});

test("An archived log has no local records and only moves forward", async () => {
  await using world = await openArchived();
  const show = (startOffset: bigint, endOffset: bigint) =>
    world.region.showArchived({
      ...{ name: "flights", topicId: TOPIC_ID },
      partitions: [{ startOffset, endOffset, stableOffset: endOffset, epochs: EPOCHS }],
    });
  assert.throws(() => show(100n, 199n), /An archived log has no local records and only moves forward/);
  assert.throws(() => show(99n, 200n), /An archived log has no local records and only moves forward/);
});

test("a read-only region lists what it refuses, refuses it with the reason, and makes no topic by being asked", async () => {
  await using world = await openArchived();
  const client = await world.connect(1);
  const { apiKeys } = await client.ask(apiVersions, 3, { clientSoftwareName: "test", clientSoftwareVersion: "1" });
  assert.ok([0, 1, 19, 22].every((key) => apiKeys.some(({ apiKey }) => apiKey === key)));
  const produced = await client.ask(produce, 9, {
    ...{ transactionalId: null, acks: -1, timeoutMs: 1_000 },
    topics: [{ name: "flights", partitions: [{ index: 0, records: batchOf(["no"]).bytes }] }],
  });
  const { errorCode, errorMessage } = produced.topics[0]?.partitions[0] ?? {};
  assert.deepEqual([errorCode, errorMessage], [ErrorCode.POLICY_VIOLATION, REASON]);
  const idempotent = await client.ask(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 1_000 });
  assert.equal(idempotent.errorCode, 0);
  const writer = await client.ask(initProducerId, 4, { transactionalId: "writer", transactionTimeoutMs: 1_000 });
  assert.equal(writer.errorCode, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  const added = await client.ask(addPartitionsToTxn, 3, {
    ...{ transactionalId: "writer", producerId: 1n, producerEpoch: 0 },
    topics: [{ name: "flights", partitions: [0] }],
  });
  assert.equal(added.topics[0]?.partitions[0]?.errorCode, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  const asked = await client.ask(metadata, 12, { topics: [{ name: "new" }], allowAutoTopicCreation: true });
  assert.equal(asked.topics[0]?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assert.equal(world.region.topics().length, 1);
  const described = await client.ask(describeConfigs, 4, {
    includeSynonyms: false,
    resources: [{ resourceType: 2, resourceName: "flights", configurationKeys: ["retention.ms", "retention.bytes"] }],
  });
  assert.deepEqual(
    described.results[0]?.configs.map(({ value }) => value),
    ["-1", "-1"],
  );
  await world.clock.advance(3_600_000);
  assert.deepEqual(await offsetsAt(world, "flights", [-2n]), [[0, 100n, 3]]);
});

test("a request that nobody has thought about is not served by a read-only region", () => {
  const [any] = HANDLERS.values();
  assert.ok(any !== undefined);
  const later = { ...any, api: { ...any.api, key: 999 } };
  const served = readOnlyHandlers(new Map([...HANDLERS, [999, later]]), REASON);
  assert.equal(served.has(999), false);
  assert.deepEqual([...served.keys()], [...HANDLERS.keys()]);
});
