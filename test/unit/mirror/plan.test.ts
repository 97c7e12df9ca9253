/** What becomes of a batch, for every kind of batch there is. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Plan, type PlanRules, planBatch } from "../../../src/mirror/plan.ts";
import { rewriteBatch } from "../../../src/mirror/rewrite.ts";
import { assembleBatch, type BatchHeader, type BatchView } from "../../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../../src/wire/records.ts";

const LANE_PRODUCER = 0x5452n << 47n;
const RULES: PlanRules = { provenance: "all", reverseProducerId: LANE_PRODUCER + 7n, maxBatchBytes: 1_000 };

function batch(header: Partial<BatchHeader>, bytes = 10): BatchView {
  return assembleBatch(
    {
      baseOffset: 100n,
      attributes: 0,
      lastOffsetDelta: 4,
      baseTimestamp: 1n,
      maxTimestamp: 1n,
      recordCount: 5,
      ...header,
    },
    Buffer.alloc(bytes),
  );
}

function plan(view: BatchView, more: { rules?: Partial<PlanRules>; next?: bigint; aborted?: boolean } = {}): string {
  const result = planBatch(view, { ...RULES, ...more.rules }, more.next ?? 0n, more.aborted ?? false);
  return result.kind === "forward" ? result.kind : `${result.kind} ${result.reason}`;
}

test("plan forwards a dense batch as it is, whatever its codec", () => {
  for (const attributes of [0, 1, 2, 3, 4]) assert.equal(plan(batch({ attributes })), "forward");
});

test("plan forwards data of a committed transaction", () => {
  assert.equal(plan(batch({ attributes: 0x10, producerId: 5n, producerEpoch: 0, baseSequence: 0 })), "forward");
});

test("plan skips markers, aborted data, empty batches and what lies behind the position", () => {
  assert.equal(plan(batch({ attributes: 0x30, recordCount: 1, lastOffsetDelta: 0 })), "skip control");
  assert.equal(plan(batch({ attributes: 0x10 }), { aborted: true }), "skip aborted");
  assert.equal(plan(batch({ recordCount: 0 })), "skip empty");
  assert.equal(plan(batch({}), { next: 105n }), "skip behind");
});

test("plan rewrites what a broker would refuse or consumers would see changed", () => {
  assert.equal(plan(batch({ recordCount: 3 })), "rewrite offset-gaps");
  assert.equal(plan(batch({}), { next: 104n }), "rewrite mid-batch");
  assert.equal(plan(batch({ attributes: 0x08 })), "rewrite append-time");
  assert.equal(plan(batch({ attributes: 0x40 })), "rewrite delete-horizon");
  assert.equal(plan(batch({}, 1_000)), "rewrite too-large");
});

test("plan skips only the reverse lane's batches when everything may travel on", () => {
  assert.equal(plan(batch({ producerId: LANE_PRODUCER + 7n })), "skip loop");
  assert.equal(plan(batch({ producerId: LANE_PRODUCER + 8n })), "forward");
  assert.equal(plan(batch({ producerId: 7n })), "forward");
});

test("plan skips every lane's batches when only local records may travel", () => {
  const rules = { provenance: "local" } as const;
  assert.equal(plan(batch({ producerId: LANE_PRODUCER + 8n }), { rules }), "skip loop");
  assert.equal(plan(batch({ producerId: 8n }), { rules }), "forward");
  assert.equal(plan(batch({ producerId: -1n }), { rules }), "forward");
});

test("plan drops no record by mistake: what it does not skip, it keeps whole", () => {
  const arbitrary = fc.record({
    deltas: fc.uniqueArray(fc.nat({ max: 20 }), { minLength: 1, maxLength: 12 }),
    codec: fc.constantFrom(0, 1, 2, 3, 4) as fc.Arbitrary<0 | 1 | 2 | 3 | 4>,
    next: fc.bigInt({ min: 90n, max: 130n }),
    maxBatchBytes: fc.integer({ min: 80, max: 400 }),
    appendTime: fc.boolean(),
  });
  fc.assert(
    fc.property(arbitrary, ({ deltas, codec, next, maxBatchBytes, appendTime }) => {
      const sorted = deltas.toSorted((a, b) => a - b);
      const records = sorted.map((offsetDelta) => ({
        offsetDelta,
        timestampMs: 1_000n + BigInt(offsetDelta),
        key: Buffer.from(`k${offsetDelta}`),
        value: Buffer.alloc(20, offsetDelta),
        headers: [{ key: "h", value: Buffer.from([offsetDelta]) }],
      }));
      const view = encodeBatch(records, {
        baseOffset: 100n,
        codec,
        ...(appendTime ? { appendTimeMs: 5_000n } : {}),
      });
      const result: Plan = planBatch(view, { ...RULES, maxBatchBytes }, next, false);
      const wanted = records.filter(({ offsetDelta }) => 100n + BigInt(offsetDelta) >= next);
      if (result.kind === "skip") {
        assert.equal(wanted.length, 0);
        return;
      }
      const parts =
        result.kind === "forward"
          ? [{ batch: view, runs: [{ sourceStart: 100n, length: records.length }], nextOffset: view.nextOffset }]
          : rewriteBatch(view, next, maxBatchBytes);
      const kept = parts.flatMap((part) => decodeRecords(part.batch));
      const offsets = parts.flatMap(({ runs }) =>
        runs.flatMap(({ sourceStart, length }) => Array.from({ length }, (_, at) => sourceStart + BigInt(at))),
      );
      assert.deepEqual(
        kept.map(({ key, value, headers, timestampMs }) => ({ key, value, headers, timestampMs })),
        wanted.map(({ key, value, headers, timestampMs }) => {
          return { key, value, headers, timestampMs: appendTime ? 5_000n : timestampMs };
        }),
      );
      assert.deepEqual(
        offsets,
        wanted.map(({ offsetDelta }) => 100n + BigInt(offsetDelta)),
      );
      for (const part of parts) {
        assert.ok(part.batch.isDense && !part.batch.isLogAppendTime);
        assert.ok(part.batch.sizeBytes <= maxBatchBytes || part.batch.recordCount === 1);
      }
    }),
  );
});
