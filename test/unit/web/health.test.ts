/** Alive, and ready. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { health, readiness } from "../../../src/web/health.ts";
import { flowOf, laneOf, workerOf } from "./snapshots.ts";

const AWAY = { failure: "the source cannot be reached: refused", state: "waiting", discoveredMs: null } as const;

test("worker is alive although no region is reached, and not ready", () => {
  const worker = workerOf([flowOf([], AWAY)]);
  assert.equal(health(worker).ok, true);
  assert.deepEqual(readiness(worker), {
    ok: false,
    reasons: ["in: west -> hub: the source cannot be reached: refused"],
  });
});

test("worker is not alive when its own loop or a flow's stands still, unless it is ending", () => {
  assert.equal(health(workerOf([], { roundAgeMs: 10_001 })).ok, false);
  const hung = workerOf([flowOf([], { roundAgeMs: 300_001 })]);
  assert.deepEqual(health(hung).reasons, ["in: west -> hub has not gone round for 300 s"]);
  assert.equal(health({ ...hung, state: "draining" }).ok, true);
});

test("worker is ready once its lanes are known, also when one of them stands", () => {
  assert.equal(readiness(workerOf([flowOf([], { discoveredMs: null })])).ok, false);
  assert.equal(readiness(workerOf([flowOf([])])).ok, true);
  assert.equal(readiness(workerOf([flowOf([laneOf("a", 0, { state: "stopped" })])])).ok, true);
  assert.equal(readiness(workerOf([flowOf([laneOf("a", 0)], { failure: "away" })])).ok, false);
  assert.equal(readiness(workerOf([flowOf([laneOf("a", 0)])], { state: "draining" })).ok, false);
});
