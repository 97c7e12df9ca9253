/** Apache Kafka's own clients on a served archive. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../src/adapters/memory-store.ts";
import {
  inOrder,
  openArchiveSource,
  readInGroup,
  type SeenRecord,
  START_MS,
  serveArchive,
  TOPIC,
  writeFlights,
} from "../support/archive-world.ts";
import { runJava } from "./java.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";

const skip = apacheKafkaMissing() ?? false;
const timeout = 120_000;
const COMMITTED = 400;

test("Apache Kafka's clients read a served archive as it was written, and are told why they may not change it", {
  skip,
  timeout,
}, async () => {
  const store = createMemoryStore();
  await using source = await openArchiveSource(store);
  await writeFlights(source);
  await source.archive();
  const written = inOrder(await readInGroup(source.kafka, { groupId: "before", records: COMMITTED }));
  await using served = await serveArchive(store);
  const { host, port } = served.server.endpoint;
  const lines = await runJava("ArchiveReader", [
    ...[`${host}:${port}`, TOPIC, String(COMMITTED), String(START_MS + 150_000)],
  ]);
  const rows = lines.map((line) => line.split("\t"));
  const fact = (name: string) => rows.find(([first]) => first === name)?.slice(1);
  const records = rows.filter(([first]) => first === "record");
  const seen = records.map(([, partition, offset = "", timestampMs, value = ""]): SeenRecord => {
    return { partition: Number(partition), offset, value: value.trimEnd(), timestampMs: Number(timestampMs) };
  });
  assert.deepEqual(inOrder(seen), written);
  assert.deepEqual(fact("topics"), [`[${TOPIC}]`]);
  assert.deepEqual([fact("earliest"), fact("latest"), fact("earliestLocal")], [["0"], ["320"], ["320"]]);
  assert.deepEqual([fact("latestTiered"), fact("maxTimestamp")], [["319"], ["318"]]);
  const atTime = written.find(({ timestampMs }) => timestampMs >= START_MS + 150_000)?.offset;
  assert.deepEqual(fact("at time"), [atTime]);
  const reason = `this server only reads the archive in ${store.location}`;
  for (const what of ["create", "delete", "produce"])
    assert.deepEqual(fact(what), ["PolicyViolationException", reason]);
  assert.equal(fact("delete records")?.[0], "PolicyViolationException");
  assert.equal(fact("transaction")?.[0], "TransactionalIdAuthorizationException");
});
