/** When a copy is deleted because its source was, and the many reasons not to. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Uuid } from "../../../../src/core/brand.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import { DeletionSync } from "../../../../src/mirror/metadata/deletion-sync.ts";
import type { TopicInfo } from "../../../../src/mirror/ports.ts";
import type { MadeTopic } from "../../../../src/topology/made.ts";
import { MemoryMade } from "./memory-made.ts";

const GRACE_MS = 1_000;

function topic(name: string, id = name): TopicInfo {
  return { topic: name, topicId: id as Uuid, partitions: 1, replicationFactor: 1, internal: false };
}

const COPY = { sourceTopic: "a", sourceTopicId: "a" as Uuid, targetTopic: "w.a", targetTopicId: "w.a" as Uuid };
const MADE: MadeTopic = { kind: "topic", sourceClusterId: "W", ...COPY };

/** Two clusters with one copy, and workers that look after it. */
class World {
  sources: readonly TopicInfo[] = [topic("a"), topic("b")];
  targets: readonly TopicInfo[] = [topic("w.a")];
  refusal: Error | undefined;
  removal: Error | undefined;
  others: string | undefined;
  nowMs = 5_000;
  looks = 0;
  discovered = true;
  readonly made = new MemoryMade();
  readonly forgotten: string[] = [];

  worker(policy: "keep" | "delete" = "delete"): DeletionSync {
    const clock = { nowMs: () => this.nowMs, monotonicMs: () => 0, after: () => ({ cancel: () => undefined }) };
    return new DeletionSync(
      { sourceClusterId: "W", policy, graceMs: GRACE_MS },
      {
        source: {
          incarnations: async (names) =>
            names.map((name) => this.refusal ?? this.sources.find((one) => one.topic === name)?.topicId),
        },
        target: {
          remove: async ({ topicId }) => {
            if (this.removal !== undefined) throw this.removal;
            this.targets = this.targets.filter((one) => one.topicId !== topicId);
          },
        },
        made: this.made,
        seen: () => (this.discovered ? { sources: this.sources, targets: this.targets } : undefined),
        copies: async () => [COPY],
        carries: () => true,
        othersRecords: async () => {
          this.looks++;
          return this.others;
        },
        onDeleted: ({ targetTopic }) => this.forgotten.push(targetTopic),
        clock,
        logger: silentLogger,
      },
    );
  }

  get copyExists(): boolean {
    return this.targets.length > 0;
  }
}

async function rounds(sync: DeletionSync, count = 3): Promise<DeletionSync> {
  for (let i = 0; i < count; i++) await sync.round();
  return sync;
}

test("a copy goes once its source was gone for the whole grace, whichever worker noticed first", async () => {
  const world = new World();
  await world.made.put([MADE]);
  await rounds(world.worker());
  world.sources = [topic("b")];
  const first = await rounds(world.worker());
  assert.deepEqual(first.orphans, [{ ...COPY, sinceMs: 5_000, dueMs: 6_000, why: undefined }]);
  world.nowMs = 5_999;
  await rounds(world.worker());
  assert.ok(world.copyExists);
  world.nowMs = 6_000;
  const last = world.worker();
  await last.round();
  assert.ok(world.copyExists, "seen missing twice by the worker that deletes");
  await last.round();
  assert.ok(!world.copyExists);
  assert.deepEqual([last.deleted, last.orphans, world.forgotten, await world.made.list()], [1, [], ["w.a"], []]);
});

test("the grace begins anew when the source was seen again, was made again, or the clock went back", async () => {
  const world = new World();
  await world.made.put([MADE]);
  const sync = world.worker();
  world.sources = [topic("b")];
  await rounds(sync);
  for (const seen of [[topic("a")], [topic("a", "another")]]) {
    world.sources = seen;
    await rounds(sync);
    assert.deepEqual([sync.orphans, await world.made.list()], [[], [MADE]]);
    world.sources = [topic("b")];
    world.nowMs += 10 * GRACE_MS;
    await rounds(sync);
    assert.equal(sync.orphans[0]?.sinceMs, world.nowMs);
  }
  world.nowMs -= 1;
  await rounds(sync);
  assert.equal(sync.orphans[0]?.sinceMs, world.nowMs);
});

test("a copy is kept, and told, when the mirror did not make it, others wrote there, or the policy says so", async () => {
  const cases = [
    { why: /did not make it/, policy: "delete", made: false, others: undefined },
    { why: /partition 0 holds/, policy: "delete", made: true, others: "partition 0 holds records" },
    { why: /onDelete is keep/, policy: "keep", made: true, others: undefined },
  ] as const;
  for (const { why, policy, made, others } of cases) {
    const world = new World();
    if (made) await world.made.put([MADE]);
    world.others = others;
    world.sources = [topic("b")];
    const sync = await rounds(world.worker(policy));
    world.nowMs += 10 * GRACE_MS;
    await rounds(sync);
    assert.ok(world.copyExists);
    assert.equal(sync.orphans[0]?.dueMs, undefined);
    assert.match(sync.orphans[0]?.why ?? "", why);
    assert.ok(world.looks <= 1, "reading a topic is not repeated each round");
  }
});

test("a copy is kept while the source refuses to say, or shows no topic at all", async () => {
  const world = new World();
  await world.made.put([MADE]);
  const sync = world.worker();
  world.sources = [topic("b")];
  world.refusal = new Error("TOPIC_AUTHORIZATION_FAILED");
  await rounds(sync);
  world.nowMs += 10 * GRACE_MS;
  await rounds(sync);
  assert.match(sync.troubles[0]?.why ?? "", /TOPIC_AUTHORIZATION_FAILED/);
  world.refusal = undefined;
  world.sources = [{ ...topic("__consumer_offsets"), internal: true }];
  await rounds(sync);
  world.nowMs += 10 * GRACE_MS;
  await rounds(sync);
  assert.match(sync.troubles[0]?.why ?? "", /shows no topic at all/);
  world.sources = [topic("b")];
  world.discovered = false;
  await rounds(sync);
  assert.ok(world.copyExists);
});

test("a deletion that is refused is told and tried again, and another topic of the name is safe", async () => {
  const world = new World();
  await world.made.put([MADE]);
  const sync = world.worker();
  world.sources = [topic("b")];
  await rounds(sync);
  world.nowMs += GRACE_MS;
  world.removal = new Error("TOPIC_DELETION_DISABLED");
  await rounds(sync);
  assert.deepEqual([sync.orphans[0]?.why, sync.deleted], ["TOPIC_DELETION_DISABLED", 0]);
  world.removal = undefined;
  world.targets = [topic("w.a", "made again by hand")];
  await rounds(sync);
  assert.deepEqual([world.copyExists, sync.orphans], [true, []]);
});
