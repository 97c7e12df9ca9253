/** What a topology would do to live regions: the topics that each pattern matches, near misses, and names that collide. */

import type { Uuid } from "../core/brand.ts";
import { isMeshed, targetName } from "./checks.ts";
import { type Flow, flowsOf, type Topology } from "./model.ts";
import { isInternalName, nearMisses, type Pattern, selects } from "./patterns.ts";
import { describeFilter } from "./record-filter.ts";
import type { TopicSettings } from "./topic-settings.ts";

/** A topic of a live region. */
export interface LiveTopic {
  readonly name: string;
  readonly partitions: number;
  /** Absent below: not asked. */
  readonly topicId?: Uuid;
  readonly replicationFactor?: number;
  /** Made on the topic itself. */
  readonly settings?: TopicSettings;
  /** Those, and what it inherits. */
  readonly effective?: TopicSettings;
  /** Wall time of the first record of the partition where it is oldest, and of the newest one; absent for an empty topic. */
  readonly oldestMs?: number;
  readonly newestMs?: number;
}

/** Topics by region name; undefined for a region that could not be asked. */
export type LiveRegions = ReadonlyMap<string, readonly LiveTopic[] | undefined>;

/** One topic that a flow carries. */
export interface PlannedTopic {
  readonly source: string;
  readonly target: string;
  readonly partitions: number;
  /** `create`: not on the target yet; `grow`: has fewer partitions there; `keep`: there; `unknown`: the target was not asked. */
  readonly action: "create" | "grow" | "keep" | "unknown";
}

/** What one include pattern matched. */
export interface PatternMatches {
  readonly pattern: string;
  readonly topics: readonly string[];
  /** Names that it most likely meant, when it matched none. */
  readonly nearMisses: readonly string[];
}

/** The plan of one flow. */
export interface FlowPlan {
  readonly mirror: string;
  readonly source: string;
  readonly target: string;
  /** False when the source could not be asked; the lists are empty then. */
  readonly sourceKnown: boolean;
  readonly topics: readonly PlannedTopic[];
  readonly patterns: readonly PatternMatches[];
  readonly excluded: readonly string[];
  /** What the mirror leaves out of its topics, in words; undefined when nothing. */
  readonly filter: string | undefined;
}

/** The plan of a topology. */
export interface TopologyPlan {
  readonly flows: readonly FlowPlan[];
  /** Target topics that more than one lane would write, each with its writers. */
  readonly collisions: readonly {
    readonly region: string;
    readonly topic: string;
    readonly writers: readonly string[];
  }[];
}

/** Plans every flow against what the regions have now. */
export function planTopology(topology: Topology, live: LiveRegions): TopologyPlan {
  const flows = flowsOf(topology);
  const plans = flows.map((flow) => planFlow(flow, live));
  const isIntended = (topic: string, at: readonly number[]): boolean => {
    const writers = at.map((index) => flows[index]).filter((flow) => flow !== undefined);
    return isMeshed(flows, writers, topic);
  };
  return { flows: plans, collisions: collisionsOf(plans, isIntended) };
}

function planFlow(flow: Flow, live: LiveRegions): FlowPlan {
  const { mirror, source, target } = flow;
  const topics = live.get(source);
  const there = live.get(target);
  const names = (topics ?? []).map((topic) => topic.name).filter((name) => !isInternalName(name));
  const taken = (topics ?? []).filter((topic) => selects(mirror.topics, topic.name));
  return {
    mirror: mirror.name,
    source,
    target,
    sourceKnown: topics !== undefined,
    topics: taken.map((topic) => {
      const name = targetName(flow, topic.name);
      return { source: topic.name, target: name, partitions: topic.partitions, action: actionFor(topic, name, there) };
    }),
    patterns: mirror.topics.include.map((pattern) => matchesOf(pattern, { names, taken, known: topics !== undefined })),
    excluded: names.filter((name) => mirror.topics.exclude.some((pattern) => pattern.matches(name))),
    filter: mirror.filter && describeFilter(mirror.filter),
  };
}

function actionFor(topic: LiveTopic, name: string, there: readonly LiveTopic[] | undefined): PlannedTopic["action"] {
  if (there === undefined) return "unknown";
  const existing = there.find((candidate) => candidate.name === name);
  if (existing === undefined) return "create";
  return existing.partitions < topic.partitions ? "grow" : "keep";
}

function matchesOf(
  pattern: Pattern,
  live: { readonly names: readonly string[]; readonly taken: readonly LiveTopic[]; readonly known: boolean },
): PatternMatches {
  const topics = live.taken.map((topic) => topic.name).filter((name) => pattern.matches(name));
  const misses = topics.length === 0 && live.known ? nearMisses(pattern, live.names) : [];
  return { pattern: pattern.text, topics, nearMisses: misses };
}

/** `isIntended` is asked about a topic and the places of the flows that write it. */
function collisionsOf(
  flows: readonly FlowPlan[],
  isIntended: (topic: string, at: readonly number[]) => boolean,
): TopologyPlan["collisions"] {
  const written = new Map<string, { region: string; topic: string; at: number[]; writers: string[] }>();
  for (const [index, flow] of flows.entries()) {
    for (const topic of flow.topics) {
      const key = `${flow.target}\n${topic.target}`;
      const entry = written.get(key) ?? { region: flow.target, topic: topic.target, at: [], writers: [] };
      entry.at.push(index);
      entry.writers.push(`${flow.mirror}: ${flow.source} ${topic.source}`);
      written.set(key, entry);
    }
  }
  return [...written.values()]
    .filter(({ topic, at }) => at.length > 1 && !isIntended(topic, at))
    .map(({ region, topic, writers }) => ({ region, topic, writers }));
}
