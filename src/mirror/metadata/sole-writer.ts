/** Says whether a topic on the target holds nothing but what the mirror wrote: asked before the topic is deleted. */

import type { Uuid } from "../../core/brand.ts";
import { batchesIn } from "../../wire/record-batch.ts";
import { producerIdOf } from "../lane-id.ts";
import type { OffsetMap } from "../offset-map.ts";
import type { LaneIdentity, ProgressStore } from "../offset-ports.ts";
import type { PartitionBounds, Target } from "../ports.ts";

/** Stretches of one partition that are looked at because the map does not cover them; a partition with more of them, such as one with
 *  a hole for each of many transactions, is taken to hold others' records. */
const HOLES_MAX = 1_000;

/** The topic in question. */
export interface WrittenTopic {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly partitions: number;
  readonly sourceClusterId: string;
  readonly sourceTopicId: Uuid;
}

/** What the question needs. */
export interface SoleWriterDeps {
  readonly target: Target;
  /** A store of its own: loading takes away what the lane itself saved. */
  readonly progress: Pick<ProgressStore, "load">;
}

/** Why the topic may hold records that the mirror did not write; undefined when it certainly holds none. What the offset map of a lane
 *  covers is the lane's; for the rest the log is read. Call it once the source is gone, when nothing more comes.
 *  @throws {MirrorError} when the target cannot be asked */
export async function othersRecords(topic: WrittenTopic, deps: SoleWriterDeps): Promise<string | undefined> {
  for (let partition = 0; partition < topic.partitions; partition++) {
    const why = await othersIn(topic, partition, deps);
    if (why !== undefined) return `partition ${partition} ${why}`;
  }
  return undefined;
}

async function othersIn(
  { topic, topicId, sourceClusterId, sourceTopicId }: WrittenTopic,
  partition: number,
  { target, progress }: SoleWriterDeps,
): Promise<string | undefined> {
  const at = { topic, topicId, partition };
  const bounds = await target.bounds(at);
  if (bounds.startOffset === bounds.endOffset) return undefined;
  const lane: LaneIdentity = {
    sourceClusterId,
    sourceTopicId,
    sourcePartition: partition,
    targetClusterId: target.clusterId,
    targetTopicId: topicId,
    targetPartition: partition,
  };
  const { map } = await progress.load(lane);
  const holes = holesIn(bounds, map);
  if (holes === undefined) return "has too many gaps in its offset map to look at";
  const producerId = producerIdOf(lane);
  for (const { startOffset, endOffset } of holes) {
    for await (const records of target.scan(at, startOffset, endOffset)) {
      for (const batch of batchesIn(records)) {
        const isInside = batch.nextOffset > startOffset && batch.baseOffset < endOffset;
        if (isInside && !batch.isControl && batch.producerId !== producerId)
          return `holds records that the mirror did not write, at offset ${batch.baseOffset}`;
      }
    }
  }
  return undefined;
}

/** Target offsets within the bounds that no run covers; undefined when they are too many. */
function holesIn(
  { startOffset, endOffset }: PartitionBounds,
  map: Pick<OffsetMap, "runs"> | undefined,
): readonly PartitionBounds[] | undefined {
  const holes: PartitionBounds[] = [];
  let next = startOffset;
  for (const run of map?.runs() ?? []) {
    const runEnd = run.targetStart + BigInt(run.length);
    if (runEnd <= next) continue;
    if (run.targetStart >= endOffset) break;
    if (run.targetStart > next) holes.push({ startOffset: next, endOffset: run.targetStart });
    if (holes.length > HOLES_MAX) return undefined;
    next = runEnd;
  }
  if (next < endOffset) holes.push({ startOffset: next, endOffset });
  return holes;
}
