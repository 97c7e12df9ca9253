/** Draws a topology: as text for a terminal, Mermaid for a README, DOT for Graphviz, or plain data. */

import { type Flow, flowsOf, type Topology } from "./model.ts";
import type { Selection } from "./patterns.ts";

/** The forms a drawing can have. */
export const GRAPH_FORMATS = ["ascii", "mermaid", "dot", "json"] as const;
/** One of the forms. */
export type GraphFormat = (typeof GRAPH_FORMATS)[number];

/** Nodes and edges. */
export interface TopologyGraph {
  readonly name: string;
  readonly regions: readonly { readonly name: string; readonly kind: string; readonly store?: string }[];
  readonly flows: readonly {
    readonly mirror: string;
    readonly source: string;
    readonly target: string;
    readonly topics: string;
    readonly rename: string;
    readonly groups: string | null;
  }[];
}

/** The topology as nodes and edges. */
export function graphOf(topology: Topology): TopologyGraph {
  return {
    name: topology.name,
    regions: topology.regions.map((region) => {
      const store = topology.tiering.find((tiering) => tiering.region === region.name)?.store;
      const external = region.brokers.length > 0 ? "external" : undefined;
      const local = region.local === undefined ? undefined : `embedded, ${region.local.brokers} brokers`;
      const kind = [external, local].filter((part) => part !== undefined).join(", locally ");
      return { name: region.name, kind, ...(store === undefined ? {} : { store }) };
    }),
    flows: flowsOf(topology).map((flow) => ({
      mirror: flow.mirror.name,
      source: flow.source,
      target: flow.target,
      topics: selectionText(flow.mirror.topics),
      rename: flow.mirror.rename,
      groups: flow.mirror.groups === undefined ? null : selectionText(flow.mirror.groups.select),
    })),
  };
}

/** The drawing in one of the forms, without a trailing line end. */
export function drawTopology(topology: Topology, format: GraphFormat): string {
  const graph = graphOf(topology);
  if (format === "json") return JSON.stringify({ format_version: "1.0", ...graph }, null, 2);
  if (format === "mermaid") return mermaid(graph);
  return format === "dot" ? dot(graph) : ascii(topology, graph);
}

function selectionText(selection: Selection): string {
  const include = selection.include.map((pattern) => pattern.text).join(", ");
  if (selection.exclude.length === 0) return include;
  return `${include} except ${selection.exclude.map((pattern) => pattern.text).join(", ")}`;
}

function mermaid(graph: TopologyGraph): string {
  const id = (name: string): string => `r_${name.replaceAll("-", "_")}`;
  const lines = graph.regions.map((region) => `  ${id(region.name)}["${region.name}<br/>${region.kind}"]`);
  const edges = graph.flows.map(
    (flow) => `  ${id(flow.source)} -->|"${flow.topics.replaceAll('"', "'")}"| ${id(flow.target)}`,
  );
  const stores = graph.regions.flatMap((region) =>
    region.store === undefined
      ? []
      : [`  ${id(region.name)} -.->|"cold segments"| ${id(region.name)}_store[("${region.store}")]`],
  );
  return ["flowchart LR", ...lines, ...edges, ...stores].join("\n");
}

function dot(graph: TopologyGraph): string {
  const quoted = (text: string): string => JSON.stringify(text);
  const nodes = graph.regions.map(
    (region) => `  ${quoted(region.name)} [label=${quoted(`${region.name}\n${region.kind}`)}];`,
  );
  const edges = graph.flows.map(
    (flow) => `  ${quoted(flow.source)} -> ${quoted(flow.target)} [label=${quoted(flow.topics)}];`,
  );
  const stores = graph.regions.flatMap((region) =>
    region.store === undefined
      ? []
      : [
          `  ${quoted(region.store)} [shape=cylinder];`,
          `  ${quoted(region.name)} -> ${quoted(region.store)} [style=dashed];`,
        ],
  );
  return [
    `digraph ${quoted(graph.name)} {`,
    "  rankdir=LR;",
    "  node [shape=box];",
    ...nodes,
    ...edges,
    ...stores,
    "}",
  ].join("\n");
}

/** Sources on the left, one bundle for each (mirror, target), for example:
 *
 *  ```
 *  us-west ──┐
 *  us-mid  ──┼─▶ central    regional-to-central: flights as {source}.{topic}, groups delays
 *  us-east ──┘
 *  ``` */
function ascii(topology: Topology, graph: TopologyGraph): string {
  const width = Math.max(0, ...topology.regions.map((region) => region.name.length));
  const bundles = new Map<string, Flow[]>();
  for (const flow of flowsOf(topology)) {
    const key = `${flow.mirror.name}\n${flow.target}`;
    bundles.set(key, [...(bundles.get(key) ?? []), flow]);
  }
  const blocks = [...bundles.values()].map((flows) => bundleLines(flows, width).join("\n"));
  const stores = graph.regions.flatMap((region) =>
    region.store === undefined ? [] : [`${region.name.padEnd(width)} ┄┄┄▷ ${region.store}    cold segments`],
  );
  const mirrored = new Set(graph.flows.flatMap((flow) => [flow.source, flow.target]));
  const alone = graph.regions.filter((region) => !mirrored.has(region.name)).map((region) => region.name);
  const rest = alone.length === 0 ? [] : [`not mirrored: ${alone.join(", ")}`];
  return [...blocks, ...stores, ...rest].join("\n\n");
}

function bundleLines(flows: readonly Flow[], width: number): readonly string[] {
  const middle = Math.floor((flows.length - 1) / 2);
  return flows.map((flow, index) => {
    const { mirror } = flow;
    const only = flows.length === 1;
    const joint = only ? "──" : index === 0 ? "─┐" : index === flows.length - 1 ? "─┘" : "─┤";
    const pointing = index === 0 ? "─┬" : index === flows.length - 1 ? "─┴" : "─┼";
    const groups = mirror.groups === undefined ? "" : `, groups ${selectionText(mirror.groups.select)}`;
    const label = `${flow.target}    ${mirror.name}: ${selectionText(mirror.topics)} as ${mirror.rename}${groups}`;
    const line = index === middle && !only ? `${pointing}─▶ ${label}` : only ? `${joint}─▶ ${label}` : joint;
    return `${flow.source.padEnd(width)} ─${line}`;
  });
}
