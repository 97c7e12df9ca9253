/** The client as a whole: connections by purpose, which requests are repeated, and what cannot be reached. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { hadNoEffect } from "../../../src/client/errors.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { metadata } from "../../../src/wire/apis/03-metadata.ts";
import { deleteGroups } from "../../../src/wire/apis/42-delete-groups.ts";
import { FakeCluster } from "./fake-cluster.ts";

const ASK = { groupsNames: [] };
const ANSWER = { throttleMs: 0, results: [] };

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => new Error("it succeeded"),
    (error: Error) => error,
  );
}

test("client keeps one connection for each broker and purpose", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(deleteGroups, () => ANSWER);
  await using client = await cluster.client();
  const { clock } = cluster.world;
  await clock.run(1_000);
  const before = cluster.broker(2).accepted;
  const calls = [{}, {}, { purpose: "fetch" }, { purpose: "produce" }, { purpose: "fetch", channel: 1 }] as const;
  await clock.until(Promise.all(calls.map((options) => client.request(2, deleteGroups, ASK, options))));
  await clock.until(client.request(2, deleteGroups, ASK));
  assert.equal(cluster.broker(2).accepted - before, 4);
});

test("client sends to any broker that is there and to the controller", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(deleteGroups, () => ANSWER);
  cluster.controllerId = 3;
  await using client = await cluster.client();
  const { clock } = cluster.world;
  await cluster.broker(1).stop();
  await cluster.broker(2).stop();
  await clock.until(client.request("any", deleteGroups, ASK));
  await clock.until(client.request("controller", deleteGroups, ASK));
  assert.equal(cluster.broker(3).received(deleteGroups).length, 2);
});

test("client never repeats a request that a broker may have seen", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(deleteGroups, ({ connection }) => {
    connection.destroy();
    return undefined;
  });
  await using client = await cluster.client();
  const error = await cluster.world.clock.until(failureOf(client.request("any", deleteGroups, ASK)));
  assert.ok(hasFaultCode(error, "CLIENT_DISCONNECTED"));
  assert.equal(hadNoEffect(error), false);
  assert.equal(cluster.received(deleteGroups).length, 1);
});

test("client reports CLIENT_UNKNOWN_NODE for a broker that is not part of the cluster", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client();
  const error = await cluster.world.clock.until(failureOf(client.request(99, deleteGroups, ASK)));
  assert.ok(hasFaultCode(error, "CLIENT_UNKNOWN_NODE"));
});

test("client reconnects with backoff after failures and at once after a long life", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(deleteGroups, () => ANSWER);
  await using client = await cluster.client();
  const { clock } = cluster.world;
  await clock.until(client.request(2, deleteGroups, ASK));
  await clock.run(5_000);
  await cluster.broker(2).stop();
  await clock.run(0);
  const failures = [];
  const startMs = clock.monotonicMs();
  for (let i = 0; i < 8; i++) failures.push(await clock.until(failureOf(client.request(2, deleteGroups, ASK))));
  assert.ok(failures.every((error) => hasFaultCode(error, "NETWORK_REFUSED")));
  const tookMs = clock.monotonicMs() - startMs;
  assert.ok(tookMs > 500 && tookMs < 5_000, `${tookMs}`);
  await cluster.broker(2).start();
  await clock.until(client.request(2, deleteGroups, ASK));
  assert.ok(clock.monotonicMs() - startMs < 7_000);
});

test("client does not use a connection again that was idle for minutes", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(deleteGroups, () => ANSWER);
  await using client = await cluster.client({ metadataMaxAgeMs: 3_600_000 });
  const { clock } = cluster.world;
  const ask = async (): Promise<number> => {
    await clock.until(client.request(2, deleteGroups, ASK));
    return cluster.broker(2).accepted;
  };
  const first = await ask();
  await clock.run(179_000);
  assert.equal(await ask(), first);
  await clock.run(181_000);
  assert.equal(await ask(), first + 1);
  assert.equal(cluster.broker(2).connections.size, 1);
});

test("client follows a broker to its new address", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(deleteGroups, () => ANSWER);
  await using client = await cluster.client();
  const { clock } = cluster.world;
  await clock.until(client.request(2, deleteGroups, ASK));
  const old = cluster.broker(2);
  cluster.brokers.set(2, cluster.broker(3));
  cluster.brokers.delete(3);
  await clock.until(client.metadata.refresh("moved"));
  await clock.run(0);
  assert.equal(old.connections.size, 0);
  await clock.until(client.request(2, deleteGroups, ASK));
  assert.equal(cluster.broker(2).received(deleteGroups).length, 1);
});

test("client rejects everything pending when closed and leaves nothing behind", async () => {
  await using cluster = await FakeCluster.open();
  const client = await cluster.client();
  const { clock, network } = cluster.world;
  const pending = failureOf(client.request(1, deleteGroups, ASK));
  await clock.run(0);
  const refresh = failureOf(client.metadata.refresh("x"));
  await client.close();
  await client.close();
  assert.ok(hasFaultCode(await clock.until(pending), "CLIENT_CLOSED"));
  assert.notEqual((await clock.until(refresh)).message, "it succeeded");
  assert.ok(hasFaultCode(await failureOf(client.request(1, deleteGroups, ASK)), "CLIENT_CLOSED"));
  await clock.run(100);
  assert.equal(clock.pending, 0);
  assert.equal(network.connectionCount, 0);
});

test("client gives up waiting for a connection when aborted, while others get it", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(deleteGroups, () => ANSWER);
  await using client = await cluster.client();
  const { clock, network } = cluster.world;
  network.setLinks("", "b2", { mode: "held" });
  const controller = new AbortController();
  const left = failureOf(client.request(2, deleteGroups, ASK, { signal: controller.signal }));
  const stays = client.request(2, deleteGroups, ASK);
  await clock.run(100);
  const reason = new Error("enough");
  controller.abort(reason);
  assert.equal(await left, reason);
  network.setLinks("", "b2", { mode: "open" });
  assert.deepEqual(await clock.until(stays), ANSWER);
});

test("client asks for metadata again after a broker failed", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client();
  const { clock } = cluster.world;
  await cluster.broker(2).stop();
  const before = cluster.received(metadata).length;
  await clock.until(failureOf(client.request(2, fetchApi, emptyFetch())));
  await clock.run(1_000);
  assert.ok(cluster.received(metadata).length > before);
});

function emptyFetch() {
  return { maxWaitMs: 0, minBytes: 0, maxBytes: 0, isolationLevel: 0, topics: [] };
}
