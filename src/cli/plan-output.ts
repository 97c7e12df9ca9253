/** A plan as lines for a person and as JSON: + create, ~ change, - back to the default, ! risky. */

import { aclText } from "../topology/acls.ts";
import type { FlowPlan, PatternMatches } from "../topology/plan.ts";
import type { AclPlan } from "../topology/plan-acls.ts";
import type { PlannedChange } from "../topology/plan-changes.ts";
import type { PlannedDeletion } from "../topology/plan-deletions.ts";
import type { GroupPlan } from "../topology/plan-groups.ts";
import type { SettingChange } from "../topology/topic-settings.ts";
import type { LivePlan } from "./live-plan.ts";
import { counted } from "./output.ts";

/** Groups named for a flow; the rest is counted, and named in the JSON. */
const GROUPS_TOLD_MAX = 20;

const MARKS: Readonly<Record<string, string>> = { create: "+", grow: "~", keep: " ", unknown: "?" };

/** For a person. */
export function planText(live: LivePlan): string {
  const { plan, changes, acls, deletions, risks, rules: otherRules } = live;
  const flows = plan.flows.flatMap((flow) => flowLines(flow, live));
  const risky = risks.flatMap(({ region, topic, what, mend }) => [
    `! ${region} ${topic}: ${what}`,
    ...(mend === undefined ? [] : [`    ${mend}`]),
  ]);
  const collisions = plan.collisions.map(
    ({ region, topic, writers }) => `! ${region} ${topic} would be written by ${writers.join(" and ")}`,
  );
  const choices = otherRules.flatMap(({ mirror, source, target, lanes, from, to, caution }) => [
    `~ ${mirror}: ${source} -> ${target} ${counted(lanes, "lane")} will go on by other rules: ${from} -> ${to}`,
    ...(caution === undefined ? [] : [`! ${target}: ${caution}`]),
  ]);
  const all = plan.flows.flatMap((flow) => flow.topics);
  const count = (action: string): number => all.filter((topic) => topic.action === action).length;
  const set = changes.filter(({ kind }) => kind === "set").length;
  const settings = set === 0 ? "" : `, ${set} with settings to change`;
  const rules = changes.filter(({ kind }) => kind === "add-rule" || kind === "remove-rule").length;
  const ruleCount = rules === 0 ? "" : `, ${counted(rules, "rule")} to add or remove`;
  const summary = `${counted(all.length, "topic")}: ${count("create")} to create, ${count("grow")} to grow, ${count("keep")} there already${settings}${ruleCount}`;
  const others = [...acls.flatMap(aclLines), ...deletionLines(deletions), ...risky, ...collisions, ...choices];
  return [...flows, ...others, summary].join("\n");
}

function flowLines(flow: FlowPlan, { changes, groups }: Pick<LivePlan, "changes" | "groups">): readonly string[] {
  const head = `${flow.mirror}: ${flow.source} -> ${flow.target}${flow.sourceKnown ? "" : "   (source not reachable: unknown)"}`;
  const topics = flow.topics.flatMap((topic) => [
    `  ${MARKS[topic.action]} ${topic.source} -> ${topic.target}   ${counted(topic.partitions, "partition")}`,
    ...changes
      .filter((change) => change.region === flow.target && change.topic === topic.target)
      .flatMap((change) => ("settings" in change ? change.settings.map((one) => `      ${settingText(one)}`) : [])),
  ]);
  const idle = flow.sourceKnown ? flow.patterns.filter((pattern) => pattern.topics.length === 0).map(idleLine) : [];
  const excluded = flow.excluded.length === 0 ? [] : [`    excluded: ${flow.excluded.join(", ")}`];
  const filter = flow.filter === undefined ? [] : [`    filter: ${flow.filter}`];
  const ofFlow = groups.find((one) => one.mirror === flow.mirror && isBetween(one, flow));
  return [head, ...topics, ...idle, ...excluded, ...filter, ...(ofFlow === undefined ? [] : groupLines(ofFlow)), ""];
}

function isBetween(one: GroupPlan, { source, target }: FlowPlan): boolean {
  return one.source === source && one.target === target;
}

function groupLines({ groups, patterns }: GroupPlan): readonly string[] {
  const told = groups.slice(0, GROUPS_TOLD_MAX).join(", ");
  const rest = groups.length > GROUPS_TOLD_MAX ? ` and ${groups.length - GROUPS_TOLD_MAX} more` : "";
  const idle = patterns.filter((one) => one.groups.length === 0);
  return [
    ...(groups.length === 0 ? [] : [`    groups: ${told}${rest}`]),
    ...idle.map(({ pattern, nearMisses }) => `    "${pattern}" matches no group${hintOf(nearMisses)}`),
  ];
}

function hintOf(nearMisses: readonly string[]): string {
  return nearMisses.length === 0 ? "" : `; there are ${nearMisses.join(", ")}`;
}

function settingText({ name, from, to }: SettingChange): string {
  if (to === null) return `- ${name} ${from ?? "default"}`;
  return from === undefined ? `+ ${name} ${to}` : `~ ${name} ${from} -> ${to}`;
}

function aclLines({ source, target, changes, problem }: AclPlan): readonly string[] {
  const lines = changes.map(({ kind, acl }) => `  ${kind === "add-rule" ? "+" : "-"} ${aclText(acl)}`);
  const told = problem === undefined ? lines : [`  ! not known: ${problem}`];
  return told.length === 0 ? [] : [`access rules: ${source} -> ${target}`, ...told, ""];
}

function deletionLines(deletions: readonly PlannedDeletion[]): readonly string[] {
  if (deletions.length === 0) return [];
  const lines = deletions.map(({ region, topic, sourceRegion, sourceTopic, action, dueMs }) => {
    const what = `${region} ${topic}   ${sourceTopic} of ${sourceRegion} is gone`;
    if (action === "keep") return `    ${what}; kept (onDelete: keep)`;
    const when =
      dueMs === undefined ? "once a worker has missed it for the grace" : `after ${new Date(dueMs).toISOString()}`;
    return `  - ${what}; deleted by the worker ${when}, unless others wrote there`;
  });
  return ["copies without a source:", ...lines, ""];
}

function idleLine({ pattern, nearMisses }: PatternMatches): string {
  return `    "${pattern}" matches no topic${hintOf(nearMisses)}`;
}

/** For programs, and for `topology apply`, which needs `fingerprint` alone of it. */
export function planJson({
  plan,
  changes,
  groups,
  acls,
  deletions,
  risks,
  rules,
  fingerprint,
  unknown,
}: LivePlan): object {
  return {
    fingerprint,
    unknown_regions: unknown,
    flows: plan.flows.map((flow) => ({
      mirror: flow.mirror,
      source: flow.source,
      target: flow.target,
      source_known: flow.sourceKnown,
      topics: flow.topics,
      patterns: flow.patterns.map(({ pattern, topics, nearMisses }) => ({ pattern, topics, near_misses: nearMisses })),
      excluded: flow.excluded,
      filter: flow.filter ?? null,
    })),
    groups: groups.map(({ patterns, ...flow }) => ({
      ...flow,
      patterns: patterns.map((one) => ({ pattern: one.pattern, groups: one.groups, near_misses: one.nearMisses })),
    })),
    changes: changes.map(changeJson),
    rules_unknown: acls.flatMap(({ source, target, problem }) =>
      problem === undefined ? [] : [{ source, target, why: problem }],
    ),
    deletions: deletions.map((one) => ({
      region: one.region,
      topic: one.topic,
      source_region: one.sourceRegion,
      source_topic: one.sourceTopic,
      action: one.action,
      since_ms: one.sinceMs ?? null,
      due_ms: one.dueMs ?? null,
    })),
    risks: risks.map((risk) => ({ ...risk, mend: risk.mend ?? null })),
    rule_changes: rules,
    collisions: plan.collisions,
  };
}

function changeJson(change: PlannedChange): object {
  const { kind, region, topic } = change;
  const settings = (all: readonly SettingChange[]) => all.map((one) => ({ ...one, from: one.from ?? null }));
  if (kind === "add-rule" || kind === "remove-rule") return { kind, region, topic, rule: change.acl };
  if (kind === "grow") return { kind, region, topic, from: change.from, partitions: change.partitions };
  if (kind === "set") return { kind, region, topic, settings: settings(change.settings) };
  const { partitions, replicationFactor } = change;
  return {
    kind,
    region,
    topic,
    partitions,
    replication_factor: replicationFactor,
    settings: settings(change.settings),
  };
}
