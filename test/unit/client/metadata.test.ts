/** What the client knows of the cluster, how soon it notices changes, and whom it asks. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { KafkaClient } from "../../../src/client/kafka-client.ts";
import type { Uuid } from "../../../src/core/brand.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { type Logger, silentLogger } from "../../../src/core/logger.ts";
import { metadata } from "../../../src/wire/apis/03-metadata.ts";
import { FakeBroker, type Received } from "./fake-broker.ts";
import { FakeCluster, TOPIC_ID } from "./fake-cluster.ts";

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => new Error("it succeeded"),
    (error: Error) => error,
  );
}

test("metadata learns cluster, brokers and controller from the first bootstrap broker that answers", async () => {
  await using cluster = await FakeCluster.open();
  await cluster.broker(1).stop();
  await using client = await cluster.client();
  assert.equal(client.metadata.clusterId, "fake-cluster");
  assert.equal(client.metadata.controllerId, 1);
  assert.deepEqual([...client.metadata.brokers.keys()], [1, 2, 3]);
  assert.equal(cluster.received(metadata).length, 1);
});

test("metadata asks the next bootstrap broker after a second when one hangs", async () => {
  await using cluster = await FakeCluster.open();
  cluster.broker(1).on(metadata, () => undefined);
  const startMs = cluster.world.clock.monotonicMs();
  await using client = await cluster.client();
  assert.equal(client.metadata.clusterId, "fake-cluster");
  assert.equal(cluster.world.clock.monotonicMs() - startMs, 1_000);
});

test("metadata asks the next bootstrap broker after a second when one cannot be connected", async () => {
  await using cluster = await FakeCluster.open();
  cluster.world.network.setLinks("", "b1", { mode: "lost" });
  const startMs = cluster.world.clock.monotonicMs();
  await using client = await cluster.client();
  assert.equal(client.metadata.clusterId, "fake-cluster");
  assert.equal(cluster.world.clock.monotonicMs() - startMs, 1_000);
});

test("client reports CLIENT_UNREACHABLE with bootstrap list and cause when no broker answers", async () => {
  await using cluster = await FakeCluster.open(2);
  await cluster.broker(1).stop();
  await cluster.broker(2).stop();
  const opening = KafkaClient.open({ bootstrap: cluster.bootstrap, clientId: "test" }, cluster.world);
  const error = await cluster.world.clock.until(failureOf(opening));
  assert.ok(hasFaultCode(error, "CLIENT_UNREACHABLE"));
  assert.match(error.message, /b1:9092,b2:9092/);
  assert.match(error.message, /NETWORK_REFUSED/);
  assert.equal(cluster.world.clock.pending, 0);
});

test("metadata coalesces refreshes that wait and never joins one that has begun", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client();
  const { clock } = cluster.world;
  await clock.run(1_000);
  const before = cluster.received(metadata).length;
  const first = client.metadata.refresh("first");
  const joined = client.metadata.refresh("joined");
  assert.equal(first, joined);
  await clock.run(0);
  cluster.topic("t").leaders[0] = { leaderId: 3, leaderEpoch: 6 };
  client.metadata.track(["t"]);
  const second = client.metadata.refresh("second");
  const third = client.metadata.refresh("third");
  await clock.until(Promise.all([first, second, third]));
  assert.equal(cluster.received(metadata).length - before, 2);
  assert.equal(client.metadata.leaderOf("t", 0)?.leaderId, 3);
});

test("metadata asks at most twenty times a second, however often it is found stale", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client();
  const { clock } = cluster.world;
  const before = cluster.received(metadata).length;
  for (let elapsedMs = 0; elapsedMs < 1_000; elapsedMs++) {
    client.metadata.markStale("storm");
    await clock.run(1);
  }
  const asked = cluster.received(metadata).length - before;
  assert.ok(asked >= 15 && asked <= 20, `${asked}`);
});

test("metadata answers from the cache and knows topics by name and id once they are required", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client();
  assert.equal(client.metadata.topic("t"), undefined);
  const [topic] = await cluster.world.clock.until(client.metadata.require(["t"]));
  assert.equal(topic?.topicId, TOPIC_ID);
  assert.equal(client.metadata.topicById(TOPIC_ID), topic);
  const before = cluster.received(metadata).length;
  await client.metadata.require(["t"]);
  assert.equal(cluster.received(metadata).length, before);
});

test("metadata never asks for topics to be created", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client();
  await cluster.world.clock.until(failureOf(client.metadata.require(["nope"])));
  assert.ok(cluster.received(metadata).every(({ body }) => body.allowAutoTopicCreation === false));
});

test("metadata reports an unknown topic after one question and finds it once it exists", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client();
  const { clock } = cluster.world;
  const error = await clock.until(failureOf(client.metadata.require(["new"])));
  assert.ok(hasFaultCode(error, "CLIENT_UNKNOWN_TOPIC"));
  cluster.topics.set("new", { topicId: TOPIC_ID, leaders: [{ leaderId: 1, leaderEpoch: 0 }] });
  await clock.until(client.metadata.require(["new"]));
  assert.equal(client.metadata.leaderOf("new", 0)?.leaderId, 1);
});

test("metadata stops asking for a topic that does not exist when nobody has needed it for minutes", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client({ metadataMaxAgeMs: 60_000 });
  const { clock } = cluster.world;
  await clock.until(failureOf(client.metadata.require(["new", "t"])));
  const asked = () =>
    cluster
      .received(metadata)
      .at(-1)
      ?.body.topics.map(({ name }: { name: string }) => name);
  await clock.run(200_000);
  assert.deepEqual(asked(), ["new", "t"]);
  await clock.run(300_000);
  assert.deepEqual(asked(), ["t"]);
  assert.equal(client.metadata.view.topicErrors.size, 0);
});

test("metadata reports a topic that it may not see as refused", async () => {
  await using cluster = await FakeCluster.open();
  cluster.topic("t").errorCode = 29;
  await using client = await cluster.client();
  const error = await cluster.world.clock.until(failureOf(client.metadata.require(["t"])));
  assert.match(error.message, /TOPIC_AUTHORIZATION_FAILED/);
});

test("metadata ignores leaders older than those it knows, unless the topic was recreated", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client();
  const { clock } = cluster.world;
  await clock.until(client.metadata.require(["t"]));
  client.metadata.learnLeaders([{ topic: "t", index: 0, leaderId: 2, leaderEpoch: 9 }], []);
  client.metadata.learnLeaders([{ topic: "t", index: 0, leaderId: 3, leaderEpoch: 8 }], []);
  client.metadata.learnLeaders([{ topic: "t", index: 7, leaderId: 3, leaderEpoch: 8 }], []);
  assert.equal(client.metadata.leaderOf("t", 0)?.leaderId, 2);
  await clock.until(client.metadata.refresh("answer of epoch 5"));
  assert.deepEqual([client.metadata.leaderOf("t", 0)?.leaderId, client.metadata.leaderOf("t", 0)?.leaderEpoch], [2, 9]);
  cluster.topic("t").topicId = "BBBBBBBBBBBBBBBBBBBBBB" as Uuid;
  await clock.until(client.metadata.refresh("recreated"));
  assert.equal(client.metadata.leaderOf("t", 0)?.leaderId, 1);
  assert.equal(client.metadata.topicById(TOPIC_ID), undefined);
});

test("metadata knows no leader while there is none, and waits for one", async () => {
  await using cluster = await FakeCluster.open();
  cluster.topic("t").leaders[0] = { leaderId: -1, leaderEpoch: 5 };
  await using client = await cluster.client();
  const { clock } = cluster.world;
  await clock.until(client.metadata.require(["t"]));
  assert.equal(client.metadata.leaderOf("t", 0), undefined);
  const waiting = client.metadata.waitFor(() => client.metadata.leaderOf("t", 0)?.leaderId);
  await clock.run(500);
  cluster.topic("t").leaders[0] = { leaderId: 2, leaderEpoch: 6 };
  assert.equal(await clock.until(waiting), 2);
});

test("metadata gives up waiting in time", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client();
  const { clock } = cluster.world;
  const waiting = failureOf(client.metadata.waitFor(() => undefined, { timeoutMs: 3_000 }));
  assert.ok(hasFaultCode(await clock.until(waiting), "CLIENT_TIMEOUT"));
  assert.ok(clock.monotonicMs() <= 3_100);
});

test("metadata refuses answers of another cluster", async () => {
  await using cluster = await FakeCluster.open(1);
  await using client = await cluster.client();
  cluster.clusterId = "somebody-else";
  const error = await cluster.world.clock.until(failureOf(client.metadata.refresh("moved")));
  assert.ok(hasFaultCode(error, "CLIENT_OTHER_CLUSTER"));
  assert.equal(client.metadata.clusterId, "fake-cluster");
});

test("metadata falls back to the bootstrap list when every known broker is gone", async () => {
  await using cluster = await FakeCluster.open(3);
  await using client = await cluster.client({
    bootstrap: [{ host: "front", port: 1 }, ...cluster.bootstrap.slice(0, 1)],
  });
  const { clock, network } = cluster.world;
  // The brokers are reachable under another address only.
  await using front = await FakeBroker.listen({ host: "front", port: 1 }, { clock, network });
  front.on(metadata, (request) => cluster.metadataAnswer(request));
  for (const broker of cluster.brokers.values()) await broker.stop();
  await clock.until(client.metadata.refresh("brokers gone"));
  assert.equal(front.received(metadata).length, 1);
});

test("metadata refreshes by itself when it has become old", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client({ metadataMaxAgeMs: 10_000 });
  const { clock } = cluster.world;
  await clock.until(client.metadata.require(["t"]));
  cluster.topic("t").leaders[0] = { leaderId: 2, leaderEpoch: 6 };
  await clock.run(10_500);
  assert.equal(client.metadata.leaderOf("t", 0)?.leaderId, 2);
  await client.close();
  await clock.run(10);
  assert.equal(clock.pending, 0);
});

test("metadata drops topics that an answer about all topics no longer names", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client();
  const { clock } = cluster.world;
  cluster.topics.set("gone", { topicId: "CCCCCCCCCCCCCCCCCCCCCC" as Uuid, leaders: [{ leaderId: 1, leaderEpoch: 0 }] });
  await clock.until(client.metadata.refresh("all", { all: true }));
  assert.deepEqual([...client.metadata.view.topics.keys()], ["t", "gone"]);
  cluster.topics.delete("gone");
  await clock.until(client.metadata.refresh("some"));
  assert.deepEqual([...client.metadata.view.topics.keys()], ["t", "gone"]);
  await clock.until(client.metadata.refresh("all", { all: true }));
  assert.deepEqual([...client.metadata.view.topics.keys()], ["t"]);
});

test("metadata lets a caller leave a refresh that others still wait for", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client();
  cluster.onAll(metadata, () => undefined);
  const controller = new AbortController();
  const left = failureOf(client.metadata.refresh("x", { signal: controller.signal }));
  await cluster.world.clock.run(100);
  const reason = new Error("enough");
  controller.abort(reason);
  assert.equal(await left, reason);
});

test("metadata logs a trouble when it begins and when it has passed, however many refreshes fail between", async () => {
  await using cluster = await FakeCluster.open(1);
  const lines: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    info: (message) => void lines.push(message),
    warn: (message) => void lines.push(message),
    child: () => logger,
  };
  const { clock } = cluster.world;
  await using client = await clock.until(
    KafkaClient.open({ bootstrap: cluster.bootstrap, clientId: "test" }, { ...cluster.world, logger }),
  );
  const answer = (request: Received) => cluster.metadataAnswer(request);
  cluster.onAll(metadata, () => undefined);
  for (let i = 0; i < 3; i++) {
    client.metadata.markStale("test");
    await clock.run(60_000);
  }
  cluster.onAll(metadata, answer);
  client.metadata.markStale("test");
  await clock.run(60_000);
  assert.deepEqual(lines, ["metadata refresh failed", "metadata refreshed again"]);
});
