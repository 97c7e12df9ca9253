/** A fetch session names only what changed, and begins anew when the broker lost it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type FetchPartition, fetchInSession } from "../../../src/client/fetch.ts";
import { FetchSession } from "../../../src/client/fetch-session.ts";
import type { KafkaClient } from "../../../src/client/kafka-client.ts";
import type { Uuid } from "../../../src/core/brand.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { FakeCluster, TOPIC_ID } from "./fake-cluster.ts";

const READ = { maxWaitMs: 500, minBytes: 1, maxBytes: 1_000, isolation: "read_committed" } as const;
const OTHER_ID = "AAAAAAAAAAAAAAAAAAAAAg" as Uuid;

function at(index: number, fetchOffset = 0n, topicId: Uuid = TOPIC_ID): FetchPartition {
  return { topic: "t", topicId, index, fetchOffset, lastFetchedEpoch: 4, currentLeaderEpoch: -1, maxBytes: 100 };
}

/** A broker that answers with these, one after the other, and what it was asked. */
async function openBroker(answers: readonly { readonly errorCode?: number; readonly sessionId?: number }[]) {
  const cluster = await FakeCluster.open(1);
  let next = 0;
  cluster.broker(1).on(fetchApi, ({ connection }) => {
    const answer = answers[next++];
    if (answer === undefined) connection.destroy();
    return answer && { throttleMs: 0, errorCode: 0, sessionId: 0, topics: [], ...answer };
  });
  const client = await cluster.client();
  const session = new FetchSession();
  const fetchOnce = () => cluster.world.clock.until(fetchInSession(client, 1, { ...READ, session }));
  return {
    session,
    fetchOnce,
    asked: () =>
      cluster
        .broker(1)
        .received(fetchApi)
        .map(({ body }) => summary(body)),
    [Symbol.asyncDispose]: () => closed(client, cluster),
  };
}

async function closed(client: KafkaClient, cluster: FakeCluster): Promise<void> {
  await client.close();
  await cluster[Symbol.asyncDispose]();
}

interface Body {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly topics: readonly {
    readonly partitions: readonly { readonly index: number; readonly fetchOffset: bigint }[];
  }[];
  readonly forgottenTopics: readonly { readonly partitions: readonly number[] }[];
}

/** `id/epoch: partition@offset, ... -forgotten`. */
function summary({ sessionId, sessionEpoch, topics, forgottenTopics }: Body): string {
  const read = topics.flatMap(({ partitions }) =>
    partitions.map(({ index, fetchOffset }) => `${index}@${fetchOffset}`),
  );
  const forgotten = forgottenTopics.flatMap(({ partitions }) => partitions.map((index) => `-${index}`));
  return [`${sessionId}/${sessionEpoch}:`, ...read, ...forgotten].join(" ");
}

test("fetch session names all partitions once, and then only what changed", async () => {
  await using broker = await openBroker([{ sessionId: 7 }, { sessionId: 7 }, { sessionId: 7 }, { sessionId: 7 }]);
  const { session, fetchOnce } = broker;
  for (const index of [0, 1, 2]) session.put(at(index));
  await fetchOnce();
  await fetchOnce();
  session.put(at(1, 5n));
  session.drop(at(2));
  await fetchOnce();
  session.put(at(2, 9n));
  await fetchOnce();
  assert.deepEqual(broker.asked(), ["0/0: 0@0 1@0 2@0", "7/1:", "7/2: 1@5 -2", "7/3: 2@9"]);
});

test("fetch session that forgets a partition and takes it back before it asks only moves it", async () => {
  await using broker = await openBroker([{ sessionId: 7 }, { sessionId: 7 }]);
  const { session, fetchOnce } = broker;
  session.put(at(0));
  await fetchOnce();
  session.drop(at(0));
  session.put(at(0, 3n));
  await fetchOnce();
  assert.deepEqual(broker.asked(), ["0/0: 0@0", "7/1: 0@3"]);
});

test("fetch session that the broker has forgotten is opened anew with all partitions", async () => {
  const lost = { errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND };
  await using broker = await openBroker([{ sessionId: 7 }, lost, { sessionId: 8 }, { sessionId: 8 }]);
  const { session, fetchOnce } = broker;
  for (const index of [0, 1]) session.put(at(index));
  await fetchOnce();
  session.put(at(1, 5n));
  assert.deepEqual(await fetchOnce(), []);
  await fetchOnce();
  await fetchOnce();
  assert.deepEqual(broker.asked(), ["0/0: 0@0 1@0", "7/1: 1@5", "0/0: 0@0 1@5", "8/1:"]);
});

test("fetch session whose request failed is ended and opened anew, because nobody knows what the broker heard", async () => {
  await using broker = await openBroker([{ sessionId: 7 }]);
  const { session, fetchOnce } = broker;
  session.put(at(0));
  await fetchOnce();
  session.put(at(0, 5n));
  await assert.rejects(fetchOnce());
  await assert.rejects(fetchOnce());
  assert.deepEqual(broker.asked(), ["0/0: 0@0", "7/1: 0@5", "7/0: 0@5"]);
});

test("fetch session of a broker that gives none names all partitions every time", async () => {
  await using broker = await openBroker([{}, {}]);
  const { session, fetchOnce } = broker;
  session.put(at(0));
  session.put(at(1));
  await fetchOnce();
  session.drop(at(1));
  await fetchOnce();
  assert.deepEqual(broker.asked(), ["0/0: 0@0 1@0", "0/0: 0@0"]);
});

test("fetch session tells a refusal that opening it anew cannot mend", async () => {
  await using broker = await openBroker([{ errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED }]);
  broker.session.put(at(0));
  await assert.rejects(broker.fetchOnce(), (error) => hasFaultCode(error, "CLIENT_BROKER_ERROR"));
});

test("fetch session keeps two incarnations of a topic apart", async () => {
  await using broker = await openBroker([{ sessionId: 7 }]);
  broker.session.put(at(0, 1n));
  broker.session.put(at(0, 2n, OTHER_ID));
  await broker.fetchOnce();
  assert.deepEqual(broker.asked(), ["0/0: 0@1 0@2"]);
  assert.equal(broker.session.refs.of({ name: "", topicId: TOPIC_ID }).topicId, TOPIC_ID);
  assert.equal(broker.session.refs.of({ name: "", topicId: OTHER_ID }).topicId, OTHER_ID);
});
