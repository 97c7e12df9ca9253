/** The quickstart's check of translations finds one that is off by one, in either direction. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkOffsets, type OffsetTranslator } from "../../../src/quickstart/check-offsets.ts";
import { facts, faithful, lane, record } from "./fabricated.ts";

/** Source offsets 0, 1, 4, 5 (a hole at 2 and 3) copied to 10, 11, 12, 15 (somebody else wrote 13 and 14). */
const withHoles = {
  ...lane(
    [record(1, 10), record(2, 11), record(3, 12), record(4, 15)],
    [record(1, 0), record(2, 1), record(3, 4), record(4, 5)],
  ),
};
const holes = { ...withHoles, target: { ...withHoles.target, startOffset: 10n } };

const right: OffsetTranslator = {
  translate: (next) => [10n, 11n, 12n, 12n, 12n, 15n, 16n][Number(next)],
  reverse: (next) => [0n, 1n, 4n, 5n, 5n, 5n, 6n][Number(next - 10n)],
};

test("offset check asks for every offset with both ends, in both directions, and accepts right answers", () => {
  assert.deepEqual(
    checkOffsets([holes], () => right),
    { checked: 14, anomalies: [] },
  );
});

test("offset check names offset and flight when one translation is off by one", () => {
  const finding = checkOffsets([holes], () => ({
    ...right,
    translate: (next) => (next === 2n ? 11n : right.translate(next)),
  }));
  assert.deepEqual(facts(finding.anomalies), ["offset 3"]);
  assert.equal(finding.anomalies[0]?.offset, 2n);
});

test("offset check finds a wrong answer in the reverse direction, at the end too", () => {
  const finding = checkOffsets([holes], () => ({
    ...right,
    reverse: (next) => (next === 16n ? 5n : right.reverse(next)),
  }));
  assert.deepEqual(facts(finding.anomalies), ["offset none"]);
  assert.equal(finding.anomalies[0]?.topic, "us-west.flights");
});

test("offset check counts an answer that is missing as wrong", () => {
  const finding = checkOffsets([lane(faithful(5))], () => ({ translate: () => undefined, reverse: (next) => next }));
  assert.equal(finding.anomalies.length, 6);
});

test("offset check asks an empty lane for its one offset", () => {
  const finding = checkOffsets([lane([], [])], () => ({ translate: () => 0n, reverse: () => 0n }));
  assert.deepEqual(finding, { checked: 2, anomalies: [] });
});
