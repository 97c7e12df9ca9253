/** What is known of one lane after a run: both logs, what every worker says about the lane, and how the plan explains trouble. */

import type { LaneFault } from "../../src/mirror/errors.ts";
import { OffsetMap } from "../../src/mirror/offset-map.ts";
import { later } from "../../src/mirror/offset-order.ts";
import type { LaneStatus } from "../../src/mirror/status.ts";
import { type LogRecord, recordsOf } from "./log-records.ts";
import { destroysIn, hasFault, type SimPlan } from "./plan.ts";
import { type Direction, directionsOf, targetTopicOf } from "./sim-worker.ts";
import type { SimWorld } from "./world.ts";

/** A lane as one worker sees it. */
export interface LaneView {
  readonly worker: string;
  /** Undefined while the worker does not know the lane. */
  readonly status: LaneStatus | undefined;
  readonly map: OffsetMap | undefined;
}

/** See the file's comment. */
export interface LaneFacts extends Direction {
  readonly topic: string;
  readonly partition: number;
  /** Of the source topic as it is now. */
  readonly topicId: string;
  readonly sourceStart: bigint;
  readonly sourceEnd: bigint;
  readonly source: readonly LogRecord[];
  readonly targetStart: bigint;
  readonly targetEnd: bigint;
  readonly target: readonly LogRecord[];
  readonly views: readonly LaneView[];
  /** Records that the lane itself reports to be on the target twice. */
  readonly repeats: bigint;
  /** Set when some worker's lane has stopped. */
  readonly stopped: LaneFault | undefined;
}

/** `orders/0 east -> west`. */
export function laneName({
  topic,
  partition,
  from,
  to,
}: Pick<LaneFacts, "topic" | "partition" | "from" | "to">): string {
  return `${topic}/${partition} ${from} -> ${to}`;
}

/** One lane of the world, logs not read. */
export interface LanePlace extends Direction {
  readonly topic: string;
  readonly partition: number;
}

/** Every lane that the world must have. */
export function lanePlaces(world: SimWorld): readonly LanePlace[] {
  return directionsOf(world.shape).flatMap((direction) =>
    world.shape.topics.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ ...direction, topic: name, partition })),
    ),
  );
}

/** Reads everything about a lane. */
export function laneFacts(world: SimWorld, place: LanePlace): LaneFacts {
  const { from, to, topic, partition } = place;
  const at = world.regions[from].embedded.partition(topic, partition);
  const log = at?.log;
  const targetLog = world.regions[to].embedded.partitionLog(targetTopicOf(world.shape, topic), partition);
  const views = laneViews(world, place);
  return {
    ...place,
    topicId: at?.topicId ?? "",
    sourceStart: log?.startOffset ?? 0n,
    sourceEnd: log?.endOffset ?? 0n,
    source: recordsOf(log),
    targetStart: targetLog?.startOffset ?? 0n,
    targetEnd: targetLog?.endOffset ?? 0n,
    target: recordsOf(targetLog),
    views,
    repeats: views.reduce((most, { status }) => later(most, status?.repeats ?? 0n), 0n),
    stopped: views.find(({ status }) => status?.state === "stopped")?.status?.reason,
  };
}

/** What each worker says of the lane. */
export function laneViews(world: SimWorld, { from, to, topic, partition }: LanePlace): readonly LaneView[] {
  const topicId = world.regions[from].up?.partition(topic, partition)?.topicId;
  return world.workers.map(({ place, flows }) => {
    const flow = flows.find((each) => each.from === from && each.to === to)?.flow;
    const status = flow?.status.lanes.find(
      (lane) => lane.sourceTopic === topic && lane.partition === partition && lane.lane.sourceTopicId === topicId,
    );
    const map = status?.sourceNext === undefined ? undefined : flow?.directory.find(topic, partition)?.map;
    return { worker: place, status, map: map instanceof OffsetMap ? map : undefined };
  });
}

/** Why a lane may stop for good: only what the plan did to it explains it. */
export function isExplained(plan: SimPlan, { from }: Direction, { code }: LaneFault): boolean {
  switch (code) {
    case "SOURCE_GAP":
      return plan.shape.onGap === "stop" && hasFault(plan, "overtake");
    case "SOURCE_DIVERGED":
      return destroysIn(plan, from);
    case "SOURCE_TOPIC_RECREATED":
    case "SOURCE_TOPIC_DELETED":
      return plan.shape.onRecreate === "stop" && hasFault(plan, "recreate-topic");
    case "HISTORY_NEEDED":
      return plan.shape.expirationMs < 60_000;
    default:
      return false;
  }
}
