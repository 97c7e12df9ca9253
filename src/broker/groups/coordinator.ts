/** The group coordinators of a region: which broker keeps which group, the groups themselves, their committed offsets. */

import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import { type Random, randomUuid } from "../../core/random.ts";
import { StorageError } from "../../core/storage.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import type { Cluster } from "../cluster.ts";
import { brokerOfSlot, slotOf } from "../coordinator-placement.ts";
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

  /** The broker that keeps a group now; -1 when none runs. */
  coordinatorOf(groupId: string): number {
    return brokerOfSlot(this.slotOf(groupId), this.#deps.cluster);
  }

  /** The slot of a group: the partition of `__consumer_offsets` under which its offsets take part in transactions. */
  slotOf(groupId: string): number {
    return slotOf(groupId, this.#deps.cluster.brokerNumber("offsets.topic.num.partitions"));
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

  /** Stores offsets: one error code per item, in order. Neither direction nor end of a partition is checked, as in Kafka.
   *  Those of a transaction count once `endTransaction` commits it; the caller has asked its coordinator. */
  commit(
    groupId: string,
    ref: MemberRef,
    { items, producerId }: { readonly items: readonly CommitItem[]; readonly producerId?: bigint },
  ): readonly number[] {
    const refused = this.#checkCommit(groupId, { ...ref, isTransactional: producerId !== undefined });
    if (refused !== ErrorCode.NONE) return items.map(() => refused);
    const metadataMax = this.#deps.cluster.brokerNumber("offset.metadata.max.bytes");
    const codes = items.map(({ topic, partition, metadata }) => {
      if (this.#deps.cluster.partition(topic, partition) === undefined) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      return (metadata?.length ?? 0) > metadataMax ? ErrorCode.OFFSET_METADATA_TOO_LARGE : ErrorCode.NONE;
    });
    const commitMs = this.#deps.clock.nowMs();
    const good = items
      .filter((_, i) => codes[i] === ErrorCode.NONE)
      .map((item) => ({ ...item, metadata: item.metadata ?? "", commitMs }));
    try {
      if (producerId === undefined) this.#deps.store.commit(groupId, good);
      else this.#deps.store.commitPending({ groupId, producerId }, good);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#deps.logger.error("could not store offsets", { groupId, error: error.message });
      // The code on which clients try again.
      return items.map(() => ErrorCode.GROUP_COORDINATOR_NOT_AVAILABLE);
    }
    if (!this.#groups.has(groupId)) this.#open(groupId);
    return codes;
  }

  /** Lets the offsets that a producer's transaction has stored in groups of a slot count, or forgets them.
   *  @throws {StorageError} and then nothing has changed */
  endTransaction(end: { readonly slot: number; readonly producerId: bigint; readonly committed: boolean }): void {
    const { slot, producerId, committed } = end;
    const groupIds = this.#deps.store.pendingGroups(producerId).filter((groupId) => this.slotOf(groupId) === slot);
    this.#deps.store.endPending({ producerId, groupIds, committed });
  }

  /** Whether a transaction that is not ended has stored an offset for the partition. */
  isUnstable(groupId: string, topic: string, partition: number): boolean {
    return this.#deps.store.isPending(groupId, topic, partition);
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
      if (this.#deps.store.hasPending(group.groupId)) continue;
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

  #checkCommit(groupId: string, ref: MemberRef & { readonly isTransactional: boolean }): number {
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
