/** What is kept of groups and topics beside the archive, and for how long. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import type { Uuid } from "../../../src/core/brand.ts";
import { readCatalog } from "../../../src/tier/catalog.ts";
import {
  type CapturedGroup,
  captureGroups,
  decodeGroups,
  type GroupSnapshotRef,
  groupSnapshots,
  groupsAt,
  toForget,
} from "../../../src/tier/groups.ts";
import { captureTopics, readTopicRecord, type TopicShape } from "../../../src/tier/topic-record.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";

const CLUSTER = "cluster-a";
const TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid;
const START_MS = 1_750_000_000_000;
const HOUR_MS = 3_600_000;

function openWorld() {
  const clock = createFakeClock(START_MS);
  return { clock, random: seededRandom(3), store: createMemoryStore() };
}

function groupAt(offset: bigint, metadata = ""): CapturedGroup {
  const commit = { topic: "flights", topicId: TOPIC_ID, partition: 0, offset, leaderEpoch: 4, metadata };
  return { group: "billing", state: "Stable", commits: [commit] };
}

test("groups are told as they stood at a time, byte for byte, and are not written again while nothing changes", async () => {
  const world = openWorld();
  const capture = (groups: readonly CapturedGroup[]) => captureGroups(CLUSTER, async () => groups, world);
  assert.equal(await capture([]), false);
  assert.equal(await capture([groupAt(7n, 'a "note" ü')]), true);
  await world.clock.advance(1_000);
  assert.equal(await capture([groupAt(7n, 'a "note" ü')]), false);
  assert.equal(await capture([groupAt(2n ** 60n)]), true);
  await world.clock.advance(1_000);
  assert.equal(await capture([]), true);
  assert.equal(await groupsAt(world.store, CLUSTER, START_MS - 1), undefined);
  assert.deepEqual((await groupsAt(world.store, CLUSTER, START_MS + 999))?.groups, [groupAt(7n, 'a "note" ü')]);
  assert.deepEqual((await groupsAt(world.store, CLUSTER, START_MS + 1_000))?.groups, [groupAt(2n ** 60n)]);
  assert.deepEqual(await groupsAt(world.store, CLUSTER), {
    clusterId: CLUSTER,
    takenAtMs: START_MS + 2_000,
    groups: [],
  });
  assert.deepEqual(await readCatalog(world.store), []);
});

test("old snapshots are thinned out, the newest of each hour and day stay, and their number is bounded", async () => {
  let known: GroupSnapshotRef[] = [];
  const stepMs = 7 * 60_000;
  let nowMs = START_MS;
  let most = 0;
  for (; nowMs < START_MS + 800 * 24 * HOUR_MS; nowMs += stepMs) {
    known.push({ key: String(nowMs), takenAtMs: nowMs });
    const gone = new Set(toForget(known, nowMs));
    known = known.filter((ref) => !gone.has(ref));
    most = Math.max(most, known.length);
  }
  assert.ok(most <= 366 + 50 + 10, `${most} snapshots`);
  for (let backMs = 0; backMs < 365 * 24 * HOUR_MS; backMs += HOUR_MS) {
    const wantedMs = nowMs - stepMs - backMs;
    const found = known.findLast(({ takenAtMs }) => takenAtMs <= wantedMs);
    const lateMs = wantedMs - (found?.takenAtMs ?? 0);
    const boundMs = backMs < HOUR_MS ? stepMs : backMs <= 47 * HOUR_MS ? HOUR_MS + stepMs : 24 * HOUR_MS + stepMs;
    assert.ok(lateMs <= boundMs, `${lateMs} ms late ${backMs} ms back`);
  }
});

test("forgotten snapshots leave the store, and the only one never does", async () => {
  const world = openWorld();
  for (let offset = 0n; offset < 30n; offset++) {
    await captureGroups(CLUSTER, async () => [groupAt(offset)], world);
    await world.clock.advance(10 * 60_000);
  }
  const left = await groupSnapshots(world.store, CLUSTER);
  assert.equal(left.length, world.store.objects.size);
  assert.ok(left.length >= 9 && left.length <= 12, `${left.length} left`);
  assert.deepEqual(toForget(left.slice(0, 1), START_MS + 10_000 * 24 * HOUR_MS), []);
});

test("a damaged snapshot is told by its key", () => {
  assert.throws(() => decodeGroups("k", Buffer.from("{")), {
    fault: { code: "ARCHIVE_BAD_MANIFEST", key: "k", what: "json" },
  });
  const newer = Buffer.from(JSON.stringify({ format: "tributary-groups", format_version: "2.0" }));
  assert.throws(() => decodeGroups("k", newer), {
    fault: { code: "ARCHIVE_NEWER_FORMAT", key: "k", formatVersion: "2.0" },
  });
});

test("a topic's shape is kept, and written again only when it changed", async () => {
  const world = openWorld();
  const shape: TopicShape = {
    topic: "flights",
    topicId: TOPIC_ID,
    partitions: 3,
    replicationFactor: 2,
    configs: new Map([
      ["retention.ms", "1000"],
      ["cleanup.policy", "delete"],
    ]),
  };
  const capture = (now: TopicShape) => captureTopics(CLUSTER, ["flights"], async () => [now], world);
  assert.equal(await capture(shape), 1);
  assert.equal(await capture({ ...shape, configs: new Map([...shape.configs].toReversed()) }), 0);
  assert.equal(await capture({ ...shape, partitions: 4 }), 1);
  const read = await readTopicRecord(world.store, { clusterId: CLUSTER, topic: "flights", topicId: TOPIC_ID });
  assert.deepEqual(read, { ...shape, partitions: 4, clusterId: CLUSTER, takenAtMs: START_MS });
  assert.equal(
    await readTopicRecord(world.store, { clusterId: CLUSTER, topic: "other", topicId: TOPIC_ID }),
    undefined,
  );
  assert.deepEqual(await readCatalog(world.store), []);
});
