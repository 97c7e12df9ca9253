/** Committed offsets and what else outlives the members of a group, on record before anybody is told. */

import type { Logger } from "../../core/logger.ts";
import type { Storage } from "../../core/storage.ts";
import { Journal, type JournalState } from "../journal.ts";
import { PendingOffsets } from "./pending-offsets.ts";

/** A committed offset. */
export interface CommittedOffset {
  readonly offset: bigint;
  /** Leader epoch of the last record consumed; -1 when the client did not say. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitMs: number;
}

/** One partition of a commit. */
export interface OffsetCommit extends CommittedOffset {
  readonly topic: string;
  readonly partition: number;
}

/** What is kept of a group itself. */
export interface GroupRecord {
  readonly protocolType: string;
  readonly generationId: number;
}

/** One change. Offsets are text because JSON has no int64; short keys because there is one entry per commit. */
type OffsetEntry =
  | {
      readonly t: "commit";
      readonly g: string;
      readonly n: string;
      readonly p: number;
      readonly o: string;
      readonly e: number;
      readonly m: string;
      readonly at: number;
    }
  | { readonly t: "group"; readonly g: string; readonly type: string; readonly generation: number }
  | {
      readonly t: "pending";
      readonly g: string;
      readonly pid: string;
      readonly n: string;
      readonly p: number;
      readonly o: string;
      readonly e: number;
      readonly m: string;
      readonly at: number;
      /** An offset from outside came later; only in a rewritten journal. */
      readonly over?: true;
    }
  | { readonly t: "txn-end"; readonly pid: string; readonly groups: readonly string[]; readonly committed: boolean }
  | { readonly t: "group-deleted"; readonly g: string }
  | { readonly t: "topic-deleted"; readonly n: string };

/** Offsets by topic and partition. */
export type GroupOffsets = ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>>;

class OffsetState implements JournalState<OffsetEntry> {
  readonly offsets = new Map<string, Map<string, Map<number, CommittedOffset>>>();
  readonly groups = new Map<string, GroupRecord>();
  readonly pending = new PendingOffsets();

  apply(entry: OffsetEntry): void {
    switch (entry.t) {
      case "commit":
        this.#commit(entry.g, offsetOf(entry));
        this.pending.overtake({ groupId: entry.g, topic: entry.n, partition: entry.p });
        return;
      case "pending": {
        const { g: groupId, pid, over } = entry;
        this.pending.add({ ...offsetOf(entry), groupId, producerId: BigInt(pid), isOvertaken: over === true });
        return;
      }
      case "txn-end":
        for (const offset of this.pending.take(BigInt(entry.pid), entry.groups))
          if (entry.committed && !offset.isOvertaken) this.#commit(offset.groupId, offset);
        return;
      case "group":
        this.groups.set(entry.g, { protocolType: entry.type, generationId: entry.generation });
        return;
      case "group-deleted":
        this.groups.delete(entry.g);
        this.offsets.delete(entry.g);
        this.pending.forget({ groupId: entry.g });
        return;
      case "topic-deleted":
        for (const topics of this.offsets.values()) topics.delete(entry.n);
        this.pending.forget({ topic: entry.n });
        return;
    }
  }

  *snapshot(): Iterable<OffsetEntry> {
    for (const [g, { protocolType, generationId }] of this.groups)
      yield { t: "group", g, type: protocolType, generation: generationId };
    for (const [g, topics] of this.offsets) {
      for (const [n, partitions] of topics) {
        for (const [p, committed] of partitions) yield commitEntry(g, { ...committed, topic: n, partition: p });
      }
    }
    for (const offset of this.pending.all()) {
      const { groupId: g, producerId, isOvertaken } = offset;
      yield { ...fields(offset), t: "pending", g, pid: String(producerId), ...(isOvertaken ? { over: true } : {}) };
    }
  }

  #commit(groupId: string, commit: OffsetCommit): void {
    const group = getOrAdd(this.offsets, groupId, () => new Map<string, Map<number, CommittedOffset>>());
    const topic = getOrAdd(group, commit.topic, () => new Map<number, CommittedOffset>());
    const { offset, leaderEpoch, metadata, commitMs } = commit;
    topic.set(commit.partition, { offset, leaderEpoch, metadata, commitMs });
  }
}

/** Survives a killed process: what `commit` returned from is on file. */
export class OffsetStore {
  readonly #state = new OffsetState();
  readonly #journal: Journal<OffsetEntry>;

  private constructor(path: string, deps: { readonly storage: Storage; readonly logger: Logger }) {
    this.#journal = Journal.open({ path, syncsSoon: false }, this.#state, deps);
  }

  /** @throws {RegionError} `REGION_JOURNAL_CORRUPT` */
  static open(path: string, deps: { readonly storage: Storage; readonly logger: Logger }): OffsetStore {
    return new OffsetStore(path, deps);
  }

  /** Ids of all groups with offsets or a record of their own. */
  groupIds(): readonly string[] {
    const { groups, offsets, pending } = this.#state;
    return [...new Set([...groups.keys(), ...offsets.keys(), ...pending.groupIds()])];
  }
  group(groupId: string): GroupRecord | undefined {
    return this.#state.groups.get(groupId);
  }
  offsets(groupId: string): GroupOffsets {
    return this.#state.offsets.get(groupId) ?? new Map();
  }
  offset(groupId: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#state.offsets.get(groupId)?.get(topic)?.get(partition);
  }

  /** Stores all partitions of one commit, or none. @throws {StorageError} */
  commit(groupId: string, commits: readonly OffsetCommit[]): void {
    this.#journal.append(...commits.map((commit) => commitEntry(groupId, commit)));
  }

  /** Stores all partitions of one commit inside a transaction, or none. @throws {StorageError} */
  commitPending(at: { readonly groupId: string; readonly producerId: bigint }, commits: readonly OffsetCommit[]): void {
    const { groupId: g, producerId } = at;
    const pid = String(producerId);
    this.#journal.append(...commits.map((commit) => ({ ...fields(commit), t: "pending", g, pid }) as const));
  }

  /** Groups in which a producer's transaction has stored offsets. */
  pendingGroups(producerId: bigint): readonly string[] {
    return this.#state.pending.groupsOf(producerId);
  }
  /** Whether a transaction has stored an offset for the partition that does not count yet. */
  isPending(groupId: string, topic: string, partition: number): boolean {
    return this.#state.pending.has(groupId, topic, partition);
  }
  /** Whether offsets of transactions wait in a group. */
  hasPending(groupId: string): boolean {
    return this.#state.pending.groupIds().has(groupId);
  }

  /** Lets a producer's offsets in these groups count, or forgets them. @throws {StorageError} */
  endPending(end: {
    readonly producerId: bigint;
    readonly groupIds: readonly string[];
    readonly committed: boolean;
  }): void {
    const { producerId, groupIds: groups, committed } = end;
    if (groups.length > 0) this.#journal.append({ t: "txn-end", pid: String(producerId), groups, committed });
  }

  /** Remembers that a group reached a generation. @throws {StorageError} */
  saveGroup(groupId: string, record: GroupRecord): void {
    this.#journal.append({ t: "group", g: groupId, type: record.protocolType, generation: record.generationId });
  }

  /** Forgets a group with its offsets. @throws {StorageError} */
  deleteGroup(groupId: string): void {
    this.#journal.append({ t: "group-deleted", g: groupId });
  }

  /** Forgets the offsets of a deleted topic, as Kafka does. @throws {StorageError} */
  deleteTopic(topic: string): void {
    this.#journal.append({ t: "topic-deleted", n: topic });
  }

  /** Waits until everything is on the disk. */
  sync(): Promise<void> {
    return this.#journal.sync();
  }

  /** Idempotent. */
  close(): void {
    this.#journal.close();
  }
}

function commitEntry(groupId: string, commit: OffsetCommit): OffsetEntry {
  return { t: "commit", g: groupId, ...fields(commit) };
}

function fields(commit: OffsetCommit) {
  return {
    n: commit.topic,
    p: commit.partition,
    o: String(commit.offset),
    e: commit.leaderEpoch,
    m: commit.metadata,
    at: commit.commitMs,
  };
}

function offsetOf({ n, p, o, e, m, at }: ReturnType<typeof fields>): OffsetCommit {
  return { topic: n, partition: p, offset: BigInt(o), leaderEpoch: e, metadata: m, commitMs: at };
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
