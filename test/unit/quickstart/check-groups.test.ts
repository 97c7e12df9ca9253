/** The quickstart's check of groups finds a commit that is off by one. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkCommits, checkContinuation, type GroupContent } from "../../../src/quickstart/check-groups.ts";
import type { SeenRecord } from "../../../src/quickstart/records.ts";
import { facts, faithful, lane, partition, record } from "./fabricated.ts";

/** Five flights copied from offsets 0-4 to 100-104; the group has read two. */
function group(targetCommit: bigint | undefined, sourceCommit: bigint | undefined = 2n): GroupContent {
  return {
    group: "delays",
    region: "us-west",
    lanes: [lane(faithful(5, 100))],
    sourceCommits: new Map(sourceCommit === undefined ? [] : [[0, sourceCommit]]),
    targetCommits: new Map(targetCommit === undefined ? [] : [[0, targetCommit]]),
  };
}

function read(...flights: readonly number[]): readonly SeenRecord[] {
  return partition(
    flights.map((flight) => record(flight, 99 + flight)),
    "us-west.flights",
  ).records;
}

test("group check accepts a commit exactly at the next unread record", () => {
  assert.deepEqual(checkCommits(group(102n)), []);
});

test("group check accepts a commit after the last copy when everything was read", () => {
  assert.deepEqual(checkCommits(group(105n, 5n)), []);
});

test("group check accepts no commit where the source has none", () => {
  assert.deepEqual(checkCommits({ ...group(undefined), sourceCommits: new Map() }), []);
});

test("group check refuses a commit one too early, one too late, or missing, and names the next unread flight", () => {
  for (const wrong of [101n, 103n, undefined]) assert.deepEqual(facts(checkCommits(group(wrong))), ["group 3"]);
});

test("group check refuses a commit that the source never made", () => {
  assert.deepEqual(facts(checkCommits({ ...group(102n), sourceCommits: new Map() })), ["group none"]);
});

test("continuation check accepts precisely the unread rest, in order", () => {
  assert.deepEqual(checkContinuation(group(102n), read(3, 4, 5)), []);
});

test("continuation check names a flight that was read again", () => {
  assert.deepEqual(facts(checkContinuation(group(101n), read(2, 3, 4, 5))), ["group 2"]);
  assert.deepEqual(facts(checkContinuation(group(102n), read(3, 4, 4, 5))), ["group 4"]);
});

test("continuation check names a flight that was skipped", () => {
  assert.deepEqual(facts(checkContinuation(group(103n), read(4, 5))), ["group 3"]);
  assert.deepEqual(facts(checkContinuation(group(102n), [])), ["group 3", "group 4", "group 5"]);
});

test("continuation check names a flight that came out of order", () => {
  assert.deepEqual(facts(checkContinuation(group(102n), read(4, 3, 5))), ["group 3"]);
});
