/** Which source topics were deleted and made again under mirrors that stop there: what a plan has to say before a worker does. */

import type { LaneStateRecord } from "../mirror/offset-ports.ts";
import type { PlannedPair } from "../topology/plan-changes.ts";
import type { PlanRisk } from "../topology/plan-risks.ts";

/** What is known of a region. */
export interface RememberingRegion {
  readonly facts: { readonly clusterId: string };
  /** Of all lanes that end there. */
  readonly states: readonly Pick<LaneStateRecord, "lane" | "sourceTopic" | "targetTopic">[];
}

/** One risk for each such topic. */
export function recreatedRisks(
  pairs: readonly PlannedPair[],
  regions: ReadonlyMap<string, RememberingRegion>,
): readonly PlanRisk[] {
  return pairs.flatMap(({ flow, planned, source, target }): readonly PlanRisk[] => {
    const clusterId = regions.get(flow.source)?.facts.clusterId;
    if (target === undefined || flow.mirror.onRecreate !== "stop") return [];
    const copied = (regions.get(flow.target)?.states ?? []).filter(
      ({ lane, sourceTopic, targetTopic }) =>
        lane.sourceClusterId === clusterId &&
        lane.targetTopicId === target.topicId &&
        sourceTopic === planned.source &&
        targetTopic === planned.target,
    );
    const isAnother = copied.length > 0 && copied.every(({ lane }) => lane.sourceTopicId !== source.topicId);
    if (!isAnother) return [];
    const what = `the copy is of an earlier ${planned.source}, which was deleted and made again: its lanes stop; onRecreate: restart copies the new one behind the old`;
    return [{ code: "recreated", region: flow.target, topic: planned.target, what, mend: undefined }];
  });
}
