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
}

/** What is known of a region. */
export interface RuledRegion {
  readonly clusterId: string;
  /** Of every lane that ends there. */
  readonly states: readonly LaneStateRecord[];
}

/** One entry for each flow and each set of rules in force there that is not the topology's. */
export function ruleChangesOf(topology: Topology, regions: ReadonlyMap<string, RuledRegion>): readonly RuleChange[] {
  return flowsOf(topology).flatMap((flow) => {
    const [source, target] = [regions.get(flow.source), regions.get(flow.target)];
    return source === undefined || target === undefined ? [] : changesOf(flow, source.clusterId, target.states);
  });
}

function changesOf(flow: Flow, sourceClusterId: string, states: readonly LaneStateRecord[]): readonly RuleChange[] {
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
    return { mirror: mirror.name, source, target, lanes: count, from: rules === undefined ? plan : inWords(rules), to };
  });
}

function inWords({ provenance, filter }: ChoiceRules): string {
  const records = filter === undefined ? "all records" : describeFilter(JSON.parse(filter.text) as RecordFilter);
  return `provenance ${provenance}, ${records}`;
}
