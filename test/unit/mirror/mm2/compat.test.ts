/** What is written for MirrorMaker 2's readers, where, and when. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { TributaryError } from "../../../../src/core/errors.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import type { GroupSyncEntry } from "../../../../src/mirror/groups.ts";
import { Mm2Compat } from "../../../../src/mirror/mm2/compat.ts";
import {
  decodeCheckpoint,
  decodeHeartbeat,
  decodeOffsetSync,
  type Mm2Record,
} from "../../../../src/mirror/mm2/formats.ts";
import type { CompactedTopics } from "../../../../src/mirror/mm2/ports.ts";
import { OffsetMap } from "../../../../src/mirror/offset-map.ts";
import { createFakeClock } from "../../../support/fake-clock.ts";

/** Topics of one cluster. */
class MemoryTopics implements CompactedTopics {
  readonly topics = new Map<string, Mm2Record[]>();
  isAway = false;

  async append(topic: string, records: readonly Mm2Record[]): Promise<void> {
    if (this.isAway) throw new TributaryError({ code: "AWAY" });
    this.topics.set(topic, [...(this.topics.get(topic) ?? []), ...records]);
  }
  read<T>(topic: string, decode: (record: Mm2Record) => T): readonly T[] {
    return (this.topics.get(topic) ?? []).map(decode);
  }
}

function entryOf(changes: Partial<GroupSyncEntry>): GroupSyncEntry {
  return {
    group: "billing",
    sourceTopic: "orders",
    sourcePartition: 0,
    targetTopic: "east.orders",
    targetPartition: 0,
    sourceOffset: 4n,
    targetOffset: 14n,
    metadata: "m",
    kind: "exact",
    written: true,
    ...changes,
  };
}

/** A flow from east to hub with one lane, whose records for MirrorMaker's readers are being written. */
function openWorld(options: { readonly readOnlySource?: boolean } = {}) {
  const clock = createFakeClock();
  const [source, target, stopping] = [new MemoryTopics(), new MemoryTopics(), new AbortController()];
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 10n, count: 0n });
  map.append({ sourceStart: 0n, targetStart: 10n, length: 10 });
  const compat = new Mm2Compat(
    {
      policy: { kind: "default", separator: "." },
      aliases: { source: "east", target: "hub" },
      readOnlySource: options.readOnlySource ?? false,
    },
    { source, target, lanes: () => [{ sourceTopic: "orders", partition: 0, map }], clock, logger: silentLogger },
  );
  const running = compat.run(stopping.signal);
  const close = async (): Promise<void> => {
    stopping.abort();
    await running;
  };
  const checkpoints = () => target.read("east.checkpoints.internal", decodeCheckpoint);
  return { clock, source, target, map, compat, checkpoints, [Symbol.asyncDispose]: close };
}

test("compat tells heartbeats every second on both sides", async () => {
  await using world = openWorld();
  await world.clock.advance(2_000);
  const aliases = (topics: MemoryTopics) =>
    topics.read("heartbeats", decodeHeartbeat).map(({ sourceAlias, targetAlias }) => `${sourceAlias}->${targetAlias}`);
  assert.deepEqual(aliases(world.target), Array(3).fill("east->hub"));
  assert.deepEqual(aliases(world.source), Array(3).fill("hub->east"));
  const times = world.target.read("heartbeats", decodeHeartbeat).map(({ timestampMs }) => Number(timestampMs));
  assert.deepEqual(
    times,
    [0, 1_000, 2_000].map((ms) => world.clock.nowMs() - 2_000 + ms),
  );
});

test("compat writes nothing to a source that is read-only", async () => {
  await using world = openWorld({ readOnlySource: true });
  await world.clock.advance(1_000);
  assert.deepEqual([...world.source.topics.keys()], []);
  const [sync] = world.target.read("mm2-offset-syncs.east.internal", decodeOffsetSync);
  assert.deepEqual(sync, { topic: "orders", partition: 0, upstreamOffset: 9n, downstreamOffset: 19n });
});

test("compat writes a checkpoint for each position that is known, and again only when it changes", async () => {
  await using world = openWorld();
  const unwritten = [
    entryOf({ group: "live", written: false, reason: "group-active" }),
    entryOf({ group: "old", written: false, reason: "expired" }),
    entryOf({ group: "shared", written: false, reason: "target-shared" }),
  ];
  world.compat.noteGroups({ entries: [entryOf({}), ...unwritten], unmappedCommits: 0, back: [] });
  await world.clock.advance(3_000);
  assert.deepEqual(
    world.checkpoints().map(({ group }) => group),
    ["billing", "live"],
  );
  assert.deepEqual(world.checkpoints()[0], {
    group: "billing",
    topic: "east.orders",
    partition: 0,
    upstreamOffset: 4n,
    downstreamOffset: 14n,
    metadata: "m",
  });
  world.compat.noteGroups({
    entries: [entryOf({ sourceOffset: 5n, targetOffset: 15n })],
    unmappedCommits: 0,
    back: [],
  });
  await world.clock.advance(1_000);
  assert.equal(world.checkpoints().at(-1)?.downstreamOffset, 15n);
  assert.equal(world.checkpoints().length, 3);
  await world.clock.advance(300_000);
  assert.equal(world.checkpoints().length, 5, "told again, for two workers that write at the same time");
});

test("compat goes on with the other cluster while one is away, and loses no checkpoint", async () => {
  await using world = openWorld();
  world.target.isAway = true;
  world.compat.noteGroups({ entries: [entryOf({})], unmappedCommits: 0, back: [] });
  await world.clock.advance(10_000);
  assert.deepEqual(world.checkpoints(), []);
  const troubles = () => world.compat.troubles.map(({ sourceTopic, about }) => `${about} ${sourceTopic}`);
  assert.deepEqual(troubles(), ["mm2 heartbeats", "mm2 east.checkpoints.internal"]);
  assert.equal(world.source.read("heartbeats", decodeHeartbeat).length, 11);
  world.target.isAway = false;
  await world.clock.advance(1_000);
  assert.equal(world.checkpoints().length, 1);
  assert.deepEqual(troubles(), []);
});
