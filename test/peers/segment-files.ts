/** Apache Kafka's own dump tool reads the files of our log, and those of an archive that was exported: data, markers, indexes. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { embeddedSegments } from "../../src/adapters/embedded-segments.ts";
import { createMemoryStore } from "../../src/adapters/memory-store.ts";
import { nodeStorage } from "../../src/adapters/node-storage.ts";
import type { Uuid } from "../../src/core/brand.ts";
import { readHead } from "../../src/tier/archive.ts";
import { readCatalog } from "../../src/tier/catalog.ts";
import { exportPartition } from "../../src/tier/export.ts";
import { offloadOnce } from "../../src/tier/offload.ts";
import { verifyPartition } from "../../src/tier/verify.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { DIRECTORY, HandClock } from "../unit/broker/log/log-fixture.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";
import { assertMixedLog, dumpedLines, openMixedLog } from "./mixed-log.ts";

const skip = apacheKafkaMissing() ?? false;
const timeout = 120_000;

function temporary(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "tributary-segments-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

test("Apache Kafka's dump tool finds nothing wrong with the files of a log", { skip, timeout }, async () => {
  using root = temporary();
  await openMixedLog(nodeStorage(root.path)).close();
  const lines = await dumpedLines(join(root.path, DIRECTORY));
  assertMixedLog(lines);
  assert.ok(lines.some((line) => /^producerId: 8 .*lastSequence: /.test(line)));
});

test("Apache Kafka's dump tool finds nothing wrong with an exported archive", { skip, timeout }, async () => {
  using root = temporary();
  await using log = openMixedLog(nodeStorage(root.path));
  log.roll();
  const partitions = [{ index: 0, settings: { compacts: false }, lastStableOffset: log.endOffset, log }];
  const topics = [{ name: "mixed", topicId: "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid, partitions }];
  const [store, random, clock] = [createMemoryStore(), seededRandom(1), new HandClock()];
  clock.ms += 60_000; // its records are from the past
  await offloadOnce({ olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" }, () => true, {
    source: embeddedSegments({ clusterId: "c", topics: () => topics }),
    store,
    random,
    clock,
  });
  const [entry] = await readCatalog(store);
  assert.ok(entry !== undefined);
  assert.deepEqual((await verifyPartition(entry, { share: 1, nowMs: Date.now() }, { store, random })).findings, []);
  const head = await readHead(store, entry.partition);
  assert.ok(head !== undefined && head.manifest.segments.at(-1)?.nextOffset === log.endOffset);
  const place = { storage: nodeStorage(root.path), directory: "out" };
  const { directory, segments } = await exportPartition(head.manifest, place, store);
  assertMixedLog(await dumpedLines(join(root.path, directory)));
  const checkpoint = readFileSync(join(root.path, directory, "leader-epoch-checkpoint"), "utf8");
  assert.match(checkpoint, /^0\n3\n0 0\n1 \d+\n2 \d+\n$/);
  assert.equal((await exportPartition(head.manifest, place, store)).segmentsKept, segments);
});
