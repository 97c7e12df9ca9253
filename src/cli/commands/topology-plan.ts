/** `topology plan`: what each pattern matches in the regions as they are now. Reads only. */

import { listTopics } from "../../client/admin.ts";
import { openClient, regionAddress } from "../../runtime/connect.ts";
import type { FlowPlan, LiveTopic, PatternMatches, TopologyPlan } from "../../topology/plan.ts";
import { planTopology } from "../../topology/plan.ts";
import type { CliContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { counted } from "../output.ts";
import { type TopologyInUse, topologyInUse } from "../topology-in-use.ts";

/** Prints the plan; exit 2 when names would collide. A region that cannot be asked is said and planned without. */
export async function topologyPlan(context: CliContext): Promise<ExitCode> {
  const inUse = topologyInUse(context);
  const live = new Map(await Promise.all(inUse.topology.regions.map((region) => ask(context, inUse, region.name))));
  const plan = planTopology(inUse.topology, live);
  context.data({ topology: inUse.topology.name, ...planJson(plan) }, () => planText(plan));
  if ([...live.values()].every((topics) => topics === undefined)) return EXIT.unreachable;
  return plan.collisions.length > 0 ? EXIT.finding : EXIT.ok;
}

async function ask(
  context: CliContext,
  { topology, state }: TopologyInUse,
  name: string,
): Promise<readonly [string, readonly LiveTopic[] | undefined]> {
  try {
    await using client = await openClient(regionAddress(topology, state, name), { clientId: "tributary-plan" });
    const topics = await listTopics(client);
    return [name, topics.map((topic) => ({ name: topic.name, partitions: topic.partitions.length }))];
  } catch (error) {
    context.talk(error instanceof Error ? error.message : String(error));
    return [name, undefined];
  }
}

const MARKS: Readonly<Record<string, string>> = { create: "+", grow: "~", keep: " ", unknown: "?" };

function planText(plan: TopologyPlan): string {
  const flows = plan.flows.flatMap(flowLines);
  const collisions = plan.collisions.map(
    ({ region, topic, writers }) => `! ${region} ${topic} would be written by ${writers.join(" and ")}`,
  );
  const all = plan.flows.flatMap((flow) => flow.topics);
  const count = (action: string): number => all.filter((topic) => topic.action === action).length;
  const summary = `${counted(all.length, "topic")}: ${count("create")} to create, ${count("grow")} to grow, ${count("keep")} there already`;
  return [...flows, ...collisions, summary].join("\n");
}

function flowLines(flow: FlowPlan): readonly string[] {
  const head = `${flow.mirror}: ${flow.source} -> ${flow.target}${flow.sourceKnown ? "" : "   (source not reachable: unknown)"}`;
  const topics = flow.topics.map(
    (topic) =>
      `  ${MARKS[topic.action]} ${topic.source} -> ${topic.target}   ${counted(topic.partitions, "partition")}`,
  );
  const idle = flow.sourceKnown ? flow.patterns.filter((pattern) => pattern.topics.length === 0).map(idleLine) : [];
  const excluded = flow.excluded.length === 0 ? [] : [`    excluded: ${flow.excluded.join(", ")}`];
  return [head, ...topics, ...idle, ...excluded, ""];
}

function idleLine({ pattern, nearMisses }: PatternMatches): string {
  const hint = nearMisses.length === 0 ? "" : `; there are ${nearMisses.join(", ")}`;
  return `    "${pattern}" matches no topic${hint}`;
}

function planJson(plan: TopologyPlan): object {
  return {
    flows: plan.flows.map((flow) => ({
      mirror: flow.mirror,
      source: flow.source,
      target: flow.target,
      source_known: flow.sourceKnown,
      topics: flow.topics,
      patterns: flow.patterns.map(({ pattern, topics, nearMisses }) => ({ pattern, topics, near_misses: nearMisses })),
      excluded: flow.excluded,
    })),
    collisions: plan.collisions,
  };
}
