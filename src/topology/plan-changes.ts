/** The changes that a plan asks of live regions, as data, and the fingerprint of the state that it was made from. */

import { createHash } from "node:crypto";
import { type Uuid, ZERO_UUID } from "../core/brand.ts";
import type { MadeRecord } from "./made.ts";
import { type Flow, flowsOf, type Topology } from "./model.ts";
import type { LiveRegions, LiveTopic, PlannedTopic, TopologyPlan } from "./plan.ts";
import type { AclChange } from "./plan-acls.ts";
import type { PlannedDeletion } from "./plan-deletions.ts";
import { type SettingChange, settingChanges, type TopicSettings } from "./topic-settings.ts";

/** One change of one topic of a target region. */
export type PlannedChange =
  | {
      readonly kind: "create";
      readonly region: string;
      readonly topic: string;
      readonly partitions: number;
      readonly replicationFactor: number;
      /** Settings that it starts with. */
      readonly settings: readonly SettingChange[];
      readonly origin: PlannedOrigin;
    }
  | {
      readonly kind: "grow";
      readonly region: string;
      readonly topic: string;
      readonly from: number;
      readonly partitions: number;
    }
  | {
      readonly kind: "set";
      readonly region: string;
      readonly topic: string;
      readonly topicId: Uuid;
      readonly settings: readonly SettingChange[];
      readonly origin: PlannedOrigin;
    }
  | AclChange;

/** The topic whose copy is changed, for the record of what mirrors made. */
export interface PlannedOrigin {
  readonly clusterId: string;
  readonly topic: string;
  readonly topicId: Uuid;
}

/** What was found in a region besides its topics. */
export interface RegionFacts {
  readonly clusterId: string;
  readonly brokers: number;
  /** What mirrors have made there. */
  readonly made: readonly MadeRecord[];
}

/** A flow of a plan with its declaration and the topics on both sides. */
export interface PlannedPair {
  readonly flow: Flow;
  readonly planned: PlannedTopic;
  readonly source: LiveTopic;
  readonly target: LiveTopic | undefined;
}

const NO_SETTINGS: TopicSettings = new Map();

/** Every topic of a plan whose two regions were both asked. */
export function pairsOf(topology: Topology, plan: TopologyPlan, live: LiveRegions): readonly PlannedPair[] {
  const flows = flowsOf(topology);
  const byName = new Map(
    [...live].map(([region, topics = []]) => [region, new Map(topics.map((topic) => [topic.name, topic]))]),
  );
  return plan.flows.flatMap(({ topics }, index) => {
    const flow = flows[index];
    if (flow === undefined) return [];
    return topics.flatMap((planned): readonly PlannedPair[] => {
      const source = byName.get(flow.source)?.get(planned.source);
      if (source === undefined || planned.action === "unknown") return [];
      return [{ flow, planned, source, target: byName.get(flow.target)?.get(planned.target) }];
    });
  });
}

/** What the targets lack, in the order of the plan. */
export function changesOf(
  pairs: readonly PlannedPair[],
  facts: ReadonlyMap<string, RegionFacts>,
): readonly PlannedChange[] {
  return pairs.flatMap(({ flow, planned, source, target }): readonly PlannedChange[] => {
    const at = { region: flow.target, topic: planned.target };
    const { sync, replicationFactor } = flow.mirror.create;
    const clusterId = facts.get(flow.source)?.clusterId ?? "";
    const origin = { clusterId, topic: source.name, topicId: source.topicId ?? ZERO_UUID };
    const ours = oursOf(facts.get(flow.target)?.made ?? [], clusterId, target);
    const sides = { source: source.settings ?? NO_SETTINGS, target: target?.settings ?? NO_SETTINGS, ours };
    const settings = settingChanges({ ...sides, sync });
    const { partitions } = source;
    if (target === undefined) {
      const wanted = replicationFactor === "source" ? (source.replicationFactor ?? 1) : replicationFactor;
      const replicas = Math.max(1, Math.min(wanted, facts.get(flow.target)?.brokers ?? wanted));
      return [{ kind: "create", ...at, partitions, replicationFactor: replicas, settings, origin }];
    }
    return [
      ...(planned.action === "grow" ? [{ kind: "grow", ...at, from: target.partitions, partitions } as const] : []),
      ...(settings.length > 0
        ? [{ kind: "set", ...at, topicId: target.topicId ?? ZERO_UUID, settings, origin } as const]
        : []),
    ];
  });
}

/** The settings of a copy that mirrors made. */
function oursOf(made: readonly MadeRecord[], clusterId: string, target: LiveTopic | undefined): TopicSettings {
  const found = made.find(
    (one) => one.kind === "settings" && one.sourceClusterId === clusterId && one.targetTopicId === target?.topicId,
  );
  return new Map(found?.kind === "settings" ? Object.entries(found.settings) : []);
}

/** Equal for equal states: topics of both sides by id with their partitions and settings, and the changes that follow.
 *  A topic that was made again, grew, was deleted or got another setting since gives another one, and so does another rule. */
export function fingerprintOf(
  pairs: readonly PlannedPair[],
  changes: readonly PlannedChange[],
  deletions: readonly PlannedDeletion[] = [],
): string {
  const state = (topic: LiveTopic | undefined): unknown =>
    topic && [
      topic.name,
      topic.topicId,
      topic.partitions,
      topic.replicationFactor,
      [...(topic.settings ?? [])].toSorted(),
    ];
  const seen = pairs.map(({ flow, source, target }) => [
    flow.source,
    state(source),
    flow.target,
    state(target) ?? null,
  ]);
  return createHash("sha256")
    .update(JSON.stringify([seen, changes, deletions]))
    .digest("base64url");
}
