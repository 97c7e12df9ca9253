/** What a plan would change on the target, and the risks that it tells. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Uuid } from "../../../src/core/brand.ts";
import type { MadeRecord } from "../../../src/topology/made.ts";
import { parseTopology } from "../../../src/topology/parse.ts";
import { type LiveTopic, planTopology } from "../../../src/topology/plan.ts";
import { changesOf, fingerprintOf, pairsOf } from "../../../src/topology/plan-changes.ts";
import { risksOf } from "../../../src/topology/plan-risks.ts";

const DAY_MS = 86_400_000;
const NOW_MS = 20_000 * DAY_MS;

/** A plan of one mirror from west to east. */
function planned(
  west: readonly LiveTopic[],
  east: readonly LiveTopic[],
  mirror = "",
  made: readonly MadeRecord[] = [],
) {
  const topology = parseTopology({
    file: "t.yaml",
    text: `version: 1\nname: t\nregions: {west: {local: {}}, east: {local: {}}}\nmirrors:\n  - {name: m, from: west, to: east, topics: "*", rename: "w.{topic}"${mirror}}`,
  });
  const live = new Map([
    ["west", west],
    ["east", east],
  ]);
  const pairs = pairsOf(topology, planTopology(topology, live), live);
  const changes = changesOf(
    pairs,
    new Map([
      ["west", { clusterId: "W", brokers: 1, made: [] }],
      ["east", { clusterId: "E", brokers: 2, made }],
    ]),
  );
  return { pairs, changes, fingerprint: fingerprintOf(pairs, changes) };
}

const settings = (entries: Record<string, string>) => new Map(Object.entries(entries));
const source = {
  name: "a",
  topicId: "1" as Uuid,
  partitions: 3,
  replicationFactor: 3,
  settings: settings({ "retention.ms": "5" }),
};
const copy = {
  name: "w.a",
  topicId: "2" as Uuid,
  partitions: 3,
  replicationFactor: 1,
  settings: settings({ "retention.ms": "5" }),
};

test("plan changes are topics to create with their settings, partitions to add and settings to change", () => {
  const at = { region: "east", topic: "w.a" };
  const origin = { clusterId: "W", topic: "a", topicId: "1" };
  const set = { name: "retention.ms", from: undefined, to: "5" };
  assert.deepEqual(planned([source], []).changes, [
    { kind: "create", ...at, partitions: 3, replicationFactor: 2, settings: [set], origin },
  ]);
  assert.deepEqual(planned([source], [], ", create: {replicationFactor: 1, sync: []}").changes, [
    { kind: "create", ...at, partitions: 3, replicationFactor: 1, settings: [], origin },
  ]);
  assert.deepEqual(planned([source], [copy]).changes, []);
  assert.deepEqual(
    planned([source], [{ ...copy, partitions: 2, settings: settings({ "retention.ms": "7" }) }]).changes,
    [
      { kind: "grow", ...at, from: 2, partitions: 3 },
      { kind: "set", ...at, topicId: "2", settings: [{ ...set, from: "7" }], origin },
    ],
  );
});

test("plan fingerprint is another one once a topic was made again, grew, or got another setting", () => {
  const { fingerprint } = planned([source], [copy]);
  assert.equal(planned([{ ...source, oldestMs: 7 }], [copy]).fingerprint, fingerprint);
  for (const [west, east] of [
    [{ ...source, topicId: "9" as Uuid }, copy],
    [source, { ...copy, topicId: "9" as Uuid }],
    [source, { ...copy, partitions: 9 }],
    [source, { ...copy, settings: settings({ "retention.ms": "5", "segment.ms": "1" }) }],
  ] as const)
    assert.notEqual(planned([west], [east]).fingerprint, fingerprint);
  assert.notEqual(planned([source], []).fingerprint, fingerprint);
});

/** Codes of the risks of a topic whose oldest record has this age, and the newest lies this far ahead. */
function risky(ageDays: number, east: readonly LiveTopic[], { mirror = "", aheadMs = -1 } = {}) {
  const own = { ...source, settings: settings({}), oldestMs: NOW_MS - ageDays * DAY_MS, newestMs: NOW_MS + aheadMs };
  const topicDefaults = settings({
    "retention.ms": String(7 * DAY_MS),
    "cleanup.policy": "delete",
    "message.timestamp.after.max.ms": "3600000",
  });
  const limits = { bootstrap: "east:9092", producerIdExpirationMs: DAY_MS, topicDefaults };
  return risksOf(planned([own], east, mirror).pairs, new Map([["east", limits]]), NOW_MS);
}

const codes = (risks: ReturnType<typeof risky>) => risks.map(({ code }) => code);

test("plan risks tell what the target's clocks would do to old and new records, with the command that mends it", () => {
  assert.deepEqual(codes(risky(0.4, [])), []);
  const [expires] = risky(3, []);
  assert.equal(expires?.code, "producer-expires");
  assert.match(
    expires?.mend ?? "",
    /--entity-type brokers --entity-default --add-config producer.id.expiration.ms=691200000$/,
  );
  assert.match(expires?.what ?? "", /copied in transactions/);
  const [old, deletes] = risky(9_000, []);
  assert.equal(old?.mend, undefined);
  assert.match(old?.what ?? "", /24.8 days at most/);
  assert.equal(deletes?.code, "retention-deletes");
  assert.match(deletes?.mend ?? "", /--entity-name w.a --add-config retention.ms=-1$/);
  const [ahead] = risky(0.4, [], { aheadMs: 2 * 3_600_000 });
  assert.equal(ahead?.code, "too-new");
  assert.match(ahead?.mend ?? "", /message.timestamp.after.max.ms=9223372036854775807$/);
});

test("plan risks are none where the target keeps the records, or remembers nothing by design", () => {
  const kept = (effective: Record<string, string>) => codes(risky(30, [{ ...copy, effective: settings(effective) }]));
  assert.deepEqual(kept({ "retention.ms": "-1" }), ["producer-expires"]);
  assert.deepEqual(kept({ "retention.ms": "5", "cleanup.policy": "compact" }), ["producer-expires"]);
  assert.deepEqual(kept({ "retention.ms": "5", "message.timestamp.type": "LogAppendTime" }), ["producer-expires"]);
  assert.deepEqual(kept({ "retention.ms": "5" }), ["producer-expires", "retention-deletes"]);
  assert.deepEqual(codes(risky(3, [], { mirror: ", delivery: at-least-once" })), []);
});

test("plan takes settings back that a mirror made and the source no longer has", () => {
  const bare = { ...source, settings: settings({}) };
  const of = { sourceClusterId: "W", targetTopic: "w.a", targetTopicId: "2" as Uuid };
  const made: MadeRecord = { kind: "settings", ...of, settings: { "retention.ms": "5" } };
  const changed = (record: MadeRecord) => planned([bare], [copy], "", [record]).changes.map(({ kind }) => kind);
  assert.deepEqual(changed(made), ["set"]);
  assert.deepEqual(changed({ ...made, settings: { "retention.ms": "6" } }), []);
  assert.deepEqual(changed({ ...made, targetTopicId: "9" as Uuid }), []);
  assert.deepEqual(changed({ ...made, sourceClusterId: "other" }), []);
});
