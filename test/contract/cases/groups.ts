/** Consumer groups of the classic protocol, and commits from outside of them. */

import { offsetCommit } from "../../../src/wire/apis/08-offset-commit.ts";
import { offsetFetch } from "../../../src/wire/apis/09-offset-fetch.ts";
import { findCoordinator } from "../../../src/wire/apis/10-find-coordinator.ts";
import { joinGroup } from "../../../src/wire/apis/11-join-group.ts";
import { heartbeat } from "../../../src/wire/apis/12-heartbeat.ts";
import { leaveGroup } from "../../../src/wire/apis/13-leave-group.ts";
import { syncGroup } from "../../../src/wire/apis/14-sync-group.ts";
import { describeGroups } from "../../../src/wire/apis/15-describe-groups.ts";
import { listGroups } from "../../../src/wire/apis/16-list-groups.ts";
import { deleteGroups } from "../../../src/wire/apis/42-delete-groups.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import type { ContractCase, Probe } from "../probe.ts";

const NO_GENERATION = -1;

interface Commit {
  readonly group: string;
  readonly topic: string;
  readonly offset: bigint;
  readonly partition?: number;
  readonly generationId?: number;
  readonly memberId?: string;
  readonly metadata?: string | null;
  readonly version?: number;
}

async function commit(probe: Probe, label: string, one: Commit): Promise<void> {
  await coordinated(probe, one.group);
  await probe.check(label, offsetCommit, one.version ?? 8, {
    groupId: one.group,
    generationId: one.generationId ?? NO_GENERATION,
    memberId: one.memberId ?? "",
    topics: [
      {
        name: one.topic,
        partitions: [
          {
            index: one.partition ?? 0,
            committedOffset: one.offset,
            committedLeaderEpoch: -1,
            committedMetadata: one.metadata === undefined ? "" : one.metadata,
          },
        ],
      },
    ],
  });
}

/** The committed offsets of one topic's partitions 0 and 1. */
async function committed(probe: Probe, label: string, group: string, topic: string, version = 7): Promise<void> {
  const topics = [{ name: topic, partitionIndexes: [0, 1] }];
  const body = version < 8 ? { groupId: group, topics } : { groups: [{ groupId: group, topics }] };
  await probe.check(label, offsetFetch, version, { ...body, requireStable: false });
}

/** The first use of groups creates the offsets topic, which takes a moment; later calls return at once. */
async function coordinated(probe: Probe, group: string): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const found = await probe.ask(findCoordinator, 4, { keyType: 0, coordinatorKeys: [group] });
    if (found.coordinators[0]?.errorCode === ErrorCode.NONE) {
      const tried = await probe.ask(offsetFetch, 7, { groupId: group, topics: [], requireStable: false });
      if (tried.errorCode === ErrorCode.NONE) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`no coordinator for ${group}`);
}

interface Member {
  readonly group: string;
  readonly memberId: string;
  readonly generationId: number;
}

function join(group: string, memberId: string, change: { readonly sessionTimeoutMs?: number } = {}) {
  return {
    groupId: group,
    sessionTimeoutMs: change.sessionTimeoutMs ?? 10_000,
    rebalanceTimeoutMs: 10_000,
    memberId,
    protocolType: "consumer",
    protocols: [
      { name: "range", metadata: Buffer.from("r") },
      { name: "roundrobin", metadata: Buffer.from("rr") },
    ],
  };
}

/** Joins as the only member and hands in its own assignment. */
async function soleMember(probe: Probe, group: string): Promise<Member> {
  await coordinated(probe, group);
  const { memberId } = await probe.ask(joinGroup, 5, join(group, ""));
  const joined = await probe.ask(joinGroup, 5, join(group, memberId));
  const member = { group, memberId, generationId: joined.generationId };
  await probe.ask(syncGroup, 3, sync(member, "mine"));
  return member;
}

function sync(member: Member, assignment: string) {
  return {
    groupId: member.group,
    generationId: member.generationId,
    memberId: member.memberId,
    assignments: [{ memberId: member.memberId, assignment: Buffer.from(assignment) }],
  };
}

export const groupCases: readonly ContractCase[] = [
  {
    name: "commit from outside is taken by a group without members, at every version",
    run: async (probe) => {
      const group = probe.named("outside");
      const { name, id } = await probe.topic("committed", { partitions: 2 });
      for (let version = 2; version <= 9; version++) {
        await commit(probe, `commit v${version}`, { group, topic: name, offset: BigInt(version), version });
      }
      for (let version = 1; version <= 9; version++) await committed(probe, `fetch v${version}`, group, name, version);
      await probe.check("by id", offsetFetch, 10, {
        groups: [{ groupId: group, topics: [{ topicId: id, partitionIndexes: [0] }] }],
        requireStable: true,
      });
    },
  },
  {
    name: "commit may go backwards and beyond the end, and keeps its metadata",
    run: async (probe) => {
      const group = probe.named("anywhere");
      const { name } = await probe.topic("offsets");
      await commit(probe, "far beyond", { group, topic: name, offset: 1_000_000_000n, metadata: "far" });
      await committed(probe, "is far", group, name);
      await commit(probe, "backwards", { group, topic: name, offset: 3n, metadata: "near" });
      await committed(probe, "is near", group, name);
      await commit(probe, "negative", { group, topic: name, offset: -2n });
      await commit(probe, "null metadata", { group, topic: name, offset: 4n, metadata: null });
      await committed(probe, "after null metadata", group, name);
    },
  },
  {
    name: "commit names unknown topics and partitions, and refuses long metadata and empty group ids",
    run: async (probe) => {
      const group = probe.named("wrong");
      const { name } = await probe.topic("known");
      await commit(probe, "unknown topic", { group, topic: probe.named("nowhere"), offset: 1n });
      await commit(probe, "unknown partition", { group, topic: name, offset: 1n, partition: 9 });
      await commit(probe, "long metadata", { group, topic: name, offset: 1n, metadata: "x".repeat(5_000) });
      await committed(probe, "nothing stored", group, name);
      const body = { generationId: -1, memberId: "", topics: [] };
      await probe.check("empty group id", offsetCommit, 8, { ...body, groupId: "" });
    },
  },
  {
    name: "offsets of a group that nobody knows are absent, not an error",
    run: async (probe) => {
      const group = probe.named("nobody");
      await coordinated(probe, group);
      const { name } = await probe.topic("unread", { partitions: 2 });
      await committed(probe, "one topic", group, name);
      await committed(probe, "one topic v8", group, name, 8);
      await probe.check("all topics", offsetFetch, 7, { groupId: group, topics: null, requireStable: false });
    },
  },
  {
    name: "all offsets of a group can be asked for without naming topics",
    run: async (probe) => {
      const group = probe.named("all");
      const { name } = await probe.topic("one", { partitions: 2 });
      await commit(probe, "commit", { group, topic: name, offset: 5n, partition: 1 });
      await probe.check("v7", offsetFetch, 7, { groupId: group, topics: null, requireStable: false });
      const groups = [{ groupId: group, topics: null }];
      await probe.check("v8", offsetFetch, 8, { groups, requireStable: false });
    },
  },
  {
    name: "new member gets an id first, becomes leader when it comes back, and gets its assignment",
    run: async (probe) => {
      const group = probe.named("joining");
      await coordinated(probe, group);
      const first = await probe.ask(joinGroup, 5, join(group, ""));
      probe.tell("first answer", first);
      const joined = await probe.check("second answer", joinGroup, 5, join(group, first.memberId));
      const member = { group, memberId: first.memberId, generationId: joined.generationId };
      await probe.check("heartbeat before sync", heartbeat, 3, member3(member));
      await probe.check("sync", syncGroup, 3, sync(member, "mine"));
      await probe.check("heartbeat", heartbeat, 3, member3(member));
      await probe.check("described", describeGroups, 5, { groups: [group], includeAuthorizedOperations: false });
    },
  },
  {
    name: "up to version 3 a new member joins at once",
    run: async (probe) => {
      const group = probe.named("joining-3");
      await coordinated(probe, group);
      await probe.check("joined", joinGroup, 3, join(group, ""));
    },
  },
  {
    name: "members with a wrong id or generation are refused",
    run: async (probe) => {
      const member = await soleMember(probe, probe.named("strict"));
      const old = { ...member, generationId: member.generationId + 5 };
      const stranger = { ...member, memberId: "stranger" };
      await probe.check("heartbeat, wrong generation", heartbeat, 3, member3(old));
      await probe.check("heartbeat, wrong member", heartbeat, 3, member3(stranger));
      await probe.check("sync, wrong generation", syncGroup, 3, sync(old, "x"));
      await probe.check("sync, wrong member", syncGroup, 3, sync(stranger, "x"));
      await probe.check("join, wrong member", joinGroup, 5, join(member.group, "stranger"));
      const other = { ...join(member.group, member.memberId), protocolType: "other" };
      await probe.check("join, other protocol type", joinGroup, 5, other);
      const nothing = { ...join(member.group, member.memberId), protocols: [{ name: "x", metadata: Buffer.alloc(0) }] };
      await probe.check("join as sole member with another protocol", joinGroup, 5, nothing);
    },
  },
  {
    name: "commit into a living group needs a member and its generation",
    run: async (probe) => {
      const { name } = await probe.topic("living");
      const member = await soleMember(probe, probe.named("living"));
      const base = { group: member.group, topic: name, offset: 7n };
      await commit(probe, "from outside", base);
      await commit(probe, "stranger", { ...base, memberId: "stranger", generationId: member.generationId });
      await commit(probe, "old generation", { ...base, memberId: member.memberId, generationId: 99 });
      await commit(probe, "member", { ...base, memberId: member.memberId, generationId: member.generationId });
      await committed(probe, "stored", member.group, name);
    },
  },
  {
    name: "member leaves, the group is empty, can be deleted and is gone",
    run: async (probe) => {
      const { name } = await probe.topic("leaving");
      const member = await soleMember(probe, probe.named("leaving"));
      await commit(probe, "commit", { ...member, topic: name, offset: 7n });
      await probe.check("delete while alive", deleteGroups, 2, { groupsNames: [member.group] });
      const members = [{ memberId: member.memberId, groupInstanceId: null }];
      await probe.check("leave", leaveGroup, 4, { groupId: member.group, members });
      await probe.check("leave again", leaveGroup, 4, { groupId: member.group, members });
      await probe.check("leave v1", leaveGroup, 1, { groupId: member.group, memberId: "stranger" });
      await probe.check("described", describeGroups, 5, { groups: [member.group] });
      await committed(probe, "offsets stay", member.group, name);
      await probe.check("delete", deleteGroups, 2, { groupsNames: [member.group] });
      await probe.check("delete again", deleteGroups, 2, { groupsNames: [member.group] });
      await committed(probe, "offsets gone", member.group, name);
    },
  },
  {
    name: "groups that nobody knows are described as dead, or as not found",
    run: async (probe) => {
      const group = probe.named("never");
      await coordinated(probe, group);
      await probe.check("v5", describeGroups, 5, { groups: [group] });
      await probe.check("v6", describeGroups, 6, { groups: [group] });
      await probe.check("delete", deleteGroups, 2, { groupsNames: [group] });
      await probe.check("heartbeat", heartbeat, 3, member3({ group, memberId: "m", generationId: 1 }));
      await probe.check("join with an id", joinGroup, 5, join(group, "stranger"));
      await probe.check("leave", leaveGroup, 4, {
        groupId: group,
        members: [{ memberId: "m", groupInstanceId: null }],
      });
    },
  },
  {
    name: "join refuses session timeouts outside the broker's range and empty ids",
    run: async (probe) => {
      const group = probe.named("ranges");
      await coordinated(probe, group);
      await probe.check("too short", joinGroup, 5, join(group, "", { sessionTimeoutMs: 10 }));
      await probe.check("too long", joinGroup, 5, join(group, "", { sessionTimeoutMs: 100_000_000 }));
      await probe.check("empty group id", joinGroup, 5, join("", ""));
    },
  },
  {
    name: "groups are listed with state and type",
    run: async (probe) => {
      const { name } = await probe.topic("listed");
      const member = await soleMember(probe, probe.named("listed-stable"));
      const empty = probe.named("listed-empty");
      await commit(probe, "commit", { group: empty, topic: name, offset: 1n });
      for (const version of [3, 4, 5]) {
        const { groups, ...rest } = await probe.ask(listGroups, version, {});
        const own = groups.filter(({ groupId }) => groupId === member.group || groupId === empty);
        const sorted = own.sort((a, b) => a.groupId.localeCompare(b.groupId));
        probe.tell(`v${version}`, { ...rest, groups: sorted });
      }
      const { groups } = await probe.ask(listGroups, 4, { statesFilter: ["Empty"] });
      probe.tell(
        "only empty ones",
        groups.filter(({ groupId }) => groupId === member.group || groupId === empty),
      );
    },
  },
  {
    name: "coordinator is found at every version, and key types that do not exist are refused",
    run: async (probe) => {
      const group = probe.named("found");
      await coordinated(probe, group);
      for (let version = 0; version <= 3; version++) {
        await probe.check(`v${version}`, findCoordinator, version, { key: group });
      }
      await probe.check("v4", findCoordinator, 4, { keyType: 0, coordinatorKeys: [group, `${group}-2`] });
      await probe.check("key type 9", findCoordinator, 4, { keyType: 9, coordinatorKeys: [group] });
      await probe.check("empty group id", findCoordinator, 3, { key: "" });
    },
  },
];

function member3(member: Member) {
  return { groupId: member.group, generationId: member.generationId, memberId: member.memberId };
}
