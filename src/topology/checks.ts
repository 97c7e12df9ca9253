/** Rules between the entries of a topology: unique names, no two mirrors into one topic, no endless loops. */

import type { Place, TopologyIssue } from "./errors.ts";
import { type Flow, flowsOf, type Topology } from "./model.ts";
import { renamedTopic } from "./naming.ts";
import { commonName, compilePattern, type Pattern, sampleName, selects } from "./patterns.ts";

/** Every broken rule; entries that were refused already are not in `topology`. */
export function checkTopology(topology: Topology): readonly TopologyIssue[] {
  return [
    ...duplicates(topology),
    ...selfMirrors(topology),
    ...constantNames(topology),
    ...collisions(topology),
    ...loops(topology),
  ];
}

function duplicates(topology: Topology): readonly TopologyIssue[] {
  const repeated = (kind: string, entries: readonly { readonly name: string; readonly place: Place }[]) =>
    entries
      .filter((entry, index) => entries.findIndex((other) => other.name === entry.name) < index)
      .map(({ name, place }) => ({ code: "duplicate-name", place, fact: `two ${kind} are called "${name}"` }) as const);
  return [...repeated("regions", topology.regions), ...repeated("mirrors", topology.mirrors)];
}

function selfMirrors(topology: Topology): readonly TopologyIssue[] {
  return topology.mirrors
    .filter((mirror) => flowsOf({ mirrors: [mirror] }).length === 0)
    .map((mirror) => ({
      code: "loop",
      place: mirror.place,
      fact: `mirror "${mirror.name}" goes from ${mirror.from.join(", ")} to itself; name another target`,
    }));
}

/** A template without `{topic}` gives all topics one name. */
function constantNames(topology: Topology): readonly TopologyIssue[] {
  return topology.mirrors
    .filter((mirror) => !mirror.rename.includes("{topic}"))
    .filter((mirror) => mirror.topics.include.length > 1 || mirror.topics.include[0]?.kind !== "name")
    .map((mirror) => ({
      code: "name-collision",
      place: mirror.place,
      fact: `mirror "${mirror.name}": rename "${mirror.rename}" gives every topic the same name; put {topic} into it`,
    }));
}

/** Two flows that write one topic of one region: whoever reads it would not know whose records those are. */
function collisions(topology: Topology): readonly TopologyIssue[] {
  const known = new Set(topology.regions.map((region) => region.name));
  const flows = flowsOf(topology).filter((flow) => known.has(flow.source) && known.has(flow.target));
  const issues: TopologyIssue[] = [];
  const told = new Set<string>();
  flows.forEach((second, index) => {
    for (const first of flows.slice(0, index)) {
      const pair = `${first.mirror.name}\n${second.mirror.name}\n${second.target}`;
      if (first.target !== second.target || told.has(pair)) continue;
      const topic = collisionOf(first, second);
      if (topic === undefined || isMeshed(flows, [first, second], topic)) continue;
      told.add(pair);
      issues.push({ code: "name-collision", place: second.mirror.place, fact: collisionFact(first, second, topic) });
    }
  });
  return issues;
}

/** True when flows share a target topic by intent: its region and their sources all have it under this one name and carry what was
 *  written in themselves to each other. */
export function isMeshed(flows: readonly Flow[], writers: readonly Flow[], topic: string): boolean {
  const carries = (flow: Flow): boolean =>
    flow.mirror.provenance === "local" && selects(flow.mirror.topics, topic) && targetName(flow, topic) === topic;
  const returns = ({ source, target }: Flow): boolean =>
    flows.some((flow) => flow.source === target && flow.target === source && carries(flow));
  return writers.every((flow) => carries(flow) && returns(flow));
}

function collisionFact(first: Flow, second: Flow, topic: string): string {
  const { mirror } = second;
  if (first.mirror === mirror) {
    const sources = mirror.from.filter((source) => source !== second.target).join(", ");
    return `mirror "${mirror.name}": rename "${mirror.rename}" gives topics of ${sources} the same name in ${second.target} (for example "${topic}"); put {source} into it`;
  }
  return `mirrors "${first.mirror.name}" and "${mirror.name}" both write topic "${topic}" of ${second.target}; give one another rename or exclude the topic`;
}

/** A target topic that both flows may write, by their patterns. */
function collisionOf(first: Flow, second: Flow): string | undefined {
  for (const a of first.mirror.topics.include) {
    for (const b of second.mirror.topics.include) {
      const topic = commonTarget({ flow: first, pattern: a }, { flow: second, pattern: b });
      if (topic !== undefined) return topic;
    }
  }
  return undefined;
}

interface Written {
  readonly flow: Flow;
  readonly pattern: Pattern;
}

function commonTarget(a: Written, b: Written): string | undefined {
  if (a.pattern.kind === "regex" || b.pattern.kind === "regex") return commonByName(a, b) ?? commonByName(b, a);
  const left = targetPattern(a);
  const right = targetPattern(b);
  const topic = left && right ? commonName(left, right) : undefined;
  if (topic === undefined) return undefined;
  const writes = (flow: Flow): boolean => sourceTopics(flow, topic).some((name) => selects(flow.mirror.topics, name));
  return writes(a.flow) && writes(b.flow) ? topic : undefined;
}

/** With a regular expression on one side: tries the sample name of the other side. */
function commonByName(a: Written, b: Written): string | undefined {
  const sample = sampleName(a.pattern);
  if (sample === undefined || !selects(a.flow.mirror.topics, sample)) return undefined;
  const topic = targetName(a.flow, sample);
  return sourceTopics(b.flow, topic).some((name) => selects(b.flow.mirror.topics, name)) ? topic : undefined;
}

function targetPattern({ flow, pattern }: Written): Pattern | undefined {
  const compiled = compilePattern(targetName(flow, pattern.text));
  return "problem" in compiled ? undefined : compiled;
}

/** The name that `topic` of the flow's source has on its target. */
export function targetName(flow: Flow, topic: string): string {
  return renamedTopic(
    flow.mirror.rename,
    { source: flow.source, target: flow.target, mirror: flow.mirror.name },
    topic,
  );
}

/** The source topics whose name on the target is `topic`: at most one with `{topic}` once in the template. */
function sourceTopics(flow: Flow, topic: string): readonly string[] {
  const marker = "\0";
  const [head = "", ...tails] = targetName(flow, marker).split(marker);
  const tail = tails.join(marker);
  if (tails.length === 0) return topic === head ? flow.mirror.topics.include.map((pattern) => pattern.text) : [];
  const fits = topic.startsWith(head) && topic.endsWith(tail) && topic.length >= head.length + tail.length;
  return fits ? [topic.slice(head.length, topic.length - tail.length)] : [];
}

/** Follows an example topic through the flows; one that still travels after every region was passed twice never stops. */
function loops(topology: Topology): readonly TopologyIssue[] {
  const flows = flowsOf(topology);
  const hopsMax = 2 * topology.regions.length + 1;
  const issues: TopologyIssue[] = [];
  const told = new Set<string>();
  for (const flow of flows) {
    for (const pattern of flow.mirror.topics.include) {
      const sample = sampleName(pattern);
      if (sample === undefined || !selects(flow.mirror.topics, sample)) continue;
      const route = endlessRoute({ flows, hopsMax }, [{ flow, topic: sample }]);
      if (route === undefined || told.has(flow.mirror.name)) continue;
      for (const hop of route) told.add(hop.flow.mirror.name);
      issues.push({ code: "loop", place: flow.mirror.place, fact: loopFact(route) });
    }
  }
  return issues;
}

interface Hop {
  readonly flow: Flow;
  /** Name at the flow's source. */
  readonly topic: string;
}

function endlessRoute(
  world: { readonly flows: readonly Flow[]; readonly hopsMax: number },
  route: readonly Hop[],
): readonly Hop[] | undefined {
  if (route.length >= world.hopsMax) return route;
  const last = route.at(-1);
  if (last === undefined) return undefined;
  const topic = targetName(last.flow, last.topic);
  for (const flow of world.flows) {
    if (flow.source !== last.flow.target || flow.mirror.provenance === "local" || !selects(flow.mirror.topics, topic))
      continue;
    // Lanes skip what their exact reverse wrote, whatever the provenance says.
    if (flow.target === last.flow.source && targetName(flow, topic) === last.topic) continue;
    const found = endlessRoute(world, [...route, { flow, topic }]);
    if (found !== undefined) return found;
  }
  return undefined;
}

function loopFact(route: readonly Hop[]): string {
  const first = route[0];
  if (first === undefined) return "";
  const end = route.findIndex((hop, index) => index > 0 && hop.flow.source === first.flow.source);
  const cycle = route.slice(0, end === -1 ? route.length : end);
  const steps = cycle.map((hop) => `${hop.flow.source} "${hop.topic}"`);
  const last = cycle.at(-1);
  const back = last === undefined ? "" : ` -> ${last.flow.target} "${targetName(last.flow, last.topic)}"`;
  return `mirror "${first.flow.mirror.name}" begins an endless loop: ${steps.join(" -> ")}${back}; write provenance: local, or exclude what comes back`;
}
