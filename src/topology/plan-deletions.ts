/** Copies that mirrors made and whose source topic is gone, as a plan tells them. Nothing here is for `topology apply`: the worker
 *  deletes, because only it knows at the moment whether others wrote there. */

import { targetName } from "./checks.ts";
import type { MadeRecord } from "./made.ts";
import { type Flow, flowsOf, type Topology } from "./model.ts";
import { selects } from "./patterns.ts";
import type { LiveRegions, LiveTopic } from "./plan.ts";

/** A copy without a source. */
export interface PlannedDeletion {
  readonly region: string;
  readonly topic: string;
  readonly sourceRegion: string;
  readonly sourceTopic: string;
  readonly action: "delete" | "keep";
  /** When a worker first missed the source (Unix time); undefined when none has yet. */
  readonly sinceMs: number | undefined;
  /** When the worker deletes it at the earliest; undefined when it is kept, or before a worker has missed the source. */
  readonly dueMs: number | undefined;
}

/** What is known of a region. */
export interface DeletionFacts {
  readonly clusterId: string;
  readonly made: readonly MadeRecord[];
}

/** In the order of the file; nothing about flows of which a side was not asked. A copy whose topic was made again at the source is not
 *  among them: `onRecreate` decides about that. */
export function planDeletions(
  topology: Topology,
  live: LiveRegions,
  facts: ReadonlyMap<string, DeletionFacts>,
): readonly PlannedDeletion[] {
  return flowsOf(topology).flatMap((flow) => {
    const [sources, targets] = [live.get(flow.source), live.get(flow.target)];
    const [from, to] = [facts.get(flow.source), facts.get(flow.target)];
    if (sources === undefined || targets === undefined || from === undefined || to === undefined) return [];
    return deletionsOf(flow, { sources, targets, sourceClusterId: from.clusterId, made: to.made });
  });
}

function deletionsOf(
  flow: Flow,
  known: {
    readonly sources: readonly LiveTopic[];
    readonly targets: readonly LiveTopic[];
    readonly sourceClusterId: string;
    readonly made: readonly MadeRecord[];
  },
): readonly PlannedDeletion[] {
  const { sources, targets, sourceClusterId, made } = known;
  const names = new Set(sources.map(({ name }) => name));
  const copies = new Set(targets.map(({ topicId }) => topicId));
  return made.flatMap((record): readonly PlannedDeletion[] => {
    if (record.kind !== "topic" || record.sourceClusterId !== sourceClusterId) return [];
    const { sourceTopic, targetTopic, targetTopicId } = record;
    const isCarried = selects(flow.mirror.topics, sourceTopic) && targetName(flow, sourceTopic) === targetTopic;
    if (!isCarried || names.has(sourceTopic) || !copies.has(targetTopicId)) return [];
    const gone = made.find((one) => one.kind === "gone" && one.targetTopicId === targetTopicId);
    const sinceMs = gone?.kind === "gone" ? gone.sinceMs : undefined;
    const { onDelete: action, deleteAfterMs } = flow.mirror;
    const dueMs = sinceMs === undefined || action === "keep" ? undefined : sinceMs + deleteAfterMs;
    const at = { region: flow.target, topic: targetTopic, sourceRegion: flow.source, sourceTopic };
    return [{ ...at, action, sinceMs, dueMs }];
  });
}
