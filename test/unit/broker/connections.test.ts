/** What a broker does with a connection: versions, order of answers, and requests that are none. */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { HANDLERS } from "../../../src/broker/handlers.ts";
import { type LogFields, type Logger, silentLogger } from "../../../src/core/logger.ts";
import { produce } from "../../../src/wire/apis/00-produce.ts";
import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { metadata } from "../../../src/wire/apis/03-metadata.ts";
import { apiVersions } from "../../../src/wire/apis/18-api-versions.ts";
import { batchOf, fetched, openTestRegion, send } from "./region-fixture.ts";

function recordingLogger(): { readonly logger: Logger; readonly warnings: LogFields[] } {
  const warnings: LogFields[] = [];
  const logger: Logger = {
    ...silentLogger,
    warn: (_message, fields = {}) => warnings.push(fields),
    child: () => logger,
  };
  return { logger, warnings };
}

function frame(...parts: readonly number[]): Buffer {
  const body = Buffer.from(parts);
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length);
  return Buffer.concat([length, body]);
}

test("supported APIs are the files in the folder of handlers", () => {
  const files = readdirSync(new URL("../../../src/broker/apis/", import.meta.url));
  const keys = files.map((name) => Number(name.slice(0, 2))).sort((a, b) => a - b);
  assert.deepEqual(
    keys,
    [...HANDLERS.keys()].sort((a, b) => a - b),
  );
});

test("ApiVersions lists every handler, and Produce from version 0 as Kafka does", async () => {
  await using world = await openTestRegion({ brokers: 1 });
  const client = await world.connect(1);
  const named = { clientSoftwareName: "t", clientSoftwareVersion: "1" };
  const { apiKeys } = await client.ask(apiVersions, 3, named);
  assert.deepEqual(
    apiKeys.map(({ apiKey }) => apiKey),
    [...HANDLERS.keys()],
  );
  assert.equal(apiKeys.find(({ apiKey }) => apiKey === produce.key)?.minVersion, 0);
});

for (const [what, bytes] of [
  ["a frame of 2 GiB", Buffer.from([0x7f, 0xff, 0xff, 0xff])],
  ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ["a TLS handshake", Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])],
  ["a negative length", Buffer.from([0xff, 0xff, 0xff, 0xff])],
  ["a cut header", frame(0, 3, 0)],
  ["an unknown API", frame(0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff)],
  ["an unknown version", frame(0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff)],
  ["Produce version 0", frame(0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff)],
  ["a cut body", frame(0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0)],
] as const) {
  test(`${what} closes the connection with one line in the log, and nobody else notices`, async () => {
    const { logger, warnings } = recordingLogger();
    await using world = await openTestRegion({ brokers: 1 }, { logger });
    const other = await world.connect(1);
    const client = await world.connect(1);
    client.write(bytes);
    await client.ended;
    assert.equal(warnings.length, 1);
    assert.equal((await other.ask(metadata, 12, { topics: [] })).brokers.length, 1);
  });
}

test("answers come in the order of the requests although a fetch waits", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", { assignment: [1, 2, 3] });
  const client = await world.leader("orders");
  const order: string[] = [];
  const waiting = client.send(fetchApi, 12, {
    ...{ maxWaitMs: 1_000, minBytes: 1, maxBytes: 1_000, isolationLevel: 0 },
    topics: [{ name: "orders", partitions: [{ index: 0, fetchOffset: 0n, partitionMaxBytes: 1_000 }] }],
  });
  const behind = client.send(metadata, 12, { topics: [] });
  void waiting.then(() => order.push("fetch"));
  void behind.then(() => order.push("metadata"));
  await fetched(await world.leader("orders"), "orders");
  assert.deepEqual(order, []);
  await send(await world.leader("orders"), "orders", batchOf(["a"]));
  await Promise.all([waiting, behind]);
  assert.deepEqual(order, ["fetch", "metadata"]);
});

test("connection above the limit is refused and the others stay", async () => {
  await using world = await openTestRegion({ brokers: 1, brokerConfigs: { "max.connections": "1" } });
  const first = await world.connect(1);
  const second = await world.connect(1);
  await second.ended;
  assert.equal((await first.ask(metadata, 12, { topics: [] })).brokers.length, 1);
});

test("stopped broker cuts its connections and comes back on its former port", async () => {
  await using world = await openTestRegion();
  const before = world.region.endpoints;
  const client = await world.connect(2);
  await world.region.stopBroker(2);
  await client.ended;
  assert.deepEqual(world.region.runningBrokers, [1, 3]);
  await world.region.stopBroker(2);
  await Promise.all([world.region.startBroker(2), world.region.startBroker(2)]);
  await world.region.startBroker(2);
  assert.deepEqual(world.region.endpoints, before);
  assert.equal((await (await world.connect(2)).ask(metadata, 12, { topics: [] })).brokers.length, 3);
});

test("acks=0 gets no answer, and a refusal closes the connection", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", { assignment: [1, 2, 3] });
  const body = (name: string) => ({
    transactionalId: null,
    acks: 0,
    timeoutMs: 0,
    topics: [{ name, partitions: [{ index: 0, records: batchOf(["a"]).bytes }] }],
  });
  const client = await world.leader("orders");
  void client.send(produce, 9, body("orders"));
  assert.equal((await fetched(client, "orders")).batches.length, 1);
  void client.send(produce, 9, body("nowhere"));
  await client.ended;
});
