/** A mirror of topics that a transactional producer writes: what is committed is copied once, in order, and nothing else. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Kafka, logLevel } from "kafkajs";
import { contents, eventually, MirrorWorld } from "./mirror-world.ts";

const TOPICS = ["orders", "bills"] as const;

test("flow copies committed transactions of an embedded region once, leaves aborted ones out, and waits for open ones", async () => {
  await using world = new MirrorWorld();
  const [west, central] = [await world.side("west"), await world.side("central")];
  for (const topic of TOPICS) await world.topic(west, topic, 1);
  const brokers = west.region.endpoints.map(({ host, port }) => `${host}:${port}`);
  const kafka = new Kafka({ brokers, clientId: "app", logLevel: logLevel.NOTHING });
  const producers = ["one", "two"].map((transactionalId) =>
    kafka.producer({ transactionalId, maxInFlightRequests: 1, idempotent: true }),
  );
  for (const producer of producers) await producer.connect();
  const worker = await world.worker(west, central);
  const committed: string[] = [];
  for (let round = 0; round < 12; round++) {
    // Two writers take turns, so that a committed transaction often lies behind the records of an aborted one.
    const open = await Promise.all(producers.map((producer) => producer.transaction()));
    for (const [i, transaction] of open.entries())
      for (const topic of TOPICS) await transaction.send({ topic, messages: [{ value: `r${round} w${i}` }] });
    for (const [i, transaction] of open.entries()) {
      const isKept = (round + i) % 3 !== 0;
      await (isKept ? transaction.commit() : transaction.abort());
      if (isKept) committed.push(`r${round} w${i}`);
    }
  }
  const last = await producers[0]?.transaction();
  for (const topic of TOPICS) await last?.send({ topic, messages: [{ value: "open" }] });
  const seen = async (topic: string) => (await world.read(central, `west.${topic}`, 0)).map(({ value }) => value);
  const copiedAll = async () => (await seen("orders")).length + (await seen("bills")).length === committed.length * 2;
  await eventually(copiedAll, "everything committed is copied");
  for (const topic of TOPICS) assert.deepEqual(await seen(topic), committed);
  assert.ok(worker.flow.status.lanes.every(({ state }) => state === "copying"));
  await last?.commit();
  await eventually(
    async () => (await Promise.all(TOPICS.map(seen))).every((values) => values.at(-1) === "open"),
    "the open transaction is copied when it commits",
  );
  for (const topic of TOPICS)
    assert.deepEqual(
      contents(await world.read(central, `west.${topic}`, 0)),
      contents(await world.read(west, topic, 0)),
    );
  for (const producer of producers) await producer.disconnect();
});
