/** `tributary tier offload` on an existing cluster, for which an embedded region stands. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { openFsStore } from "../../src/adapters/fs-store.ts";
import { deleteTopicById } from "../../src/client/admin.ts";
import { commitOffsets } from "../../src/client/groups.ts";
import { logBounds } from "../../src/client/list-offsets.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { readCatalog } from "../../src/tier/catalog.ts";
import { groupsAt } from "../../src/tier/groups.ts";
import type { ObjectStore } from "../../src/tier/ports.ts";
import { readTopicRecord } from "../../src/tier/topic-record.ts";
import { type EmbeddedSide, MirrorWorld } from "./mirror-world.ts";
import { archivedBytes, clusterBytes, manifestOf } from "./offload-world.ts";

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const TOPIC = "orders";

/** A topology of that one cluster in a directory of its own. */
class Offloads implements Disposable {
  readonly #root = mkdtempSync(join(tmpdir(), "offload-"));
  readonly #bootstrap: string;

  constructor({ region }: EmbeddedSide) {
    this.#bootstrap = region.endpoints.map(({ host, port }) => `"${host}:${port}"`).join(", ");
  }

  /** Its store. */
  store(): Promise<ObjectStore> {
    return openFsStore(join(this.#root, "cold"));
  }

  /** The JSON that the command prints under a rule. */
  async offload(rule: string, ...args: readonly string[]) {
    const file = join(this.#root, "t.yaml");
    const tiering = `{region: plant, topics: ["*"], store: "file://${this.#root}/cold", ${rule}}`;
    const regions = `  plant: {brokers: [${this.#bootstrap}]}`;
    writeFileSync(file, `version: 1\nname: t\nregions:\n${regions}\ntiering:\n  - ${tiering}\n`);
    const command = [MAIN, "-t", file, "--state", join(this.#root, "state"), "-q", "-o", "json", "tier", "offload"];
    const { stdout } = await run(process.execPath, [...command, ...args], { timeout: 60_000 });
    return JSON.parse(stdout);
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}

async function startOf({ client }: EmbeddedSide): Promise<bigint | undefined> {
  return (await logBounds(client, [{ topic: TOPIC, index: 0 }]))[0]?.startOffset;
}

test("tier offload archives a cluster and deletes there what its rule and its groups let go, after telling so", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("west");
  await world.topic(side, TOPIC, 1, { "retention.ms": "86400000" });
  using offloads = new Offloads(side);
  for (let i = 0; i < 10; i++) await world.produce(side, TOPIC, 0, 10);
  const expected = await clusterBytes(side.client, TOPIC, 0);

  const first = await offloads.offload("deleteLocal: never", "--close");
  assert.equal(first.regions[0].segments_offloaded, 1);
  const [row] = first.partitions;
  assert.deepEqual([row.topic, row.archived_to, row.cluster_end, row.lag, row.error], [TOPIC, "100", "100", "0", null]);
  assert.equal(await startOf(side), 0n);
  const store = await offloads.store();
  const [entry] = await readCatalog(store);
  assert.ok(entry !== undefined);
  assert.deepEqual(await archivedBytes(store, await manifestOf(store, entry.partition)), expected);
  const record = await readTopicRecord(store, entry.partition);
  assert.deepEqual([record?.partitions, record?.configs.get("retention.ms")], [1, "86400000"]);

  const rule = "deleteLocal: after-verify, margin: 15";
  const dry = await offloads.offload(rule, "--dry-run");
  assert.deepEqual([dry.deletions[0].to_offset, dry.deletions[0].limit], ["85", "margin"]);
  assert.equal(await startOf(side), 0n, "a dry run deletes nothing");

  await commitOffsets(side.client, "readers", { offsets: [{ topic: TOPIC, index: 0, committedOffset: 42n }] });
  const guarded = await offloads.offload(rule);
  assert.deepEqual([guarded.deletions[0].to_offset, guarded.deletions[0].limit], ["42", "group readers"]);
  assert.equal(await startOf(side), 42n);
  assert.equal((await groupsAt(store, side.region.clusterId))?.groups[0]?.commits[0]?.offset, 42n);

  const unguarded = await offloads.offload(`${rule}, unread: delete, cold: {olderThan: 0s, keepLocal: 0B}`);
  assert.equal(unguarded.deletions[0].refusal, null);
  assert.equal(await startOf(side), 85n);
  const kept = await offloads.offload("deleteLocal: after-verify, margin: 0, unread: delete, cold: {keepLocal: 1MiB}");
  assert.deepEqual(kept.deletions, []);
  assert.deepEqual(await archivedBytes(store, await manifestOf(store, entry.partition)), expected);
});

test("tier offload deletes nothing of a topic whose archive is not as it was verified", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("west");
  await world.topic(side, TOPIC, 1);
  using offloads = new Offloads(side);
  for (let i = 0; i < 10; i++) await world.produce(side, TOPIC, 0, 10);
  await offloads.offload("deleteLocal: never", "--close");
  const store = await offloads.store();
  const [entry] = await readCatalog(store);
  assert.ok(entry !== undefined);
  const key = (await manifestOf(store, entry.partition))?.segments[0]?.key ?? "";
  const bytes = await store.get(`${key}.log`);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  await store.put(`${key}.log`, bytes);
  const damaged = await offloads.offload("deleteLocal: after-verify, margin: 0");
  assert.match(damaged.deletions[0].refusal, /SHA-256/);
  assert.equal(await startOf(side), 0n);
  await store.remove(`${key}.log`);
  const { deletions } = await offloads.offload("deleteLocal: after-verify, margin: 0");
  assert.match(deletions[0].refusal, /is not in the store as it was verified/);
  assert.equal(await startOf(side), 0n);
});

test("tier offload writes Parquet files of what it archived where its rule says so, and fails when it cannot", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("west");
  await world.topic(side, TOPIC, 1);
  using offloads = new Offloads(side);
  for (let i = 0; i < 10; i++) await world.produce(side, TOPIC, 0, 10);
  const { rules } = await offloads.offload(
    "deleteLocal: never, parquet: {text: true, jsonColumns: [id:int64]}",
    "--close",
  );
  assert.deepEqual([rules[0].parquet.files, rules[0].parquet.rows, rules[0].parquet.failure], [1, 100, null]);
  const store = await offloads.store();
  const [file = ""] = await store.list("parquet/topic=orders/");
  const [entry] = await readCatalog(store);
  assert.ok(entry !== undefined);
  const key = (await manifestOf(store, entry.partition))?.segments[0]?.key ?? "";
  await store.remove(file);
  await store.put(`${key}.log`, Buffer.alloc(10));
  await assert.rejects(
    offloads.offload("deleteLocal: never, parquet: {}"),
    ({ code, stderr }: Error & { readonly code: number; readonly stderr: string }) =>
      code === 1 && /^.*orders-0 at 0 has no Parquet file: .+$/m.test(stderr),
  );
  assert.deepEqual(await store.list("parquet/"), []);
});

test("tier offload takes the archive of a deleted topic out after its grace, and never that of one it may not see", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("west");
  await world.topic(side, TOPIC, 1);
  using offloads = new Offloads(side);
  await world.produce(side, TOPIC, 0, 10);
  const rule = "deleteLocal: never, onTopicDeleted: delete";
  await offloads.offload(rule, "--close");
  const store = await offloads.store();
  const segments = async () => {
    const [entry] = await readCatalog(store);
    return entry === undefined ? undefined : (await manifestOf(store, entry.partition))?.segments.length;
  };
  // Not in the list of all topics, and denied when it is asked for, as of somebody who lost the right to see it.
  const restore = side.region.faults.control(
    3,
    ({ body }) => {
      const { topics } = body as { readonly topics: readonly { readonly name: string | null }[] | null };
      if (topics?.every(({ name }) => name !== TOPIC)) return undefined;
      const denied = { ...{ errorCode: 29, name: TOPIC, topicId: ZERO_UUID, isInternal: false, partitions: [] } };
      const [broker] = side.region.endpoints;
      const brokers = [{ nodeId: 1, host: broker?.host ?? "", port: broker?.port ?? 0, rack: null }];
      const { clusterId } = side.region;
      const response = { throttleMs: 0, brokers, clusterId, controllerId: 1, topics: topics === null ? [] : [denied] };
      return { kind: "answer", response };
    },
    { stays: true },
  );
  const hidden = await offloads.offload(`${rule}, grace: 0s`, "--dry-run");
  assert.deepEqual(hidden.missing_topics, []);
  for (let round = 0; round < 2; round++) await offloads.offload(`${rule}, grace: 0s`);
  assert.equal(await segments(), 1);
  restore();

  const topicId = side.region.topics().find(({ name }) => name === TOPIC)?.topicId ?? ZERO_UUID;
  assert.equal((await deleteTopicById(side.client, topicId)).errorCode, 0);
  const dry = await offloads.offload(rule, "--dry-run");
  assert.deepEqual(
    dry.missing_topics.map(({ topic, segments, goes_at }: Record<string, unknown>) => [topic, segments, goes_at]),
    [[TOPIC, 1, null]],
  );
  await offloads.offload(rule);
  assert.equal(await segments(), 1, "its grace is a day");
  const due = await offloads.offload(rule, "--dry-run");
  assert.ok(Date.parse(due.missing_topics[0].goes_at) > Date.now());
  const { rules } = await offloads.offload(`${rule}, grace: 1ms`);
  assert.equal(rules[0].upkeep.segments_of_deleted_topics, 1);
  assert.ok(((await segments()) ?? 0) === 0);
});
