/** Which topics MirrorMaker 2 copied that no lane has taken over: what a plan has to say before a worker runs. */

import { dedicatedOffsetsTopic, readMm2Positions } from "../adapters/kafka-mm2-positions.ts";
import { nodeClock } from "../adapters/node-clock.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import type { StoredPositions } from "../mirror/mm2/stored-positions.ts";
import type { LaneStateRecord } from "../mirror/offset-ports.ts";
import { flowsOf, type Topology } from "../topology/model.ts";
import type { PlannedPair } from "../topology/plan-changes.ts";
import type { PlanRisk } from "../topology/plan-risks.ts";

/** What a target knows of both. */
export interface AdoptableRegion {
  readonly states: readonly LaneStateRecord[];
  /** By the source region. */
  readonly mm2Positions: ReadonlyMap<string, StoredPositions>;
}

/** One risk for each topic with such partitions, and the command that takes them over. */
export function adoptionRisks(
  topology: Topology,
  pairs: readonly PlannedPair[],
  regions: ReadonlyMap<string, AdoptableRegion>,
): readonly PlanRisk[] {
  return pairs.flatMap(({ flow, planned, source }): readonly PlanRisk[] => {
    const target = regions.get(flow.target);
    const positions = target?.mm2Positions.get(flow.source);
    if (target === undefined || positions === undefined || planned.action === "create") return [];
    const known = target.states.filter(
      ({ lane, targetTopic }) => lane.sourceTopicId === source.topicId && targetTopic === planned.target,
    );
    const taken = new Set(known.map(({ lane }) => lane.sourcePartition));
    const copied = Array.from({ length: planned.partitions }, (_, partition) => partition).filter(
      (partition) => positions.at(planned.source, partition).length > 0 && !taken.has(partition),
    );
    if (copied.length === 0) return [];
    const what = `MirrorMaker 2 copied ${copied.length} of ${planned.partitions} partitions: their lanes wait until it is stopped and they are adopted`;
    const mend = `tributary mirror adopt -t ${topology.file} ${flow.mirror.name} --yes`;
    return [{ code: "adoption-needed", region: flow.target, topic: planned.target, what, mend }];
  });
}

/** MirrorMaker's positions for the flows that end in a region and are compatible with it. Writes nothing. @throws {ClientError} */
export async function mm2PositionsIn(
  client: KafkaClient,
  topology: Topology,
  region: string,
): Promise<AdoptableRegion["mm2Positions"]> {
  const deps = { client, clock: nodeClock() };
  const found = new Map<string, StoredPositions>();
  for (const { source, target, mirror } of flowsOf(topology)) {
    if (target !== region || mirror.compat === undefined) continue;
    const offsetsTopic = mirror.compat.offsetsTopic ?? dedicatedOffsetsTopic(source);
    found.set(source, await readMm2Positions({ sourceAlias: source, offsetsTopic }, deps));
  }
  return found;
}
