/** One group's life by the classic protocol: joins, rebalances, heartbeats and expiry. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Group } from "../../../src/broker/groups/group.ts";
import type { MemberFacts } from "../../../src/broker/groups/member.ts";
import type { JoinResult } from "../../../src/broker/groups/results.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

const SESSION_MS = 10_000;
const REBALANCE_MS = 30_000;

function openGroup(options: { readonly initialDelayMs?: number; readonly membersMax?: number } = {}) {
  const clock = createFakeClock();
  let next = 0;
  const generations: number[] = [];
  const group = new Group(
    "billing",
    { generationId: 0, protocolType: "" },
    {
      clock,
      newMemberId: (prefix) => `${prefix}-${++next}`,
      initialDelayMs: options.initialDelayMs ?? 0,
      membersMax: options.membersMax ?? 100,
      onGeneration: ({ generationId }) => generations.push(generationId),
    },
  );
  return { clock, group, generations };
}

function facts(change: Partial<MemberFacts> = {}): MemberFacts {
  return {
    clientId: "c",
    clientHost: "/h",
    groupInstanceId: null,
    sessionTimeoutMs: SESSION_MS,
    rebalanceTimeoutMs: REBALANCE_MS,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: Buffer.from("m") }],
    ...change,
  };
}

/** Joins as a client since v4 does: asks, gets an id, comes back with it. */
function enter(group: Group, change: Partial<MemberFacts> = {}): JoinResult | Promise<JoinResult> {
  const first = group.join("", facts(change), true);
  if (first instanceof Promise) return first;
  return first.errorCode === ErrorCode.MEMBER_ID_REQUIRED ? group.join(first.memberId, facts(change), true) : first;
}

const ref = (joined: Pick<JoinResult, "memberId" | "generationId">, groupInstanceId: string | null = null) => ({
  memberId: joined.memberId,
  generationId: joined.generationId,
  groupInstanceId,
});
const NO_PROTOCOL = { type: null, name: null };
const assign = (...ids: readonly string[]) => ids.map((memberId) => ({ memberId, assignment: Buffer.from(memberId) }));

/** Two members in a stable group; the first one leads. */
async function stablePair() {
  const world = openGroup();
  const a1 = await enter(world.group);
  const joiningB = enter(world.group);
  const a2 = await world.group.join(a1.memberId, facts(), true);
  const b = await joiningB;
  const syncB = world.group.sync(ref(b), NO_PROTOCOL, []);
  await world.group.sync(ref(a2), NO_PROTOCOL, assign(a2.memberId, b.memberId));
  await syncB;
  return { ...world, a: a2, b };
}

test("first member is told its id, becomes leader of generation 1 and gets its own assignment", async () => {
  const { group, generations } = openGroup();
  const asked = group.join("", facts(), true);
  assert.ok(!(asked instanceof Promise));
  assert.equal(asked.errorCode, ErrorCode.MEMBER_ID_REQUIRED);
  const joined = await group.join(asked.memberId, facts(), true);
  assert.deepEqual(
    [joined.errorCode, joined.generationId, joined.leader, joined.protocolName, joined.members.length],
    [0, 1, joined.memberId, "range", 1],
  );
  assert.equal(group.state, "CompletingRebalance");
  const synced = await group.sync(ref(joined), NO_PROTOCOL, assign(joined.memberId));
  assert.equal(synced.assignment.toString(), joined.memberId);
  assert.deepEqual([group.state, generations], ["Stable", [1]]);
});

test("second member starts a rebalance that the first one hears of in its heartbeat", async () => {
  const { group } = openGroup();
  const a = await enter(group);
  await group.sync(ref(a), NO_PROTOCOL, assign(a.memberId));
  const joiningB = enter(group);
  assert.equal(group.heartbeat(ref(a)), ErrorCode.REBALANCE_IN_PROGRESS);
  const again = await group.join(a.memberId, facts(), true);
  const b = await joiningB;
  assert.deepEqual([again.generationId, b.generationId, again.leader], [2, 2, a.memberId]);
  assert.deepEqual([again.members.length, b.members.length], [2, 0]);
});

test("members wait for their assignment until the leader hands it in", async () => {
  const { group, a, b } = await stablePair();
  assert.equal(group.state, "Stable");
  assert.deepEqual(
    group.members.map((member) => member.assignment.toString()),
    [a.memberId, b.memberId],
  );
});

test("member that does not heartbeat within its session is removed and the group rebalances", async () => {
  const { group, clock, a, b } = await stablePair();
  await clock.advance(SESSION_MS - 1);
  assert.equal(group.heartbeat(ref(a)), ErrorCode.NONE);
  await clock.advance(1);
  assert.deepEqual([group.state, group.members.length], ["PreparingRebalance", 1]);
  assert.equal(group.heartbeat(ref(b)), ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal(group.heartbeat(ref(a)), ErrorCode.REBALANCE_IN_PROGRESS);
});

test("member that does not rejoin within the rebalance timeout is left out of the new generation", async () => {
  const { group, clock, a, b } = await stablePair();
  const joining = enter(group);
  const rejoining = group.join(a.memberId, facts(), true);
  for (let waitedMs = 0; waitedMs < REBALANCE_MS; waitedMs += SESSION_MS / 2) {
    group.heartbeat(ref(b));
    await clock.advance(SESSION_MS / 2);
  }
  assert.equal((await joining).generationId, 3);
  assert.equal((await rejoining).generationId, 3);
  assert.deepEqual(group.members.map(({ memberId }) => memberId).includes(b.memberId), false);
});

test("member that waits for the others is alive however long its session is", async () => {
  const { group, clock } = openGroup();
  const a = await enter(group, { sessionTimeoutMs: 60_000 });
  await group.sync(ref(a), NO_PROTOCOL, assign(a.memberId));
  const joiningB = enter(group);
  await clock.advance(SESSION_MS * 2);
  const again = group.join(a.memberId, facts({ sessionTimeoutMs: 60_000 }), true);
  assert.equal((await joiningB).errorCode, ErrorCode.NONE);
  assert.equal((await again).errorCode, ErrorCode.NONE);
});

test("leaving member starts a rebalance, and the last one leaves the group empty in a new generation", async () => {
  const { group, a, b, generations } = await stablePair();
  assert.equal(group.leave({ memberId: b.memberId, groupInstanceId: null }), ErrorCode.NONE);
  assert.equal(group.state, "PreparingRebalance");
  assert.equal(group.leave({ memberId: a.memberId, groupInstanceId: null }), ErrorCode.NONE);
  assert.equal(group.leave({ memberId: a.memberId, groupInstanceId: null }), ErrorCode.UNKNOWN_MEMBER_ID);
  assert.deepEqual([group.state, generations], ["Empty", [1, 2, 3]]);
});

test("wrong member ids and generations are refused", async () => {
  const { group, a } = await stablePair();
  assert.equal(group.heartbeat({ ...ref(a), memberId: "nobody" }), ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal(group.heartbeat({ ...ref(a), generationId: 1 }), ErrorCode.ILLEGAL_GENERATION);
  const sync = group.sync({ ...ref(a), generationId: 9 }, NO_PROTOCOL, []);
  assert.ok(!(sync instanceof Promise));
  assert.equal(sync.errorCode, ErrorCode.ILLEGAL_GENERATION);
});

test("members without an assignor in common, or of another type, are refused", async () => {
  const { group } = openGroup();
  await enter(group);
  const code = async (change: Partial<MemberFacts>): Promise<number> => (await enter(group, change)).errorCode;
  const other = [{ name: "sticky", metadata: Buffer.alloc(0) }];
  assert.equal(await code({ protocols: other }), ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  assert.equal(await code({ protocolType: "connect" }), ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  assert.equal(await code({ protocols: [] }), ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
});

test("assignor is the one that most members prefer of those that all know", async () => {
  const { group } = openGroup();
  const named = (...names: readonly string[]) => ({
    protocols: names.map((name) => ({ name, metadata: Buffer.alloc(0) })),
  });
  const a = await enter(group, named("range", "sticky", "own"));
  const joining = [enter(group, named("sticky", "range")), enter(group, named("sticky", "range"))];
  const again = await group.join(a.memberId, facts(named("range", "sticky", "own")), true);
  await Promise.all(joining);
  assert.equal(again.protocolName, "sticky");
});

test("static member that restarts takes its place without a rebalance and fences its former self", async () => {
  const { group } = openGroup();
  const instance = { groupInstanceId: "one" };
  const first = await enter(group, instance);
  await group.sync(ref(first, "one"), NO_PROTOCOL, assign(first.memberId));
  const second = await enter(group, instance);
  assert.deepEqual([second.generationId, second.members.length, group.state], [1, 0, "Stable"]);
  assert.notEqual(second.memberId, first.memberId);
  assert.equal(group.heartbeat(ref(first, "one")), ErrorCode.FENCED_INSTANCE_ID);
  const synced = await group.sync(ref(second, "one"), NO_PROTOCOL, []);
  assert.equal(synced.assignment.toString(), first.memberId);
  assert.equal(group.leave({ memberId: "", groupInstanceId: "one" }), ErrorCode.NONE);
});

test("commit follows the rules of a running Kafka for members and outsiders", async () => {
  const outside = { memberId: "", generationId: -1, groupInstanceId: null };
  const { group: empty } = openGroup();
  assert.equal(empty.checkCommit(outside), ErrorCode.NONE);
  const { group, a } = await stablePair();
  assert.equal(group.checkCommit(outside), ErrorCode.UNKNOWN_MEMBER_ID);
  assert.equal(group.checkCommit(ref(a)), ErrorCode.NONE);
  assert.equal(group.checkCommit({ ...ref(a), generationId: 1 }), ErrorCode.ILLEGAL_GENERATION);
  const joining = enter(group);
  // A member may save its work while the group prepares to rebalance.
  assert.equal(group.checkCommit(ref(a)), ErrorCode.NONE);
  group.close();
  await joining;
});

test("initial delay collects members before the first generation", async () => {
  const { group, clock } = openGroup({ initialDelayMs: 3_000 });
  const joining = [enter(group), enter(group)];
  await clock.advance(3_000);
  const joined = await Promise.all(joining);
  assert.deepEqual(
    joined.map(({ generationId }) => generationId),
    [1, 1],
  );
});

test("group that is full refuses one more member", async () => {
  const { group } = openGroup({ membersMax: 1 });
  await enter(group);
  assert.equal((await enter(group)).errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED);
});

test("member that never fetches its assignment is dropped after the rebalance timeout", async () => {
  const { group, clock } = openGroup();
  const a = await enter(group, { sessionTimeoutMs: 120_000 });
  const joiningB = enter(group, { sessionTimeoutMs: 120_000 });
  const again = await group.join(a.memberId, facts({ sessionTimeoutMs: 120_000 }), true);
  const b = await joiningB;
  const waiting = group.sync(ref(b), NO_PROTOCOL, []);
  await clock.advance(REBALANCE_MS);
  assert.equal((await waiting).errorCode, ErrorCode.REBALANCE_IN_PROGRESS);
  assert.deepEqual(
    group.members.map(({ memberId }) => memberId),
    [b.memberId],
  );
  assert.equal(group.heartbeat(ref(again)), ErrorCode.UNKNOWN_MEMBER_ID);
});
