/** Deletes from a Kafka cluster what the archive has, as planned, and says what it left and why. */

import { deleteRecords, listTopics } from "../client/admin.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { hasFaultCode, toError } from "../core/errors.ts";
import { readHead } from "../tier/archive.ts";
import type { CapturedGroup } from "../tier/groups.ts";
import type { DeletionPolicy, GroupPosition, PlannedDeletion } from "../tier/local-deletion.ts";
import { planDeletion } from "../tier/local-deletion.ts";
import type { Manifest } from "../tier/manifest.ts";
import type { ArchivedPartition, ObjectStore } from "../tier/ports.ts";
import type { VerifiedCopies } from "../tier/verified-copies.ts";
import { ErrorCode, errorName } from "../wire/error-codes.ts";
import type { SeenPartition } from "./kafka-segments.ts";

/** A partition with its archive. */
export interface ArchivedCopy extends SeenPartition {
  readonly manifest: Manifest;
}

/** What was, or would be, deleted of one partition. */
export interface LocalDeletion extends PlannedDeletion {
  readonly partition: ArchivedPartition;
  /** Log start before. */
  readonly fromOffset: bigint;
  /** Archived bytes of the segments that end in the range. */
  readonly bytes: number;
  /** Why nothing was deleted although it was planned. */
  readonly refusal?: string;
}

/** What it works with. */
export interface LocalDeletionDeps {
  readonly client: KafkaClient;
  readonly store: ObjectStore;
  readonly verified: VerifiedCopies;
  /** Positions of all groups of the cluster. */
  readonly groups: () => Promise<readonly CapturedGroup[]>;
}

/** Plans the deletion of everything that may go; partitions of which nothing is cold are left out. Groups are asked only when there
 *  is something to decide. Topics that are only compacted have none: Kafka deletes no single records of them. */
export async function plannedDeletions(
  copies: readonly ArchivedCopy[],
  policy: DeletionPolicy,
  { groups, nowMs }: Pick<LocalDeletionDeps, "groups"> & { readonly nowMs: number },
): Promise<readonly LocalDeletion[]> {
  const cold = copies.filter(({ bounds, manifest, settings }) => {
    if (bounds instanceof Error || settings.compactsOnly) return false;
    const planned = planDeletion(manifest, { nowMs, positions: [] }, policy);
    return planned !== undefined && planned.toOffset > bounds.startOffset;
  });
  if (cold.length === 0) return [];
  const known = policy.unread === "keep" ? await groups() : [];
  return cold.flatMap((copy): readonly LocalDeletion[] => {
    const { bounds, manifest, partition } = copy;
    const planned = planDeletion(manifest, { nowMs, positions: positionsIn(copy, known) }, policy);
    if (bounds instanceof Error || planned === undefined) return [];
    const { startOffset: fromOffset } = bounds;
    const { limit } = planned;
    if (planned.toOffset > fromOffset)
      return [{ partition, fromOffset, bytes: bytesWithin(manifest, fromOffset, planned.toOffset), ...planned }];
    const refusal = limit.kind === "group" ? `group ${limit.group} has yet to read it` : limit.kind;
    return [{ partition, fromOffset, toOffset: fromOffset, bytes: 0, limit, refusal }];
  });
}

/** Deletes as planned, after a last look at cluster and store: the topic must be the archived one, the archive must still name what
 *  is to be deleted, since somebody may have taken it out, and its data must be what was archived.
 *  Each deletion is answered, with a refusal where it was not done. @throws {ClientError | ArchiveError | StoreError} */
export async function deleteLocally(
  plans: readonly LocalDeletion[],
  { client, store, verified }: Omit<LocalDeletionDeps, "groups">,
): Promise<readonly LocalDeletion[]> {
  const sound: LocalDeletion[] = [];
  const refused: LocalDeletion[] = [];
  for (const plan of plans) {
    if (plan.refusal !== undefined) {
      refused.push(plan);
      continue;
    }
    const refusal = await missingIn(plan, { store, verified });
    if (refusal === undefined) sound.push(plan);
    else refused.push({ ...plan, refusal });
  }
  if (sound.length === 0) return refused;
  // DeleteRecords goes by name: the topic that has it now must be the one that was archived.
  const ids = new Map((await listTopics(client)).map(({ name, topicId }) => [name, topicId]));
  const current = sound.filter(({ partition }) => ids.get(partition.topic) === partition.topicId);
  const outcomes = await deleteRecords(
    client,
    current.map(({ partition: { topic, partition: index }, toOffset: offset }) => ({ topic, index, offset })),
  );
  const done = current.map((plan, at): LocalDeletion => {
    const errorCode = outcomes[at]?.errorCode ?? ErrorCode.UNKNOWN;
    return errorCode === ErrorCode.NONE ? plan : { ...plan, refusal: errorName(errorCode) };
  });
  return [...done, ...refused];
}

/** A group that has members reads all partitions of a topic that it reads any of: without a position it is at the beginning. */
function positionsIn({ partition: at }: ArchivedCopy, groups: readonly CapturedGroup[]): readonly GroupPosition[] {
  return groups.flatMap(({ group, state, commits }): readonly GroupPosition[] => {
    const own = commits.filter(({ topic, topicId }) => topic === at.topic && (topicId ?? at.topicId) === at.topicId);
    const commit = own.find(({ partition }) => partition === at.partition);
    if (commit !== undefined) return [{ group, offset: commit.offset }];
    return own.length > 0 && !WITHOUT_MEMBERS.has(state) ? [{ group, offset: 0n }] : [];
  });
}

const WITHOUT_MEMBERS: ReadonlySet<string> = new Set(["Empty", "Dead"]);

/** What is missing in the archive now of the offsets; undefined when nothing is. */
async function missingIn(
  { partition, fromOffset, toOffset }: LocalDeletion,
  { store, verified }: Pick<LocalDeletionDeps, "store" | "verified">,
): Promise<string | undefined> {
  const { segments = [] } = (await readHead(store, partition))?.manifest ?? {};
  const [first, last] = [segments[0], segments.at(-1)];
  if (first === undefined || last === undefined) return "the archive is empty";
  if (first.baseOffset > fromOffset || last.nextOffset < toOffset)
    return `the archive only has offsets ${first.baseOffset} to ${last.lastOffset}`;
  for (const segment of segmentsWithin({ segments }, fromOffset, toOffset)) {
    const { key, logBytes } = segment;
    if ((await store.stat(`${key}.log`))?.sizeBytes !== logBytes)
      return `${key}.log is not in the store as it was verified`;
    try {
      await verified.demand(segment, store);
    } catch (error) {
      if (!hasFaultCode(error, "ARCHIVE_CORRUPT")) throw error;
      return `${toError(error).message}; run tributary tier repair`;
    }
  }
  return undefined;
}

/** Those that hold any of the offsets. */
function segmentsWithin({ segments }: Pick<Manifest, "segments">, fromOffset: bigint, toOffset: bigint) {
  return segments.filter(({ baseOffset, nextOffset }) => nextOffset > fromOffset && baseOffset < toOffset);
}

function bytesWithin(manifest: Manifest, fromOffset: bigint, toOffset: bigint): number {
  return segmentsWithin(manifest, fromOffset, toOffset).reduce((sum, { logBytes }) => sum + logBytes, 0);
}
