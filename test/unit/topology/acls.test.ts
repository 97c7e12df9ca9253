/** Which ACLs a mirror carries over, renamed and never wider than the source's. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Acl, aclChanges, aclsOfFlows, aclText } from "../../../src/topology/acls.ts";
import { flowsOf } from "../../../src/topology/model.ts";
import { parseTopology } from "../../../src/topology/parse.ts";
import { planAcls } from "../../../src/topology/plan-acls.ts";

const READ: Acl = {
  resource: "topic",
  name: "orders",
  pattern: "literal",
  principal: "User:b",
  host: "*",
  operation: "read",
  permission: "allow",
};
const GROUPS = ["billing", "billing-2", "private"];
const TOPICS = ["orders", "orders-eu", "bills", "secret"];

function topologyOf(...mirrors: string[]) {
  const text = `version: 1\nname: t\nregions: {west: {local: {}}, east: {local: {}}}\nmirrors:\n${mirrors.map((mirror, at) => `  - {name: m${at}, ${mirror}}`).join("\n")}`;
  return parseTopology({ file: "t.yaml", text });
}

/** Texts of what `source` asks of the target under one mirror. */
function wanted(mirror: string, ...source: Partial<Acl>[]): readonly string[] {
  const topology = topologyOf(`from: west, to: east, ${mirror}`);
  const rules = source.map((one) => ({ ...READ, ...one }));
  const known = { topics: TOPICS, groups: GROUPS, source: rules, ours: [], targetClusterId: "E" };
  return aclsOfFlows(flowsOf(topology), known).map(aclText);
}

const PREFIXED = 'topics: {include: ["orders*", "bills"]}, rename: "{source}.{topic}", acls: read';
const SAME = 'topics: {include: ["orders*", "bills"]}, rename: "{topic}", acls: read';
const SUFFIXED = 'topics: "orders", rename: "{topic}.copy", acls: read';

test("rules follow renamed topics, by name and by what names begin with", () => {
  assert.deepEqual(wanted(PREFIXED, {}), ["User:b may read west.orders"]);
  assert.deepEqual(wanted(PREFIXED, { operation: "describe", permission: "deny", host: "10.0.0.1" }), [
    "User:b may not describe west.orders from 10.0.0.1",
  ]);
  assert.deepEqual(wanted(PREFIXED, { pattern: "prefixed", name: "ord" }), ["User:b may read west.ord…"]);
  assert.deepEqual(wanted(PREFIXED, { name: "*" }), ["User:b may read west.…"]);
  assert.deepEqual(wanted(SUFFIXED, {}), ["User:b may read orders.copy"]);
});

test("rules never grant more than the source does on what is mirrored", () => {
  for (const mirror of [PREFIXED, SAME, SUFFIXED]) {
    assert.deepEqual(wanted(mirror, { name: "secret" }), []);
    assert.deepEqual(wanted(mirror, { name: "sec", pattern: "prefixed" }), []);
    for (const operation of ["write", "create", "delete", "alter", "alter-configs", "describe-configs"] as const)
      assert.deepEqual(wanted(mirror, { operation }), []);
  }
  const copies = ["User:b may read orders", "User:b may read orders-eu"];
  assert.deepEqual(wanted(SAME, { pattern: "prefixed", name: "ord" }), copies);
  assert.deepEqual(wanted(SAME, { name: "*" }), [...copies, "User:b may read bills"]);
  assert.deepEqual(wanted(SUFFIXED, { name: "*" }), ["User:b may read orders.copy"]);
});

test("rules about everything become rules about reading, unless all are asked for", () => {
  assert.deepEqual(wanted(SAME, { operation: "all" }), ["User:b may read orders"]);
  assert.deepEqual(wanted(SAME, { operation: "all", permission: "deny" }), [
    "User:b may not read orders",
    "User:b may not describe orders",
  ]);
  const all = SAME.replace("acls: read", "acls: all");
  assert.deepEqual(wanted(all, { operation: "all" }, { operation: "write" }), [
    "User:b may all orders",
    "User:b may write orders",
  ]);
  assert.deepEqual(wanted(SAME.replace("acls: read", "acls: off"), {}), []);
  assert.deepEqual(wanted(SAME.replace(", acls: read", ""), {}), []);
});

test("rules about groups follow for those whose positions are carried, and for no others", () => {
  const group = { resource: "group", name: "billing" } as const;
  const carrying = `${PREFIXED}, groups: {include: "billing*"}`;
  assert.deepEqual(wanted(carrying, group, { ...group, name: "private" }), ["User:b may read group billing"]);
  assert.deepEqual(wanted(carrying, { ...group, pattern: "prefixed", name: "bill", operation: "all" }), [
    "User:b may read group billing",
    "User:b may read group billing-2",
  ]);
  assert.deepEqual(wanted(carrying, { ...group, name: "*", operation: "delete" }), []);
  assert.deepEqual(wanted(PREFIXED, group), []);
});

test("rules that a mirror made do not come back where they came from, nor go round a mesh", () => {
  const both = topologyOf(
    'from: west, to: east, topics: "*", rename: "{topic}", acls: read',
    'from: east, to: west, topics: "*", rename: "{topic}", acls: read',
  );
  const back = flowsOf(both).filter(({ source }) => source === "east");
  const ours = (sourceClusterId: string) => [{ sourceClusterId, acl: READ }];
  const known = { topics: TOPICS, groups: GROUPS, source: [READ], targetClusterId: "W" };
  assert.deepEqual(aclsOfFlows(back, { ...known, ours: [] }), [READ]);
  assert.deepEqual(aclsOfFlows(back, { ...known, ours: ours("W") }), []);
  assert.deepEqual(aclsOfFlows(back, { ...known, ours: ours("other") }), []);
  const chain = flowsOf(topologyOf('from: east, to: west, topics: "*", rename: "b.{topic}", acls: read'));
  assert.equal(aclsOfFlows(chain, { ...known, ours: ours("other") }).length, 1);
  assert.deepEqual(aclsOfFlows(chain, { ...known, ours: ours("W") }), []);
});

test("rules that others made on the target are never taken away", () => {
  const [other, made, gone, shared] = ["x", "y", "z", "s"].map((name): Acl => ({ ...READ, name }));
  assert.ok(other !== undefined && made !== undefined && gone !== undefined && shared !== undefined);
  const changes = aclChanges({
    wanted: [READ],
    target: [other, made, shared],
    ours: [made, gone, shared],
    others: [shared],
  });
  assert.deepEqual(changes, { add: [READ], claim: [], remove: [made], forget: [gone, shared] });
  const claiming = aclChanges({ wanted: [shared, other], target: [other, shared], ours: [], others: [shared] });
  assert.deepEqual(claiming, { add: [], claim: [shared], remove: [], forget: [] });
});

test("plan tells rules to add and to remove between two regions once, and why it cannot", () => {
  const mirror = 'from: west, to: east, rename: "{source}.{topic}", acls: read, topics:';
  const topology = topologyOf(`${mirror} "orders"`, `${mirror} "bills"`);
  const west = { clusterId: "W", topics: TOPICS, groups: GROUPS, acls: [READ, { ...READ, name: "*" }], made: [] };
  const stale: Acl = { ...READ, name: "west.old" };
  const record = { kind: "acl", topology: "t", sourceClusterId: "W", acl: stale } as const;
  const east = { clusterId: "E", topics: [], groups: [], acls: [stale], made: [record] };
  const planned = (acls: readonly Acl[] | undefined | string, sourceAcls = west.acls) =>
    planAcls(
      topology,
      new Map([
        ["west", { ...west, acls: sourceAcls }],
        ["east", { ...east, acls }],
      ]),
    );
  const [plan, ...others] = planned(east.acls);
  assert.deepEqual(others, []);
  assert.deepEqual(
    plan?.changes.map(({ kind, acl }) => `${kind}: ${aclText(acl)}`),
    [
      "add-rule: User:b may read west.orders",
      "add-rule: User:b may read west.…",
      "remove-rule: User:b may read west.old",
    ],
  );
  assert.equal(planned(undefined)[0]?.problem, "east has no authorizer");
  assert.equal(planned("refused")[0]?.problem, "east: refused");
});
