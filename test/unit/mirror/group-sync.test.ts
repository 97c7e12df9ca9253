/** Group sync: what is written, what is not and why; and what a group finds after it moved. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TributaryError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { decideCommit } from "../../../src/mirror/group-plan.ts";
import { type GroupSyncDeps, runGroupSync, syncGroups } from "../../../src/mirror/groups.ts";
import { LoopWatch } from "../../../src/mirror/loop-watch.ts";
import { OffsetMap } from "../../../src/mirror/offset-map.ts";
import type { GroupCommit, GroupOccupancy, GroupPort, LaneEntry, LogBounds } from "../../../src/mirror/offset-ports.ts";
import { mapSteps, play, startModel } from "./offset-map-model.ts";

/** Groups of one cluster, as a broker keeps them. */
class FakeGroups implements GroupPort {
  readonly commits = new Map<string, GroupCommit[]>();
  readonly active = new Set<string>();
  readonly unreachable = new Set<string>();

  at(group: string, topic: string): GroupCommit | undefined {
    return this.commits.get(group)?.find((commit) => commit.topic === topic);
  }
  put(group: string, commit: GroupCommit): void {
    const others = (this.commits.get(group) ?? []).filter(
      (there) => there.topic !== commit.topic || there.partition !== commit.partition,
    );
    this.commits.set(group, [...others, commit]);
  }

  async list(): Promise<readonly string[]> {
    return [...this.commits.keys()];
  }
  async committed(groups: readonly string[]): Promise<ReadonlyMap<string, readonly GroupCommit[]>> {
    return new Map(groups.map((group) => [group, this.commits.get(group) ?? []]));
  }
  async occupancy(groups: readonly string[]): Promise<ReadonlyMap<string, GroupOccupancy>> {
    const of = (group: string): GroupOccupancy => (this.active.has(group) ? "active" : "empty");
    return new Map(groups.map((group) => [group, of(group)]));
  }
  async commit(group: string, commits: readonly GroupCommit[]): Promise<readonly (string | undefined)[]> {
    if (this.unreachable.has(group)) throw new TributaryError({ code: "COORDINATOR_GONE" });
    for (const commit of commits) this.put(group, commit);
    return commits.map(() => undefined);
  }
}

interface World extends GroupSyncDeps {
  readonly source: FakeGroups;
  readonly target: FakeGroups;
  readonly map: OffsetMap;
  bounds: LogBounds | undefined;
}

/** One lane `orders` to `east.orders`: source 0-9 and 20-29 on target 0-19. */
function openWorld(): World {
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
  map.append({ sourceStart: 0n, targetStart: 0n, length: 10 });
  map.append({ sourceStart: 20n, targetStart: 10n, length: 10 });
  const entry: LaneEntry = { targetTopic: "east.orders", targetPartition: 0, map, company: { kind: "alone" } };
  const world: World = {
    source: new FakeGroups(),
    target: new FakeGroups(),
    map,
    bounds: { startOffset: 0n, endOffset: 20n },
    lanes: { find: (topic, partition) => (topic === "orders" && partition === 0 ? entry : undefined) },
    targetLogs: { bounds: async (partitions) => partitions.map(() => world.bounds) },
  };
  return world;
}

function commitAt(offset: bigint, metadata = ""): GroupCommit {
  return { topic: "orders", partition: 0, offset, metadata };
}
function targetAt(offset: bigint): GroupCommit {
  return { topic: "east.orders", partition: 0, offset, metadata: "" };
}
const all = { matches: () => true };

test("Group sync writes the translated offset and keeps the metadata", async () => {
  const world = openWorld();
  world.source.put("billing", commitAt(15n, "batch 7"));
  const { entries } = await syncGroups(all, world);
  assert.deepEqual(world.target.at("billing", "east.orders"), { ...targetAt(10n), metadata: "batch 7" });
  assert.deepEqual(entries, [
    {
      group: "billing",
      sourceTopic: "orders",
      sourcePartition: 0,
      targetTopic: "east.orders",
      targetPartition: 0,
      sourceOffset: 15n,
      targetOffset: 10n,
      metadata: "batch 7",
      kind: "exact",
      written: true,
    },
  ]);
});

test("Group sync leaves out groups that do not match and partitions that are not mirrored", async () => {
  const world = openWorld();
  world.source.put("billing", commitAt(5n));
  world.source.put("billing", { ...commitAt(5n), topic: "other" });
  world.source.put("console-1", commitAt(5n));
  const report = await syncGroups({ matches: (group) => !group.startsWith("console-") }, world);
  assert.equal(report.entries.length, 1);
  assert.equal(report.unmappedCommits, 1);
  assert.deepEqual(await world.target.list(), ["billing"]);
});

test("A group's commit on the target never goes backwards", async () => {
  const world = openWorld();
  world.source.put("billing", commitAt(3n));
  world.target.put("billing", targetAt(7n));
  const { entries } = await syncGroups(all, world);
  assert.equal(entries[0]?.reason, "would-go-back");
  assert.equal(world.target.at("billing", "east.orders")?.offset, 7n);
});

test("A group's commit on the target never passes the end", async () => {
  const world = openWorld();
  world.bounds = { startOffset: 0n, endOffset: 12n };
  world.source.put("billing", commitAt(25n));
  const { entries } = await syncGroups(all, world);
  assert.equal(entries[0]?.reason, "beyond-target-end");
  assert.equal(world.target.at("billing", "east.orders"), undefined);
});

test("Group sync leaves a group alone that has members on the target", async () => {
  const world = openWorld();
  world.source.put("billing", commitAt(5n));
  world.target.active.add("billing");
  const { entries } = await syncGroups(all, world);
  assert.equal(entries[0]?.reason, "group-active");
  assert.equal(world.target.at("billing", "east.orders"), undefined);
});

test("A clamped commit moves up as the lane advances", async () => {
  const world = openWorld();
  world.source.put("billing", commitAt(35n));
  const before = await syncGroups(all, world);
  assert.equal(before.entries[0]?.kind, "clamped");
  assert.equal(world.target.at("billing", "east.orders")?.offset, 20n);
  world.map.append({ sourceStart: 30n, targetStart: 20n, length: 10 });
  world.bounds = { startOffset: 0n, endOffset: 30n };
  const after = await syncGroups(all, world);
  assert.equal(after.entries[0]?.kind, "exact");
  assert.equal(world.target.at("billing", "east.orders")?.offset, 25n);
});

test("Group sync writes nothing when everything is there already", async () => {
  const world = openWorld();
  world.source.put("billing", commitAt(5n));
  await syncGroups(all, world);
  const { entries } = await syncGroups(all, world);
  assert.equal(entries[0]?.reason, "unchanged");
});

test("Group sync does not guess below the map, nor in a partition that several lanes write", async () => {
  const { map, bounds } = openWorld();
  const lane: LaneEntry = { targetTopic: "t", targetPartition: 0, map, company: { kind: "others" } };
  const facts = { commit: commitAt(5n), lane, occupancy: "empty" as const, targetCommit: undefined, bounds };
  assert.deepEqual(decideCommit(facts), { kind: "exact", targetOffset: 5n, write: false, reason: "target-shared" });
  map.trimBefore(7n);
  const alone = { ...lane, company: { kind: "alone" as const } };
  const decision = decideCommit({ ...facts, lane: alone });
  assert.deepEqual(decision, { kind: "expired", targetOffset: 7n, write: false, reason: "expired" });
});

test("Group sync begins at the target's first record when retention there passed the group", async () => {
  const world = openWorld();
  world.bounds = { startOffset: 8n, endOffset: 20n };
  world.source.put("billing", commitAt(5n));
  await syncGroups(all, world);
  assert.equal(world.target.at("billing", "east.orders")?.offset, 8n);
});

test("Group sync reaches the other groups when one coordinator is gone", async () => {
  const world = openWorld();
  world.source.put("a", commitAt(5n));
  world.source.put("b", commitAt(6n));
  world.target.unreachable.add("a");
  const { entries } = await syncGroups(all, world);
  assert.deepEqual(
    entries.map(({ group, written, reason, refusal }) => ({ group, written, reason, refusal })),
    [
      { group: "a", written: false, reason: "refused", refusal: "COORDINATOR_GONE" },
      { group: "b", written: true, reason: undefined, refusal: undefined },
    ],
  );
});

test("A moved group reads exactly the records it has not read, whatever the holes", () => {
  fc.assert(
    fc.property(mapSteps, fc.integer({ min: 0, max: 1_000 }), (steps, permille) => {
      const model = startModel();
      const map = OffsetMap.startingAt({ sourceNext: 5n, targetNext: 7n, count: 0n });
      play(steps, model, map);
      const committed = model.floorSource + Math.round(((model.sourceNext - model.floorSource) * permille) / 1_000);
      const decision = decideCommit({
        commit: commitAt(BigInt(committed)),
        lane: { targetTopic: "t", targetPartition: 0, map, company: { kind: "alone" } },
        occupancy: "absent",
        targetCommit: undefined,
        bounds: { startOffset: 0n, endOffset: BigInt(model.targetNext) },
      });
      assert.ok(decision.write);
      assert.deepEqual(
        model.pairs.filter((pair) => pair.target >= Number(decision.targetOffset)).map((pair) => pair.source),
        model.pairs.map((pair) => pair.source).filter((source) => source >= committed),
      );
    }),
    { numRuns: 300 },
  );
});

type Name = "east" | "west";
const MARKER = "marker";

/** Two clusters that write one topic and mirror it both ways: logs of values, and for each the lane that writes there. */
class BothWrite {
  readonly logs: Record<Name, string[]> = { east: [], west: [] };
  readonly lanes = { east: this.#lane(), west: this.#lane() };

  #lane() {
    const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
    const loops = new LoopWatch();
    loops.begin(0n);
    return { map, loops, next: 0, unacked: [] as { source: number; target: number | undefined }[] };
  }

  /** The lane into `to` reads one record; what it sends is acked later. */
  copy(to: Name): void {
    const [lane, from] = [this.lanes[to], this.logs[to === "east" ? "west" : "east"]];
    const value = from[lane.next];
    if (value === undefined) return;
    const source = lane.next++;
    const isLoop = value.startsWith(to);
    if (isLoop) lane.loops.note(BigInt(source + 1));
    const isSkipped = isLoop || value === MARKER;
    lane.unacked.push({ source, target: isSkipped ? undefined : this.logs[to].length });
    if (!isSkipped) this.logs[to].push(value);
  }

  ack(to: Name): void {
    const { map, unacked } = this.lanes[to];
    const one = unacked.shift();
    if (one === undefined) return;
    if (one.target === undefined) map.advanceTo(BigInt(one.source + 1));
    else map.append({ sourceStart: BigInt(one.source), targetStart: BigInt(one.target), length: 1 });
  }

  /** The lane begins anew once all is acked, as after a takeover. */
  restart(to: Name): void {
    while (this.lanes[to].unacked.length > 0) this.ack(to);
    this.lanes[to].loops.begin(BigInt(this.lanes[to].next));
  }

  settle(): void {
    for (let i = 0; i < 2 * (this.logs.east.length + this.logs.west.length) + 2; i++)
      for (const name of ["east", "west"] as const) {
        this.copy(name);
        this.ack(name);
      }
  }

  /** Where a group of east at `committed` goes on in west. */
  decide(committed: number): number {
    const { map, loops } = this.lanes.east;
    const reverse = {
      reverse: (offset: bigint) => map.reverse(offset),
      foreignFrom: (offset: bigint) => loops.foreignFrom(offset, map),
    };
    const company = { kind: "reverse", map: reverse } as const;
    const decision = decideCommit({
      commit: commitAt(BigInt(committed)),
      lane: { targetTopic: "orders", targetPartition: 0, map: this.lanes.west.map, company },
      occupancy: "absent",
      targetCommit: undefined,
      bounds: { startOffset: 0n, endOffset: BigInt(this.logs.west.length) },
    });
    assert.ok(decision.write);
    return Number(decision.targetOffset);
  }

  /** The first record of west that a group of east at `committed` has not read. */
  firstUnread(committed: number): number {
    const read = new Set(this.logs.east.slice(0, committed));
    const at = this.logs.west.findIndex((value) => value !== MARKER && !read.has(value));
    return at < 0 ? this.logs.west.length : at;
  }
}

const ACTIONS = ["write", "marker", "copy", "copy", "ack", "ack", "restart"] as const;
const interleavings = fc.array(fc.tuple(fc.constantFrom(...ACTIONS), fc.constantFrom("east", "west")), {
  maxLength: 80,
}) as fc.Arbitrary<[(typeof ACTIONS)[number], Name][]>;

function played(actions: readonly [(typeof ACTIONS)[number], Name][]): BothWrite {
  const world = new BothWrite();
  for (const [action, name] of actions) {
    if (action === "write") world.logs[name].push(`${name}-${world.logs[name].length}`);
    else if (action === "marker") world.logs[name].push(MARKER);
    else world[action](name);
  }
  return world;
}

test("A moved group misses no record where both sides write the topic", () => {
  fc.assert(
    fc.property(interleavings, fc.nat(), (actions, pick) => {
      const world = played(actions);
      const committed = pick % (world.logs.east.length + 1);
      assert.ok(world.decide(committed) <= world.firstUnread(committed));
    }),
    { numRuns: 3_000 },
  );
});

test("A moved group goes on at its first unread record where both sides write the topic and both lanes have come to the end", () => {
  fc.assert(
    fc.property(interleavings, fc.nat(), (actions, pick) => {
      const world = played(actions.filter(([action]) => action !== "restart"));
      world.settle();
      const committed = pick % (world.logs.east.length + 1);
      const unread = world.firstUnread(committed);
      // Markers hold nothing to read: to stand before or behind them is the same.
      const between = world.logs.west.slice(world.decide(committed), unread);
      assert.deepEqual(
        between.filter((value) => value !== MARKER),
        [],
      );
    }),
    { numRuns: 3_000 },
  );
});

test("A moved group reads none of the target's own records again because the lane has long been idle", () => {
  const world = new BothWrite();
  for (let i = 0; i < 50; i++) world.logs.west.push(`west-${i}`, MARKER);
  world.settle();
  assert.equal(world.decide(50), 100);
  const restarted = new BothWrite();
  for (let i = 0; i < 50; i++) restarted.logs.west.push(`west-${i}`);
  restarted.settle();
  restarted.restart("east");
  restarted.logs.west.push("west-50");
  restarted.settle();
  assert.equal(restarted.decide(51), 51);
});

test("Group sync goes on when a round failed", async () => {
  const world = openWorld();
  world.source.put("billing", commitAt(5n));
  let calls = 0;
  const source: GroupPort = {
    list: async () => {
      calls++;
      if (calls === 1) throw new TributaryError({ code: "NETWORK_RESET" });
      return world.source.list();
    },
    committed: (groups) => world.source.committed(groups),
    occupancy: (groups) => world.source.occupancy(groups),
    commit: (group, commits) => world.source.commit(group, commits),
  };
  const stop = new AbortController();
  const clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    after: (_delayMs: number, callback: () => void) => {
      queueMicrotask(callback);
      return { cancel: () => undefined };
    },
  };
  await runGroupSync(
    all,
    { ...world, source, clock, logger: silentLogger },
    {
      signal: stop.signal,
      onReport: () => stop.abort(),
    },
  );
  assert.equal(calls, 2);
  assert.equal(world.target.at("billing", "east.orders")?.offset, 5n);
});

/** The world with its source's logs, and positions carried both ways. */
async function bothWays(world: World, sourceEnd = 30n) {
  const sourceLogs = {
    bounds: async (asked: readonly unknown[]) => asked.map(() => ({ startOffset: 0n, endOffset: sourceEnd })),
  };
  return syncGroups({ ...all, direction: "both" }, { ...world, sourceLogs });
}

test("A group that moved returns to exactly its next unread record", async () => {
  const world = openWorld();
  world.source.put("billing", commitAt(5n));
  await bothWays(world);
  assert.equal(world.target.at("billing", "east.orders")?.offset, 5n);
  world.target.put("billing", { ...targetAt(12n), metadata: "moved" });
  const { back } = await bothWays(world);
  assert.deepEqual(world.source.at("billing", "orders"), { ...commitAt(22n), metadata: "moved" });
  assert.deepEqual(
    back.map(({ sourceOffset, targetOffset, written }) => ({ sourceOffset, targetOffset, written })),
    [{ sourceOffset: 22n, targetOffset: 12n, written: true }],
  );
  for (let i = 0; i < 3; i++) assert.deepEqual((await bothWays(world)).back, []);
  assert.equal(world.target.at("billing", "east.orders")?.offset, 12n);
  world.source.put("billing", commitAt(25n));
  await bothWays(world);
  assert.equal(world.target.at("billing", "east.orders")?.offset, 15n);
});

test("A group's commit at the source stays where the group lives there, was born on the target, or the source has lost records", async () => {
  const world = openWorld();
  world.target.put("analytics", targetAt(12n));
  await bothWays(world);
  assert.equal(world.source.at("analytics", "orders"), undefined);
  world.source.put("billing", commitAt(5n));
  world.target.put("billing", targetAt(12n));
  assert.equal((await syncGroups(all, world)).back.length, 0);
  world.source.active.add("billing");
  assert.equal((await bothWays(world)).back[0]?.reason, "group-active");
  world.source.active.clear();
  assert.equal((await bothWays(world, 21n)).back[0]?.reason, "beyond-source-end");
  world.source.unreachable.add("billing");
  assert.equal((await bothWays(world)).back[0]?.reason, "refused");
  assert.equal(world.source.at("billing", "orders")?.offset, 5n);
});

test("A group that is carried both ways skips no record of others on the target", async () => {
  const world = openWorld();
  world.map.append({ sourceStart: 30n, targetStart: 25n, length: 5 });
  world.bounds = { startOffset: 0n, endOffset: 30n };
  world.source.put("billing", commitAt(30n));
  world.target.put("billing", targetAt(22n));
  assert.equal((await bothWays(world)).entries[0]?.reason, "unchanged");
  assert.equal(world.target.at("billing", "east.orders")?.offset, 22n);
  await syncGroups(all, world);
  assert.equal(world.target.at("billing", "east.orders")?.offset, 25n);
});

test("Positions carried both ways agree on what is unread, and only rise, whatever each side commits", async () => {
  await fc.assert(
    fc.asyncProperty(
      mapSteps,
      fc.array(
        fc.record({ side: fc.constantFrom("source", "target"), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
        {
          minLength: 1,
          maxLength: 12,
        },
      ),
      async (steps, moves) => {
        const model = startModel();
        const map = OffsetMap.startingAt({ sourceNext: 5n, targetNext: 7n, count: 0n });
        const kept = steps.filter(({ kind }) => kind === "append" || kind === "advance");
        play(kept, model, map);
        const { sourceNext, targetNext } = map.progress;
        const entry: LaneEntry = { targetTopic: "east.orders", targetPartition: 0, map, company: { kind: "alone" } };
        const world: World = {
          ...openWorld(),
          map,
          targetLogs: { bounds: async (asked) => asked.map(() => ({ startOffset: 0n, endOffset: targetNext })) },
          lanes: { find: () => entry },
        };
        world.source.put("g", commitAt(5n));
        for (const { side, share } of moves) {
          const [groups, topic, end] =
            side === "source"
              ? ([world.source, "orders", sourceNext] as const)
              : ([world.target, "east.orders", targetNext] as const);
          const now = groups.at("g", topic)?.offset ?? 0n;
          const to = BigInt(Math.floor(Number(end) * share));
          if (to > now) groups.put("g", { ...(side === "source" ? commitAt(to) : targetAt(to)) });
          for (let i = 0; i < 2; i++) await bothWays(world, sourceNext);
          const [source, target] = [world.source.at("g", "orders"), world.target.at("g", "east.orders")];
          assert.ok(source !== undefined && target !== undefined && (groups.at("g", topic)?.offset ?? 0n) >= now);
          assert.equal(
            map.translate(source.offset).targetOffset,
            map.translate(map.reverse(target.offset).sourceOffset).targetOffset,
          );
        }
      },
    ),
  );
});
