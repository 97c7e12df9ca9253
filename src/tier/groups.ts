/** Positions of consumer groups beside the archive: whoever restores a topic later finds where its groups stood.
 *
 *  ```
 *  <cluster id>/groups/<20-digit ms since the epoch>-<nonce>.json
 *  ```
 *  One object is one look at all groups of the cluster, and never changes. What did not change since the newest one is not written
 *  again, so the newest one at or before a time says how things stood at that time. Older ones are thinned out, see `toForget`: a
 *  restore to a time between two that are left takes the earlier, so a group may read records twice and never skips any. */

import type { Uuid } from "../core/brand.ts";
import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import { archiveFailure } from "./archive-failure.ts";
import { JsonFields, parseJson } from "./json-fields.ts";
import { twentyDigits } from "./object-key.ts";
import type { ObjectStore } from "./ports.ts";

/** Minor versions add fields, a major one breaks readers. */
const GROUPS_FORMAT_VERSION = "1.0";

/** A committed position. */
export interface CapturedCommit {
  readonly topic: string;
  /** Undefined when the cluster no longer showed the topic, whose positions outlive it. */
  readonly topicId: Uuid | undefined;
  readonly partition: number;
  /** The next record that the group will read. */
  readonly offset: bigint;
  /** Of the last record that the group has read; -1 when unknown. */
  readonly leaderEpoch: number;
  /** Free text that the consumer stored with the offset. */
  readonly metadata: string;
}

/** One group. */
export interface CapturedGroup {
  readonly group: string;
  /** By the coordinator's name for it, such as `Stable` or `Empty`; for people only. */
  readonly state: string;
  readonly commits: readonly CapturedCommit[];
}

/** All groups of a cluster at one time. */
export interface GroupSnapshot {
  readonly clusterId: string;
  /** When the look at them was over, milliseconds since the epoch: no position in it is from after that. */
  readonly takenAtMs: number;
  readonly groups: readonly CapturedGroup[];
}

/** Where a snapshot lies. */
export interface GroupSnapshotRef {
  readonly key: string;
  readonly takenAtMs: number;
}

/** Tells the positions of all groups of a cluster as they are now. Rejects when the cluster cannot be asked. */
export type GroupsView = () => Promise<readonly CapturedGroup[]>;

/** What a capture works with. */
export interface CaptureDeps {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
}

/** Looks at the groups and keeps what is new; false when nothing changed. Forgets old snapshots that are no longer wanted.
 *  @throws {StoreError | ArchiveError} and what the view throws */
export async function captureGroups(clusterId: string, view: GroupsView, deps: CaptureDeps): Promise<boolean> {
  const { store, clock, random } = deps;
  const groups = sorted(await view());
  const takenAtMs = clock.nowMs();
  const known = await groupSnapshots(store, clusterId);
  const newest = known.at(-1);
  if (newest !== undefined) {
    const before = await readGroups(store, newest);
    if (JSON.stringify(before.groups.map(groupJson)) === JSON.stringify(groups.map(groupJson))) return false;
  } else if (groups.length === 0) return false;
  const nonce = Buffer.from(random.bytes(8)).toString("hex");
  const key = `${groupsPrefix(clusterId)}${twentyDigits(BigInt(takenAtMs))}-${nonce}.json`;
  await store.put(key, encodeGroups({ clusterId, takenAtMs, groups }));
  for (const old of toForget([...known, { key, takenAtMs }], takenAtMs)) await store.remove(old.key);
  return true;
}

/** All snapshots of a cluster's groups, oldest first. @throws {StoreError} */
export async function groupSnapshots(store: ObjectStore, clusterId: string): Promise<readonly GroupSnapshotRef[]> {
  const prefix = groupsPrefix(clusterId);
  return (await store.list(prefix)).flatMap((key) => {
    const [, digits] = NAME.exec(key.slice(prefix.length)) ?? [];
    return digits === undefined ? [] : [{ key, takenAtMs: Number(digits) }];
  });
}

/** How the groups stood at a time (default: at last); undefined when they were not looked at so early.
 *  @throws {StoreError | ArchiveError} */
export async function groupsAt(
  store: ObjectStore,
  clusterId: string,
  timeMs = Number.POSITIVE_INFINITY,
): Promise<GroupSnapshot | undefined> {
  const found = (await groupSnapshots(store, clusterId)).findLast(({ takenAtMs }) => takenAtMs <= timeMs);
  return found && readGroups(store, found);
}

/** @throws {StoreError | ArchiveError} */
async function readGroups(store: ObjectStore, { key }: GroupSnapshotRef): Promise<GroupSnapshot> {
  return decodeGroups(key, await store.get(key));
}

/** Which snapshots nobody needs: the last hour keeps all, two days keep the last of each hour, and a year the last of each day; what
 *  is older goes, but the newest of all stays. So a cluster has at most as many as it was looked at in an hour, and 48, and 366. */
export function toForget(known: readonly GroupSnapshotRef[], nowMs: number): readonly GroupSnapshotRef[] {
  return known.filter((ref, at) => {
    const next = known[at + 1];
    if (next === undefined) return false;
    const ageMs = nowMs - ref.takenAtMs;
    if (ageMs <= HOUR_MS) return false;
    const slotMs = ageMs <= 2 * DAY_MS ? HOUR_MS : DAY_MS;
    const isLastOfSlot = Math.floor(ref.takenAtMs / slotMs) !== Math.floor(next.takenAtMs / slotMs);
    return !isLastOfSlot || ageMs > KEPT_MS;
  });
}

/** Offsets are decimal strings, since they may pass 2^53. */
function encodeGroups({ clusterId, takenAtMs, groups }: GroupSnapshot): Buffer {
  const json = {
    format: FORMAT,
    format_version: GROUPS_FORMAT_VERSION,
    cluster_id: clusterId,
    taken_at_ms: takenAtMs,
    groups: groups.map(groupJson),
  };
  return Buffer.from(`${JSON.stringify(json, null, 1)}\n`);
}

/** @throws {ArchiveError} `ARCHIVE_BAD_MANIFEST`, or `ARCHIVE_NEWER_FORMAT` for a major version not known here */
export function decodeGroups(key: string, bytes: Uint8Array): GroupSnapshot {
  const fields = new JsonFields(key, parseJson(key, bytes));
  if (fields.string("format") !== FORMAT) throw fields.bad("format");
  const formatVersion = fields.string("format_version");
  if (formatVersion.split(".")[0] !== GROUPS_FORMAT_VERSION.split(".")[0])
    throw archiveFailure({ code: "ARCHIVE_NEWER_FORMAT", key, formatVersion });
  return {
    clusterId: fields.string("cluster_id"),
    takenAtMs: fields.number("taken_at_ms"),
    groups: fields.list("groups").map((entry) => groupOf(new JsonFields(key, entry))),
  };
}

const FORMAT = "tributary-groups";
const NAME = /^(\d{20})-[0-9a-f]+\.json$/;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Restores to a time further back take no positions: nobody wants to read on from there. */
const KEPT_MS = 366 * DAY_MS;

function groupsPrefix(clusterId: string): string {
  return `${clusterId}/groups/`;
}

function sorted(groups: readonly CapturedGroup[]): readonly CapturedGroup[] {
  const byPlace = (a: CapturedCommit, b: CapturedCommit): number =>
    a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1;
  return groups
    .map((group) => ({ ...group, commits: group.commits.toSorted(byPlace) }))
    .toSorted((a, b) => (a.group < b.group ? -1 : 1));
}

function groupJson({ group, state, commits }: CapturedGroup): unknown {
  return {
    group,
    state,
    commits: commits.map(({ topic, topicId, partition, offset, leaderEpoch, metadata }) => ({
      topic,
      topic_id: topicId ?? null,
      partition,
      offset: String(offset),
      leader_epoch: leaderEpoch,
      metadata,
    })),
  };
}

function groupOf(fields: JsonFields): CapturedGroup {
  return {
    group: fields.string("group"),
    state: fields.string("state"),
    commits: fields.list("commits").map((entry) => {
      const commit = new JsonFields(fields.key, entry);
      return {
        topic: commit.string("topic"),
        topicId: (commit.stringOrNull("topic_id") ?? undefined) as Uuid | undefined,
        partition: commit.number("partition"),
        offset: commit.offset("offset"),
        leaderEpoch: commit.number("leader_epoch"),
        metadata: commit.string("metadata"),
      };
    }),
  };
}
