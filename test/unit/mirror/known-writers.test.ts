/** What lanes wrote in history mode is told from what others wrote in transactions. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { KnownWriters } from "../../../src/mirror/history/known-writers.ts";
import type { LaneKey } from "../../../src/mirror/offset-ports.ts";
import { isUnknownWriter, type PlanRules, planBatch } from "../../../src/mirror/plan.ts";
import { encodeBatch } from "../../../src/wire/records.ts";

const REVERSE = "reverse" as LaneKey;
const OTHER = "other" as LaneKey;
const record = { timestampMs: 1n, key: null, value: null };

function batchOf(producerId: bigint, isTransactional = true) {
  return encodeBatch([record], { producerId, producerEpoch: 0, baseSequence: 0, isTransactional });
}

function rulesOf(provenance: PlanRules["provenance"], listed: Map<bigint, LaneKey>) {
  let asked = 0;
  const writers = new KnownWriters({
    laneOfWriter: async (producerId) => {
      asked++;
      return listed.get(producerId);
    },
  });
  const rules: PlanRules = {
    provenance,
    reverseProducerId: -2n,
    history: { reverseLane: REVERSE, writers },
    filter: undefined,
    maxBatchBytes: 1 << 20,
  };
  return { rules, writers, asked: () => asked };
}

async function planned(rules: PlanRules, producerId: bigint) {
  const batch = batchOf(producerId);
  if (isUnknownWriter(batch, rules)) await rules.history?.writers.learn(producerId);
  return planBatch(batch, rules, 0n, false);
}

test("plan skips what the reverse lane wrote in history mode, and in a mesh what any lane wrote", async () => {
  const listed = new Map([
    [5n, REVERSE],
    [6n, OTHER],
  ]);
  const chain = rulesOf("all", listed).rules;
  assert.deepEqual(await planned(chain, 5n), { kind: "skip", reason: "loop" });
  assert.deepEqual(await planned(chain, 6n), { kind: "forward" });
  assert.deepEqual(await planned(chain, 7n), { kind: "forward" });
  const mesh = rulesOf("local", listed).rules;
  assert.deepEqual(await planned(mesh, 6n), { kind: "skip", reason: "loop" });
  assert.deepEqual(await planned(mesh, 7n), { kind: "forward" });
});

test("source is asked once about each transactional producer, and about no other", async () => {
  const { rules, asked } = rulesOf("local", new Map([[5n, OTHER]]));
  for (const producerId of [5n, 7n, 5n, 7n]) await planned(rules, producerId);
  assert.equal(asked(), 2);
  assert.equal(isUnknownWriter(batchOf(8n, false), rules), false);
  assert.equal(isUnknownWriter(batchOf(8n), { ...rules, history: undefined }), false);
});

test("source is asked again about a producer that was foreign so long ago that it is forgotten", async () => {
  const { writers, asked } = rulesOf("local", new Map());
  for (let producerId = 0n; producerId <= 10_000n; producerId++) await writers.learn(producerId);
  assert.equal(writers.knows(0n), false);
  assert.equal(writers.knows(1n), true);
  assert.equal(asked(), 10_001);
});
