/** The group coordinators of a region: which broker keeps which group, the groups themselves, their committed offsets. */

import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import { type Random, randomUuid } from "../../core/random.ts";
import { StorageError } from "../../core/storage.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import type { Cluster } from "../cluster.ts";
import { Group } from "./group.ts";
import type { MemberFacts } from "./member.ts";
import type { CommittedOffset, GroupOffsets, OffsetStore } from "./offset-store.ts";
import { type JoinResult, refusedJoin, refusedSync, type SyncResult } from "./results.ts";
import type { MemberRef } from "./roster.ts";

/** What a coordinator stands on. */
export interface CoordinatorDeps {
  readonly cluster: Cluster;
  readonly store: OffsetStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** One partition of an OffsetCommit. */
export interface CommitItem {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly leaderEpoch: number;
  readonly metadata: string | null;
}

const MINUTE_MS = 60_000;

/** All groups of the region; which broker answers for a group is only looked at on the way in. */
export class GroupCoordinator {
  readonly #deps: CoordinatorDeps;
  readonly #groups = new Map<string, Group>();

  /** Groups on record come back without members. */
  constructor(deps: CoordinatorDeps) {
    this.#deps = deps;
    for (const groupId of deps.store.groupIds()) this.#open(groupId);
    deps.cluster.listen({ onTopicDeleted: (name) => deps.store.deleteTopic(name) });
  }

  /** The broker that keeps a group or transactional id now: as the leader of a partition of `__consumer_offsets` would be
   *  spread, moved on to the next broker while it is down; -1 when none runs. */
  coordinatorOf(key: string): number {
    const slots = this.#deps.cluster.brokerNumber("offsets.topic.num.partitions");
    const ids = [...this.#deps.cluster.brokers.keys()];
    const first = (Math.abs(javaHash(key)) % slots) % ids.length;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[(first + i) % ids.length] ?? -1;
      if (this.#deps.cluster.brokers.get(id)?.isRunning) return id;
    }
    return -1;
  }

  /** NONE, or why this broker does not answer for the group. */
  check(groupId: string, brokerId: number): number {
    return this.coordinatorOf(groupId) === brokerId ? ErrorCode.NONE : ErrorCode.NOT_COORDINATOR_FOR_GROUP;
  }

  group(groupId: string): Group | undefined {
    return this.#groups.get(groupId);
  }

  /** Groups that a broker coordinates. */
  groupsOf(brokerId: number): readonly Group[] {
    return [...this.#groups.values()].filter((group) => this.coordinatorOf(group.groupId) === brokerId);
  }

  /** JoinGroup; the promise resolves when the rebalance ends. */
  join(
    groupId: string,
    member: { readonly memberId: string; readonly needsId: boolean },
    facts: MemberFacts,
  ): JoinResult | Promise<JoinResult> {
    const { cluster } = this.#deps;
    if (groupId === "") return refusedJoin(member.memberId, ErrorCode.INVALID_GROUP_ID);
    const min = cluster.brokerNumber("group.min.session.timeout.ms");
    const max = cluster.brokerNumber("group.max.session.timeout.ms");
    if (facts.sessionTimeoutMs < min || facts.sessionTimeoutMs > max)
      return refusedJoin(member.memberId, ErrorCode.INVALID_SESSION_TIMEOUT);
    const group = this.#groups.get(groupId) ?? (member.memberId === "" ? this.#open(groupId) : undefined);
    return group === undefined
      ? refusedJoin(member.memberId, ErrorCode.UNKNOWN_MEMBER_ID)
      : group.join(member.memberId, facts, member.needsId);
  }

  /** SyncGroup; the promise resolves when the leader has handed in the assignment. */
  sync(
    groupId: string,
    ref: MemberRef,
    rest: {
      readonly type: string | null;
      readonly name: string | null;
      readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[];
    },
  ): SyncResult | Promise<SyncResult> {
    const group = this.#groups.get(groupId);
    return group === undefined ? refusedSync(ErrorCode.UNKNOWN_MEMBER_ID) : group.sync(ref, rest, rest.assignments);
  }

  heartbeat(groupId: string, ref: MemberRef): number {
    return this.#groups.get(groupId)?.heartbeat(ref) ?? ErrorCode.UNKNOWN_MEMBER_ID;
  }

  leave(groupId: string, ref: Omit<MemberRef, "generationId">): number {
    return this.#groups.get(groupId)?.leave(ref) ?? ErrorCode.UNKNOWN_MEMBER_ID;
  }

  /** Stores offsets: one error code per item, in order. Neither direction nor end of a partition is checked, as in Kafka. */
  commit(groupId: string, ref: MemberRef, items: readonly CommitItem[]): readonly number[] {
    const refused = this.#checkCommit(groupId, ref);
    if (refused !== ErrorCode.NONE) return items.map(() => refused);
    const metadataMax = this.#deps.cluster.brokerNumber("offset.metadata.max.bytes");
    const codes = items.map(({ topic, partition, metadata }) => {
      if (this.#deps.cluster.partition(topic, partition) === undefined) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      return (metadata?.length ?? 0) > metadataMax ? ErrorCode.OFFSET_METADATA_TOO_LARGE : ErrorCode.NONE;
    });
    const commitMs = this.#deps.clock.nowMs();
    const good = items.filter((_, i) => codes[i] === ErrorCode.NONE);
    try {
      this.#deps.store.commit(
        groupId,
        good.map((item) => ({ ...item, metadata: item.metadata ?? "", commitMs })),
      );
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#deps.logger.error("could not store offsets", { groupId, error: error.message });
      // The code on which clients try again.
      return items.map(() => ErrorCode.GROUP_COORDINATOR_NOT_AVAILABLE);
    }
    if (!this.#groups.has(groupId)) this.#open(groupId);
    return codes;
  }

  offsets(groupId: string): GroupOffsets {
    return this.#deps.store.offsets(groupId);
  }
  offset(groupId: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#deps.store.offset(groupId, topic, partition);
  }

  /** DeleteGroups: an error code. */
  delete(groupId: string): number {
    const group = this.#groups.get(groupId);
    if (group === undefined) return ErrorCode.GROUP_ID_NOT_FOUND;
    if (group.state !== "Empty") return ErrorCode.NON_EMPTY_GROUP;
    this.#forget(group);
    return ErrorCode.NONE;
  }

  /** Call after a broker started or stopped: members of moved groups get a whole session to find the new coordinator. */
  brokersChanged(): void {
    for (const group of this.#groups.values()) group.renewAll();
  }

  /** Forgets groups that have been empty, and committed nothing, for `offsets.retention.minutes`. */
  expire(nowMs: number): void {
    const keptMs = this.#deps.cluster.brokerNumber("offsets.retention.minutes") * MINUTE_MS;
    for (const group of [...this.#groups.values()]) {
      if (group.state !== "Empty" || nowMs - group.emptySinceMs < keptMs) continue;
      if (nowMs - this.#lastCommitMs(group.groupId) >= keptMs) this.#forget(group);
    }
  }

  /** Ends all waits. Idempotent. */
  close(): void {
    for (const group of this.#groups.values()) group.close();
    this.#groups.clear();
  }

  #open(groupId: string): Group {
    const { cluster, clock, random, store } = this.#deps;
    const group = new Group(groupId, store.group(groupId) ?? { generationId: 0, protocolType: "" }, {
      clock,
      newMemberId: (prefix) => `${prefix}-${randomUuid(random)}`,
      initialDelayMs: cluster.brokerNumber("group.initial.rebalance.delay.ms"),
      membersMax: cluster.brokerNumber("group.max.size"),
      onGeneration: (group) => this.#save(group),
    });
    this.#groups.set(groupId, group);
    return group;
  }

  /** What a full disk keeps from the record costs the group a rebalance after a restart, no more. */
  #save({ groupId, protocolType, generationId }: Group): void {
    try {
      this.#deps.store.saveGroup(groupId, { protocolType, generationId });
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#deps.logger.error("could not record a group", { groupId, error: error.message });
    }
  }

  #checkCommit(groupId: string, ref: MemberRef): number {
    if (groupId === "") return ErrorCode.INVALID_GROUP_ID;
    const group = this.#groups.get(groupId);
    if (group !== undefined) return group.checkCommit(ref);
    return ref.generationId < 0 ? ErrorCode.NONE : ErrorCode.ILLEGAL_GENERATION;
  }

  #lastCommitMs(groupId: string): number {
    let lastMs = 0;
    for (const partitions of this.#deps.store.offsets(groupId).values()) {
      for (const { commitMs } of partitions.values()) if (commitMs > lastMs) lastMs = commitMs;
    }
    return lastMs;
  }

  #forget(group: Group): void {
    this.#deps.store.deleteGroup(group.groupId);
    group.close();
    this.#groups.delete(group.groupId);
  }
}

/** Java's `String.hashCode`, with which Kafka spreads groups. */
function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash === -(2 ** 31) ? 0 : hash;
}
