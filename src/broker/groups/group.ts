/** A classic consumer group: members, generations and rebalances, as Kafka's `ClassicGroup` and its manager behave.
 *
 *  ```
 *  Empty --join--> PreparingRebalance --all joined--> CompletingRebalance --leader syncs--> Stable
 *    ^                 ^    |                              |                                  |
 *    |                 |    +-- nobody left                +-- member joins or goes ----------+
 *    +-----------------+--------- (back to Empty) ---------+
 *  ``` */

import type { Clock, Timer } from "../../core/clock.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { Member, type MemberFacts } from "./member.ts";
import { fitsTo, votedProtocol } from "./protocol-choice.ts";
import { type JoinResult, refusedJoin, refusedSync, type SyncResult } from "./results.ts";
import { type Found, type MemberRef, Roster } from "./roster.ts";

/** States with Kafka's names. */
export type GroupState = "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable" | "Dead";

/** What a group stands on. */
export interface GroupDeps {
  readonly clock: Clock;
  readonly newMemberId: (clientId: string) => string;
  /** Wait for more members before the first rebalance of an empty group. */
  readonly initialDelayMs: number;
  readonly membersMax: number;
  /** Called when a generation begins, also the empty one. */
  readonly onGeneration: (group: Group) => void;
}

const NOTHING = Buffer.alloc(0);

/** A group; all calls are synchronous but for the two waits. */
export class Group {
  readonly groupId: string;
  readonly #deps: GroupDeps;
  readonly #members = new Roster();
  /** Ids given out by MEMBER_ID_REQUIRED whose owners have not come back yet. */
  readonly #pending = new Map<string, Timer>();
  #state: GroupState = "Empty";
  #generationId: number;
  #protocolType: string;
  #protocolName: string | null = null;
  #leaderId = "";
  #emptySinceMs: number;
  #timer: Timer | undefined;

  constructor(groupId: string, was: { readonly generationId: number; readonly protocolType: string }, deps: GroupDeps) {
    this.groupId = groupId;
    this.#deps = deps;
    this.#generationId = was.generationId;
    this.#protocolType = was.protocolType;
    this.#emptySinceMs = deps.clock.nowMs();
  }

  get state(): GroupState {
    return this.#state;
  }
  get generationId(): number {
    return this.#generationId;
  }
  get protocolType(): string {
    return this.#protocolType;
  }
  get protocolName(): string | null {
    return this.#protocolName;
  }
  get members(): readonly Member[] {
    return this.#members.all;
  }
  /** Since when the group has no members, milliseconds since the epoch. */
  get emptySinceMs(): number {
    return this.#emptySinceMs;
  }

  /** JoinGroup. `needsId`: the client can come back with the id it is given (v4 and later). */
  join(memberId: string, facts: MemberFacts, needsId: boolean): JoinResult | Promise<JoinResult> {
    if (!this.#accepts(facts)) return refusedJoin(memberId, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    const sameInstance = this.#members.byInstance(facts.groupInstanceId);
    if (memberId === "") {
      if (sameInstance !== undefined) return this.#replaceStatic(sameInstance, facts);
      if (this.#isFull) return refusedJoin(memberId, ErrorCode.GROUP_MAX_SIZE_REACHED);
      const newId = this.#deps.newMemberId(facts.groupInstanceId ?? facts.clientId);
      return facts.groupInstanceId === null && needsId ? this.#promise(newId, facts) : this.#add(newId, facts);
    }
    if (this.#pending.has(memberId)) return this.#add(memberId, facts);
    const member = this.#members.get(memberId);
    if (facts.groupInstanceId !== null && sameInstance === undefined)
      return refusedJoin(memberId, ErrorCode.UNKNOWN_MEMBER_ID);
    if (sameInstance !== undefined && sameInstance !== member)
      return refusedJoin(memberId, ErrorCode.FENCED_INSTANCE_ID);
    return member === undefined ? refusedJoin(memberId, ErrorCode.UNKNOWN_MEMBER_ID) : this.#rejoin(member, facts);
  }

  /** SyncGroup. `assignments` comes from the leader only. */
  sync(
    ref: MemberRef,
    protocol: { readonly type: string | null; readonly name: string | null },
    assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[],
  ): SyncResult | Promise<SyncResult> {
    const { errorCode, member } = this.#check(ref);
    if (member === undefined) return refusedSync(errorCode);
    const isOther =
      (protocol.type !== null && protocol.type !== this.#protocolType) ||
      (protocol.name !== null && protocol.name !== this.#protocolName);
    if (isOther) return refusedSync(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    this.#renew(member);
    if (this.#state === "Stable") return this.#assigned(member);
    if (this.#state !== "CompletingRebalance") return refusedSync(ErrorCode.REBALANCE_IN_PROGRESS);
    const waiting = member.sync();
    if (member.memberId === this.#leaderId) this.#assign(assignments);
    return waiting;
  }

  /** Heartbeat: an error code. */
  heartbeat(ref: MemberRef): number {
    const { errorCode, member } = this.#check(ref);
    if (member === undefined) return errorCode;
    this.#renew(member);
    return this.#state === "PreparingRebalance" ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
  }

  /** LeaveGroup of one member: an error code. */
  leave(ref: Omit<MemberRef, "generationId">): number {
    if (this.#forgetPending(ref.memberId)) {
      this.#completeIfAllJoined();
      return ErrorCode.NONE;
    }
    const { errorCode, member } = this.#members.find(ref);
    if (member === undefined) return errorCode;
    this.#remove(member);
    return ErrorCode.NONE;
  }

  /** Whether offsets may be committed: an error code (Kafka: `ClassicGroup.validateOffsetCommit`). */
  checkCommit(ref: MemberRef & { readonly isTransactional?: boolean }): number {
    const isTransactional = ref.isTransactional === true;
    if (ref.generationId < 0 && this.#state === "Empty") return ErrorCode.NONE;
    const isNobody = ref.generationId < 0 && ref.memberId === "" && ref.groupInstanceId === null;
    // Writers with transactions could not name themselves before version 3 of their request.
    if (isNobody) return isTransactional ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
    const { errorCode, member } = this.#check(ref);
    if (member === undefined) return errorCode;
    this.#renew(member);
    const isBlocked = this.#state === "CompletingRebalance" && !isTransactional;
    return isBlocked ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
  }

  /** Starts every session anew: the coordinator moved, and members could not reach it meanwhile. */
  renewAll(): void {
    for (const member of this.#members.all) this.#renew(member);
  }

  /** Ends all timers and waits. Idempotent. */
  close(): void {
    this.#state = "Dead";
    this.#timer?.cancel();
    for (const timer of this.#pending.values()) timer.cancel();
    this.#pending.clear();
    for (const member of this.#members.all) {
      member.endSession();
      member.answerJoin(refusedJoin(member.memberId, ErrorCode.NOT_COORDINATOR_FOR_GROUP));
      member.answerSync(refusedSync(ErrorCode.NOT_COORDINATOR_FOR_GROUP));
    }
    this.#members.clear();
  }

  get #isFull(): boolean {
    return this.#members.size + this.#pending.size >= this.#deps.membersMax;
  }

  /** Everybody must be of one type and have one assignor in common. */
  #accepts(facts: MemberFacts): boolean {
    const { groupInstanceId } = facts;
    const others = this.members.filter(
      (member) => groupInstanceId === null || member.facts.groupInstanceId !== groupInstanceId,
    );
    return fitsTo(
      facts,
      others.map((member) => member.facts),
      this.#protocolType,
    );
  }

  #check(ref: MemberRef): Found {
    const found = this.#members.find(ref);
    if (found.member === undefined) return found;
    return ref.generationId === this.#generationId ? found : { errorCode: ErrorCode.ILLEGAL_GENERATION };
  }

  /** A new member is told its id first, so that a lost response leaves no ghost in the group (KIP-394). */
  #promise(memberId: string, facts: MemberFacts): JoinResult {
    const timer = this.#deps.clock.after(facts.sessionTimeoutMs, () => {
      this.#pending.delete(memberId);
      this.#completeIfAllJoined();
    });
    this.#pending.set(memberId, timer);
    return refusedJoin(memberId, ErrorCode.MEMBER_ID_REQUIRED);
  }

  #forgetPending(memberId: string): boolean {
    this.#pending.get(memberId)?.cancel();
    return this.#pending.delete(memberId);
  }

  #add(memberId: string, facts: MemberFacts): Promise<JoinResult> {
    this.#forgetPending(memberId);
    const member = new Member(memberId, facts, this.#deps.clock);
    if (this.#members.size === 0) this.#protocolType = facts.protocolType;
    this.#members.add(member);
    return this.#rebalanceFor(member);
  }

  #rejoin(member: Member, facts: MemberFacts): JoinResult | Promise<JoinResult> {
    const offersSame = member.offersSame(facts.protocols);
    const isLeader = member.memberId === this.#leaderId;
    const keepsGeneration =
      (this.#state === "CompletingRebalance" && offersSame) || (this.#state === "Stable" && offersSame && !isLeader);
    member.facts = facts;
    this.#renew(member);
    return keepsGeneration ? this.#joined(member) : this.#rebalanceFor(member);
  }

  /** A static member that restarted takes its old place under a new id; the old id is fenced (KIP-345). */
  #replaceStatic(old: Member, facts: MemberFacts): JoinResult | Promise<JoinResult> {
    const member = new Member(this.#deps.newMemberId(facts.groupInstanceId ?? facts.clientId), facts, this.#deps.clock);
    member.assignment = old.assignment;
    old.endSession();
    old.answerJoin(refusedJoin(old.memberId, ErrorCode.FENCED_INSTANCE_ID));
    old.answerSync(refusedSync(ErrorCode.FENCED_INSTANCE_ID));
    this.#members.delete(old);
    this.#members.add(member);
    const wasLeader = this.#leaderId === old.memberId;
    if (wasLeader) this.#leaderId = member.memberId;
    this.#renew(member);
    // The new incarnation does not know the assignment it made as a leader, so it gets no member list to assign again.
    const keeps = this.#state === "Stable" && old.offersSame(facts.protocols);
    return keeps ? { ...this.#joined(member), members: [] } : this.#rebalanceFor(member);
  }

  #rebalanceFor(member: Member): Promise<JoinResult> {
    const waiting = member.join();
    this.#renew(member);
    if (this.#state !== "PreparingRebalance") this.#prepare();
    else this.#completeIfAllJoined();
    return waiting;
  }

  #renew(member: Member): void {
    member.renewSession(() => this.#remove(member));
  }

  #remove(member: Member): void {
    if (!this.#members.delete(member)) return;
    member.endSession();
    member.answerJoin(refusedJoin(member.memberId, ErrorCode.UNKNOWN_MEMBER_ID));
    member.answerSync(refusedSync(ErrorCode.UNKNOWN_MEMBER_ID));
    if (this.#leaderId === member.memberId) this.#leaderId = "";
    if (this.#state === "PreparingRebalance") this.#completeIfAllJoined();
    else if (this.#state !== "Empty" && this.#state !== "Dead") this.#prepare();
  }

  #prepare(): void {
    for (const member of this.#members.all) member.answerSync(refusedSync(ErrorCode.REBALANCE_IN_PROGRESS));
    const wasEmpty = this.#state === "Empty";
    this.#state = "PreparingRebalance";
    this.#timer?.cancel();
    if (wasEmpty && this.#deps.initialDelayMs > 0) {
      this.#timer = this.#deps.clock.after(this.#deps.initialDelayMs, () => this.#complete());
      return;
    }
    this.#timer = this.#deps.clock.after(this.#longestRebalanceMs, () => this.#complete());
    this.#completeIfAllJoined();
  }

  get #longestRebalanceMs(): number {
    return Math.max(0, ...this.members.map((member) => member.facts.rebalanceTimeoutMs));
  }

  #completeIfAllJoined(): void {
    if (this.#state !== "PreparingRebalance" || this.#pending.size > 0) return;
    if (this.members.every((member) => member.isJoining)) this.#complete();
  }

  /** Begins the next generation with those who came; static members keep their place until their session ends. */
  #complete(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const member of this.members) {
      if (member.isJoining || member.facts.groupInstanceId !== null) continue;
      this.#members.delete(member);
      member.endSession();
    }
    this.#generationId++;
    if (this.#members.size === 0) {
      this.#state = "Empty";
      this.#protocolName = null;
      this.#leaderId = "";
      this.#emptySinceMs = this.#deps.clock.nowMs();
      this.#deps.onGeneration(this);
      return;
    }
    this.#state = "CompletingRebalance";
    const leader = this.#members.get(this.#leaderId);
    if (!(leader?.isJoining ?? false))
      this.#leaderId = (this.members.find((member) => member.isJoining) ?? this.members[0])?.memberId ?? "";
    this.#protocolName = votedProtocol(this.members.map((member) => member.facts));
    this.#deps.onGeneration(this);
    this.#timer = this.#deps.clock.after(this.#longestRebalanceMs, () => this.#dropUnsynced());
    for (const member of this.members) {
      this.#renew(member);
      member.answerJoin(this.#joined(member));
    }
  }

  /** Members that were told the generation but never came for their assignment hold everybody up. */
  #dropUnsynced(): void {
    if (this.#state !== "CompletingRebalance") return;
    // Listed first: the first removal answers everybody who waits.
    const unsynced = this.members.filter((member) => !member.isSyncing);
    for (const member of unsynced) this.#remove(member);
  }

  #joined(member: Member): JoinResult {
    const isLeader = member.memberId === this.#leaderId;
    const protocolName = this.#protocolName ?? "";
    return {
      errorCode: ErrorCode.NONE,
      generationId: this.#generationId,
      protocolType: this.#protocolType,
      protocolName,
      leader: this.#leaderId,
      memberId: member.memberId,
      members: isLeader
        ? this.members.map((each) => ({
            memberId: each.memberId,
            groupInstanceId: each.facts.groupInstanceId,
            metadata: each.metadata(protocolName),
          }))
        : [],
    };
  }

  #assign(assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[]): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#state = "Stable";
    for (const member of this.members) {
      // The request's frame is as large as all assignments together, so each one is copied out of it.
      const own = assignments.find(({ memberId }) => memberId === member.memberId)?.assignment;
      member.assignment = own === undefined ? NOTHING : Buffer.from(own);
      member.answerSync(this.#assigned(member));
    }
  }

  #assigned(member: Member): SyncResult {
    return {
      errorCode: ErrorCode.NONE,
      protocolType: this.#protocolType,
      protocolName: this.#protocolName,
      assignment: member.assignment,
    };
  }
}
