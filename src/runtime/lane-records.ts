/** Which of a target's stored records are about a partition as it is now: topics are made again, and several clusters may fill one. */

import type { Uuid } from "../core/brand.ts";
import type { LaneStateRecord } from "../mirror/offset-ports.ts";

/** A partition of a flow, by names, and its target as it is now. */
export interface LanePlace {
  readonly sourceTopic: string;
  readonly targetTopic: string;
  readonly partition: number;
  /** Undefined where the target has no such topic. */
  readonly targetTopicId: Uuid | undefined;
}

/** The records of a target, to be looked up many times. */
export class LaneRecords {
  readonly #byNames: ReadonlyMap<string, readonly LaneStateRecord[]>;

  constructor(states: readonly LaneStateRecord[]) {
    this.#byNames = Map.groupBy(states, ({ sourceTopic, targetTopic, lane }) =>
      namesKey({ sourceTopic, targetTopic, partition: lane.targetPartition }),
    );
  }

  /** Those of a place, the latest first. Records about a target topic that is there no more count only while there is none. */
  at(place: LanePlace): readonly LaneStateRecord[] {
    return (this.#byNames.get(namesKey(place)) ?? [])
      .filter(({ lane }) => place.targetTopicId === undefined || lane.targetTopicId === place.targetTopicId)
      .toSorted((a, b) => b.updatedMs - a.updatedMs);
  }
}

/** Topic names hold no slash. */
function namesKey({ sourceTopic, targetTopic, partition }: Omit<LanePlace, "targetTopicId">): string {
  return `${sourceTopic}/${targetTopic}/${partition}`;
}
