/** Which settings of topics are carried over, and which belong to one cluster. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTopology } from "../../../src/topology/parse.ts";
import { DEFAULT_SYNCED_SETTINGS, settingChanges, settingProblem } from "../../../src/topology/topic-settings.ts";

const CASES = [
  { name: "both inherit", source: {}, target: {}, ours: {}, changes: [] },
  { name: "equal", source: { a: "1" }, target: { a: "1" }, ours: {}, changes: [] },
  { name: "missing", source: { a: "1" }, target: {}, ours: {}, changes: [{ name: "a", from: undefined, to: "1" }] },
  { name: "other", source: { a: "1" }, target: { a: "2" }, ours: {}, changes: [{ name: "a", from: "2", to: "1" }] },
  { name: "not listed", source: { z: "1" }, target: {}, ours: {}, changes: [] },
  { name: "theirs stays", source: {}, target: { a: "1" }, ours: {}, changes: [] },
  {
    name: "ours goes",
    source: {},
    target: { a: "1" },
    ours: { a: "1" },
    changes: [{ name: "a", from: "1", to: null }],
  },
  { name: "ours, changed since, stays", source: {}, target: { a: "2" }, ours: { a: "1" }, changes: [] },
  {
    name: "several, in order",
    source: { b: "1", a: "2" },
    target: {},
    ours: {},
    changes: [
      { name: "a", from: undefined, to: "2" },
      { name: "b", from: undefined, to: "1" },
    ],
  },
];

test("setting changes are what the target lacks, and take back only what the mirror made", () => {
  for (const { name, source, target, ours, changes } of CASES) {
    const [from, to, made] = [source, target, ours].map((side) => new Map(Object.entries<string>(side)));
    assert.ok(from !== undefined && to !== undefined && made !== undefined);
    assert.deepEqual(settingChanges({ source: from, target: to, ours: made, sync: ["b", "a"] }), changes, name);
  }
});

test("setting that belongs to one cluster alone is never carried over, with the reason", () => {
  for (const name of ["min.insync.replicas", "unclean.leader.election.enable", "leader.replication.throttled.replicas"])
    assert.match(settingProblem(name) ?? "", /never carried over/);
  for (const name of DEFAULT_SYNCED_SETTINGS) assert.equal(settingProblem(name), undefined);
});

function topology(mirrors: string) {
  const text = `version: 1\nname: t\nregions: {west: {local: {}}, east: {local: {}}}\nmirrors:\n${mirrors}`;
  return parseTopology({ file: "t.yaml", text });
}

test("mirror carries the default settings over, those it names, or none", () => {
  const create = (text: string) =>
    topology(`  - {name: m, from: west, to: east, topics: "*", rename: "{topic}"${text}}`).mirrors[0]?.create;
  assert.deepEqual(create(""), { replicationFactor: "source", sync: DEFAULT_SYNCED_SETTINGS });
  assert.deepEqual(create(", create: {replicationFactor: 2, sync: retention.ms}"), {
    replicationFactor: 2,
    sync: ["retention.ms"],
  });
  assert.deepEqual(create(", create: {sync: []}"), { replicationFactor: "source", sync: [] });
  assert.throws(() => create(", create: {sync: retention.mss}"), /did you mean "retention.ms"/);
  assert.throws(() => create(", create: {sync: [min.insync.replicas]}"), /never carried over/);
});

test("two mirrors that carry the same names both ways leave settings alone, and cannot be asked not to", () => {
  const both = (create: string) =>
    topology(`  - {name: m, from: [west, east], to: [west, east], topics: "*", rename: "{topic}"${create}}`);
  assert.deepEqual(both("").mirrors[0]?.create.sync, []);
  assert.throws(() => both(", create: {sync: retention.ms}"), /each side would follow the other/);
});
