/** The quickstart's check of offloaded records finds each kind of mistake. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkCold } from "../../../src/quickstart/check-cold.ts";
import { facts, faithful, partition, record } from "./fabricated.ts";

const range = { topic: "flights", partition: 0, baseOffset: 1n, lastOffset: 3n };
const before = [partition(faithful(5))];

test("cold check counts the offloaded records that came back unchanged", () => {
  assert.deepEqual(checkCold([range], before, [partition(faithful(5))]), { coldRecordsRead: 3, anomalies: [] });
});

test("cold check names an offloaded record that did not come back", () => {
  const after = [partition(faithful(5).filter(({ offset }) => offset !== 2n))];
  const finding = checkCold([range], before, after);
  assert.equal(finding.coldRecordsRead, 2);
  assert.deepEqual(facts(finding.anomalies), ["cold 3"]);
});

test("cold check names an offloaded record that came back changed or at another offset", () => {
  const changed = partition(faithful(5).map((one) => (one.offset === 2n ? { ...one, key: null } : one)));
  assert.deepEqual(facts(checkCold([range], before, [changed]).anomalies), ["cold 3"]);
  const moved = partition([record(1, 0), record(3, 1), record(2, 2), record(4, 3), record(5, 4)]);
  assert.deepEqual(facts(checkCold([range], before, [moved]).anomalies), ["cold 3", "cold 2"]);
});

test("cold check looks at nothing outside the offloaded ranges", () => {
  assert.deepEqual(checkCold([range], before, [partition(faithful(4))]).anomalies, []);
});
