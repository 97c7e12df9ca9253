/** Which topics a flow copies and what the target still lacks for that: a pure comparison of both sides. */

import { TOPIC_NAME_MAX } from "../topology/naming.ts";
import { isInternalName, type Selection, selects } from "../topology/patterns.ts";
import type { Naming } from "./naming.ts";
import { type LaneIdentity, type LaneKey, laneKey } from "./offset-ports.ts";
import type { NewTopic, TopicInfo, TopicPartition } from "./ports.ts";
import type { TopicTrouble } from "./status.ts";

/** Topics of this program are never copied, whatever a selection says. */
export const OWN_PREFIX = "tributary.";

/** A topic to be copied, and its name there. */
export interface WantedTopic {
  readonly source: TopicInfo;
  readonly targetTopic: string;
}

/** What a selection takes from the source. */
export interface Wanted {
  readonly topics: readonly WantedTopic[];
  readonly troubles: readonly TopicTrouble[];
}

/** A lane that ought to run. */
export interface WantedLane {
  readonly lane: LaneIdentity;
  readonly sourcePartition: TopicPartition;
  readonly targetPartition: TopicPartition;
}

/** Selects and renames. Internal topics are taken only when named in full, this program's own ones never; a name that
 *  another topic takes already is a trouble, not a second writer. */
export function wantedTopics(sources: readonly TopicInfo[], selection: Selection, naming: Naming): Wanted {
  const taken = new Map<string, string>();
  const topics: WantedTopic[] = [];
  const troubles: TopicTrouble[] = [];
  for (const source of sources.toSorted((a, b) => (a.topic < b.topic ? -1 : 1))) {
    if (!isWanted(source, selection)) continue;
    const targetTopic = naming.targetOf(source.topic);
    const why = nameTrouble(targetTopic, taken);
    if (why !== undefined) troubles.push({ sourceTopic: source.topic, targetTopic, why });
    else topics.push({ source, targetTopic });
    taken.set(targetTopic, source.topic);
  }
  return { topics, troubles };
}

function isWanted({ topic, internal }: TopicInfo, selection: Selection): boolean {
  if (topic.startsWith(OWN_PREFIX) || topic.startsWith("__")) return false;
  if (internal && !isInternalName(topic)) return false;
  return selects(selection, topic);
}

function nameTrouble(targetTopic: string, taken: ReadonlyMap<string, string>): string | undefined {
  if (targetTopic.length > TOPIC_NAME_MAX)
    return `the name on the target is longer than ${TOPIC_NAME_MAX} characters: ${targetTopic.length}`;
  const other = taken.get(targetTopic);
  return other === undefined ? undefined : `topic ${other} has this name on the target already`;
}

/** What has to be made on the target before lanes can run. */
export interface Lacking {
  readonly create: readonly NewTopic[];
  readonly grow: readonly { readonly topic: string; readonly partitions: number }[];
}

/** Missing topics and partitions; more partitions than the source has are left alone. */
export function lackingOn(
  targets: readonly TopicInfo[],
  wanted: readonly WantedTopic[],
  replicas: number | "source" = "source",
): Lacking {
  const byName = new Map(targets.map((target) => [target.topic, target]));
  const create: NewTopic[] = [];
  const grow: { topic: string; partitions: number }[] = [];
  for (const { source, targetTopic } of wanted) {
    const { partitions } = source;
    const replicationFactor = replicas === "source" ? source.replicationFactor : replicas;
    const target = byName.get(targetTopic);
    if (target === undefined) create.push({ topic: targetTopic, partitions, replicationFactor });
    else if (target.partitions < partitions) grow.push({ topic: targetTopic, partitions });
  }
  return { create, grow };
}

/** The lanes of all partitions that exist on both sides. */
export function wantedLanes(
  targets: readonly TopicInfo[],
  wanted: readonly WantedTopic[],
  clusters: { readonly sourceClusterId: string; readonly targetClusterId: string },
): WantedLane[] {
  const byName = new Map(targets.map((target) => [target.topic, target]));
  return wanted.flatMap(({ source, targetTopic }) => {
    const target = byName.get(targetTopic);
    if (target === undefined) return [];
    const partitions = Math.min(source.partitions, target.partitions);
    return Array.from({ length: partitions }, (_, partition) => ({
      lane: {
        sourceClusterId: clusters.sourceClusterId,
        sourceTopicId: source.topicId,
        sourcePartition: partition,
        targetClusterId: clusters.targetClusterId,
        targetTopicId: target.topicId,
        targetPartition: partition,
      },
      sourcePartition: { topic: source.topic, topicId: source.topicId, partition },
      targetPartition: { topic: targetTopic, topicId: target.topicId, partition },
    }));
  });
}

/** A lane that runs, or that has stored where it stands. */
export interface KnownLane {
  readonly lane: LaneIdentity;
  readonly sourceTopic: string;
  readonly targetTopic: string;
}

/** Lanes looked up by what they are and by what they copy: asked once for each wanted lane, of which there are as many. */
export class KnownLanes {
  readonly #keys = new Set<LaneKey>();
  readonly #byNames = new Map<string, LaneIdentity[]>();
  /** Source topics that are carried already, by their cluster and name. */
  readonly #carried = new Set<string>();

  constructor(known: readonly KnownLane[]) {
    for (const { lane, sourceTopic, targetTopic } of known) {
      this.#keys.add(laneKey(lane));
      this.#carried.add(carriedKey(lane, sourceTopic, targetTopic));
      const names = namesKey(sourceTopic, targetTopic, lane.sourcePartition);
      const others = this.#byNames.get(names);
      if (others === undefined) this.#byNames.set(names, [lane]);
      else others.push(lane);
    }
  }

  has(lane: LaneIdentity): boolean {
    return this.#keys.has(laneKey(lane));
  }

  /** True when another partition of the topic, or an earlier copy of this one, is carried to the same place: records that this one
   *  holds came after that had begun. */
  carries({ lane, sourcePartition, targetPartition }: WantedLane): boolean {
    return this.#carried.has(carriedKey(lane, sourcePartition.topic, targetPartition.topic));
  }

  /** The lane whose source topic was deleted and made again under the same name, if there is one. */
  predecessorOf({ lane, sourcePartition, targetPartition }: WantedLane): LaneIdentity | undefined {
    const names = namesKey(sourcePartition.topic, targetPartition.topic, lane.sourcePartition);
    return this.#byNames
      .get(names)
      ?.find(
        (other) =>
          other.sourceClusterId === lane.sourceClusterId &&
          other.targetClusterId === lane.targetClusterId &&
          other.targetTopicId === lane.targetTopicId &&
          other.sourceTopicId !== lane.sourceTopicId,
      );
  }
}

function carriedKey(lane: LaneIdentity, sourceTopic: string, targetTopic: string): string {
  return `${lane.sourceClusterId}/${sourceTopic}/${lane.targetClusterId}/${targetTopic}`;
}

/** Topic names hold no slash. */
function namesKey(sourceTopic: string, targetTopic: string, partition: number): string {
  return `${sourceTopic}/${targetTopic}/${partition}`;
}
