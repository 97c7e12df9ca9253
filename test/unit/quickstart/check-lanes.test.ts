/** The quickstart's check of lanes names what is lost, repeated, moved or changed. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLanes, checkSource } from "../../../src/quickstart/check-lanes.ts";
import { anomalyText } from "../../../src/quickstart/records.ts";
import { facts, faithful, lane, partition, record } from "./fabricated.ts";

test("lane check finds nothing when the target holds the same records at other offsets", () => {
  const finding = checkLanes([lane(faithful(5, 100))]);
  assert.deepEqual(finding, { mirrored: 5, anomalies: [] });
});

test("lane check names the flight that is lost", () => {
  const target = faithful(5).filter(({ flight }) => flight !== 3);
  const finding = checkLanes([lane(target)]);
  assert.equal(finding.mirrored, 4);
  assert.deepEqual(facts(finding.anomalies), ["lost 3"]);
  assert.equal(
    anomalyText(finding.anomalies[0] ?? assert.fail()),
    "lost flights-0@2 flight 3: not in us-west.flights-0",
  );
});

test("lane check names every repeat of a flight and where it was first", () => {
  const finding = checkLanes([lane([...faithful(5), record(2, 5), record(2, 6)])]);
  assert.equal(finding.mirrored, 5);
  assert.deepEqual(facts(finding.anomalies), ["duplicated 2", "duplicated 2"]);
});

test("lane check finds a repeated run of batches, as a worker would write that lost its place", () => {
  const finding = checkLanes([lane([...faithful(3), ...faithful(5, 3)])]);
  assert.deepEqual(facts(finding.anomalies), ["duplicated 1", "duplicated 2", "duplicated 3"]);
});

test("lane check names the flight that stands after a later one", () => {
  const order = [1, 3, 4, 2, 5];
  const finding = checkLanes([lane(order.map((flight, offset) => record(flight, offset)))]);
  assert.equal(finding.mirrored, 5);
  assert.deepEqual(facts(finding.anomalies), ["reordered 2"]);
});

for (const [part, change] of [
  ["key", { key: Buffer.from("DTX") }],
  ["key", { key: null }],
  ["value", { value: Buffer.from('{"flight":4 }') }],
  ["headers", { headers: [] }],
  ["headers", { headers: [{ key: "delayed", value: null }] }],
  ["timestamp", { timestampMs: 1n }],
] as const) {
  test(`lane check sees a changed ${part} when it becomes ${JSON.stringify(Object.values(change), bigintText)}`, () => {
    const target = faithful(5).map((one) => (one.flight === 4 ? { ...one, ...change } : one));
    const finding = checkLanes([lane(target)]);
    assert.deepEqual(facts(finding.anomalies), ["mutated 4"]);
    assert.ok(finding.anomalies[0]?.detail.includes(part));
  });
}

test("lane check reports a record that the source never had", () => {
  const finding = checkLanes([lane([...faithful(5), record(77, 5)])]);
  assert.deepEqual(facts(finding.anomalies), ["mutated 77"]);
});

test("lane check reports a record whose flight cannot be read as mutated, and the flight as lost", () => {
  const target = faithful(5).map((one) => (one.flight === 4 ? { ...one, value: null, flight: undefined } : one));
  assert.deepEqual(facts(checkLanes([lane(target)]).anomalies), ["mutated none", "lost 4"]);
});

test("source check accepts what was sent, in order per partition", () => {
  assert.deepEqual(checkSource(faithful(5), [partition(faithful(5))]), []);
});

test("source check finds what the source lost, repeated, changed or reordered before any mirror came into play", () => {
  const held = [record(2, 0), record(1, 1), record(3, 2, { key: null }), record(5, 3), record(5, 4)];
  assert.deepEqual(facts(checkSource(faithful(5), [partition(held)])), [
    "duplicated 5",
    "reordered 2",
    "mutated 3",
    "lost 4",
  ]);
});

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
