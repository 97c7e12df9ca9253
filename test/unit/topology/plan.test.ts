/** What a plan says of live regions, and the graph of a topology. */

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of a topology look like this.
import assert from "node:assert/strict";
import { test } from "node:test";
import { drawTopology, GRAPH_FORMATS } from "../../../src/topology/graph.ts";
import { topologyJsonSchema } from "../../../src/topology/json-schema.ts";
import { parseTopology } from "../../../src/topology/parse.ts";
import { planTopology } from "../../../src/topology/plan.ts";
import { resolveReferences } from "../../../src/topology/references.ts";

const hub = parseTopology({
  file: "hub.yaml",
  text: `version: 1
name: hub
regions: {west: {local: {}}, east: {local: {}}, hub: {local: {brokers: 1}}}
mirrors:
  - name: in
    from: [west, east]
    to: hub
    topics: {include: ["orders-*", flights, "/x.*/"], exclude: "*-tmp"}
    rename: "{source}.{topic}"
tiering:
  - {region: hub, topics: "*", store: "file://cold"}
`,
});

test("plan lists what each pattern matches, near misses, and what the target lacks", () => {
  const plan = planTopology(
    hub,
    new Map([
      ["west", ["orders-a", "orders-tmp", "flight", "__consumer_offsets"].map((name) => ({ name, partitions: 6 }))],
      ["east", undefined],
      ["hub", [{ name: "west.orders-a", partitions: 3 }]],
    ]),
  );
  assert.deepEqual(plan.flows, [
    {
      mirror: "in",
      source: "west",
      target: "hub",
      sourceKnown: true,
      topics: [{ source: "orders-a", target: "west.orders-a", partitions: 6, action: "grow" }],
      patterns: [
        { pattern: "orders-*", topics: ["orders-a"], nearMisses: [] },
        { pattern: "flights", topics: [], nearMisses: ["flight"] },
        { pattern: "/x.*/", topics: [], nearMisses: [] },
      ],
      excluded: ["orders-tmp"],
      filter: undefined,
    },
    {
      mirror: "in",
      source: "east",
      target: "hub",
      sourceKnown: false,
      topics: [],
      patterns: ["orders-*", "flights", "/x.*/"].map((pattern) => ({ pattern, topics: [], nearMisses: [] })),
      excluded: [],
      filter: undefined,
    },
  ]);
  assert.deepEqual(plan.collisions, []);
});

test("plan finds names that collide only because of what the regions hold", () => {
  const topology = parseTopology({
    file: "t.yaml",
    text: `version: 1
name: t
regions: {a: {local: {}}, b: {local: {}}, c: {local: {}}}
mirrors:
  - {name: m, from: a, to: c, topics: '/t\\d/', rename: "{topic}"}
  - {name: n, from: b, to: c, topics: '/t./', rename: "{topic}"}
`,
  });
  const live = [{ name: "t1", partitions: 1 }];
  const plan = planTopology(
    topology,
    new Map([
      ["a", live],
      ["b", live],
    ]),
  );
  assert.deepEqual(plan.collisions, [{ region: "c", topic: "t1", writers: ["m: a t1", "n: b t1"] }]);
});

test("graph names every region and flow in every form", () => {
  for (const format of GRAPH_FORMATS) {
    const drawing = drawTopology(hub, format);
    for (const name of ["west", "east", "hub", "cold"]) assert.ok(drawing.includes(name), `${format}: ${name}`);
  }
});

test("graph in ascii joins the sources of one target", () => {
  assert.deepEqual(drawTopology(hub, "ascii").split("\n"), [
    "west ──┬─▶ hub    in: orders-*, flights, /x.*/ except *-tmp as {source}.{topic}",
    "east ──┘",
    "",
    "hub  ┄┄┄▷ file://cold    cold segments",
  ]);
});

test("json schema describes every key of a mirror", () => {
  const text = JSON.stringify(topologyJsonSchema());
  for (const key of ["rename", "onGap", "provenance", "olderThan", "topicDefaults"])
    assert.ok(text.includes(`"${key}"`));
});

test("references resolve from environment and files and name what is missing", () => {
  const sources = { env: (name: string) => (name === "A" ? "x:1" : undefined), file: () => "secret\n" };
  assert.equal(resolveReferences("${env:A},${file:p}", sources), "x:1,secret");
  assert.throws(() => resolveReferences("${env:B}", sources), {
    fault: { code: "TOPOLOGY_REFERENCE_UNSET", reference: "${env:B}" },
  });
});
