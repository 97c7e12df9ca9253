/** Mirrors that would choose records by other rules than they did so far: what is stored with the lanes, against the topology. */

import type { LaneStateRecord } from "../mirror/offset-ports.ts";
import { type ChoiceRules, planText, rulesOf } from "../mirror/plan.ts";
import { compileFilter } from "../mirror/record-filter.ts";
import { targetName } from "../topology/checks.ts";
import { type Flow, flowsOf, type Topology } from "../topology/model.ts";
import { selects } from "../topology/patterns.ts";
import { describeFilter, type RecordFilter } from "../topology/record-filter.ts";

/** Lanes of a flow that go on by other rules once a worker starts with the topology. */
export interface RuleChange {
  readonly mirror: string;
  readonly source: string;
  readonly target: string;
  readonly lanes: number;
  /** In words. */
  readonly from: string;
  readonly to: string;
  /** Set where nothing keeps out what a worker with the former rules still sends. */
  readonly caution?: string;
}

/** What may happen where the target takes no fence. */
const UNFENCED =
  "the target does not let this principal fence other writers: end every worker with the former rules before one with the new ones starts, or a request of theirs that comes late may land twice; or allow ClusterAction (kafka-acls --add --cluster --operation ClusterAction)";

/** What is known of a region. */
export interface RuledRegion {
  readonly clusterId: string;
  /** Whether a worker may keep others out of a partition; undefined where the region does not tell. */
  readonly takesFence?: boolean | undefined;
  /** Of every lane that ends there. */
  readonly states: readonly LaneStateRecord[];
}

/** One entry for each flow and each set of rules in force there that is not the topology's. */
export function ruleChangesOf(topology: Topology, regions: ReadonlyMap<string, RuledRegion>): readonly RuleChange[] {
  return flowsOf(topology).flatMap((flow) => {
    const [source, target] = [regions.get(flow.source), regions.get(flow.target)];
    return source === undefined || target === undefined ? [] : changesOf(flow, source.clusterId, target);
  });
}

function changesOf(flow: Flow, sourceClusterId: string, { states, takesFence }: RuledRegion): readonly RuleChange[] {
  const { mirror, source, target } = flow;
  const ours: ChoiceRules = {
    provenance: mirror.provenance,
    filter: mirror.filter === undefined ? undefined : compileFilter(mirror.filter),
  };
  const text = planText(ours);
  const lanes = new Map<string, number>();
  for (const { lane, sourceTopic, targetTopic, plan, mode } of states) {
    const isOurs = lane.sourceClusterId === sourceClusterId && selects(mirror.topics, sourceTopic);
    if (!isOurs || targetTopic !== targetName(flow, sourceTopic) || mode === "at-least-once") continue;
    const rules = rulesOf(plan);
    if (rules === undefined || planText(rules) !== text) lanes.set(plan, (lanes.get(plan) ?? 0) + 1);
  }
  const to = inWords(ours);
  return [...lanes].map(([plan, count]) => {
    const rules = rulesOf(plan);
    const from = rules === undefined ? plan : inWords(rules);
    const caution = takesFence === false ? { caution: UNFENCED } : {};
    return { mirror: mirror.name, source, target, lanes: count, from, to, ...caution };
  });
}

function inWords({ provenance, filter }: ChoiceRules): string {
  const records = filter === undefined ? "all records" : describeFilter(JSON.parse(filter.text) as RecordFilter);
  return `provenance ${provenance}, ${records}`;
}
