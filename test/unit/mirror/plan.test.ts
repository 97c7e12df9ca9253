/** What becomes of a batch, for every kind of batch there is. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { afterLook, type Plan, type PlanRules, planBatch, planText, rulesOf } from "../../../src/mirror/plan.ts";
import { compileFilter } from "../../../src/mirror/record-filter.ts";
import { keptRuns, rewriteBatch, selectRecords } from "../../../src/mirror/rewrite.ts";
import type { RecordFilter } from "../../../src/topology/record-filter.ts";
import { assembleBatch, type BatchHeader, type BatchView, OLD_FORMAT_BIT } from "../../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../../src/wire/records.ts";

const LANE_PRODUCER = 0x5452n << 47n;
const RULES: PlanRules = {
  provenance: "all",
  reverseProducerId: LANE_PRODUCER + 7n,
  filter: undefined,
  maxBatchBytes: 1_000,
};

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
  assert.equal(plan(batch({ attributes: OLD_FORMAT_BIT })), "rewrite old-format");
});

const SAMPLES: readonly RecordFilter[] = [
  { keys: { include: ["k1*"], exclude: ["k13"] } },
  { headers: { include: [], exclude: ["h=\u0003"] } },
  { skipTombstones: true, dropHeaders: ["h"] },
  { samplePpm: 500_000 },
];

function mixedBatch(deltas: readonly number[], codec: 0 | 1 | 2 | 3 | 4): BatchView {
  const records = deltas.map((offsetDelta) => ({
    offsetDelta,
    timestampMs: 1_000n + BigInt(offsetDelta),
    key: Buffer.from(`k${offsetDelta}`),
    value: offsetDelta % 3 === 0 ? null : Buffer.alloc(20, offsetDelta),
    headers: [
      { key: "h", value: Buffer.from([offsetDelta]) },
      { key: "other", value: null },
    ],
  }));
  return encodeBatch(records, { baseOffset: 100n, codec });
}

test("plan looks into a batch only when a filter may leave something out, and forwards it when nothing is", () => {
  const filter = compileFilter({ keys: { include: [], exclude: ["x*"] } });
  const view = mixedBatch([0, 1, 2], 3);
  const rules = { ...RULES, filter };
  const first = planBatch(view, rules, 0n, false);
  assert.deepEqual(first, { kind: "rewrite", reason: "filter" });
  const { deltas, isUntouched } = selectRecords(view, 0n, filter);
  assert.deepEqual(afterLook(first, view, rules, { kept: deltas.length, isUntouched }), { kind: "forward" });
  const small = { ...rules, maxBatchBytes: 100 };
  const split = afterLook(first, view, small, { kept: deltas.length, isUntouched });
  assert.deepEqual(split, { kind: "rewrite", reason: "too-large" });
  assert.deepEqual(afterLook(first, view, rules, { kept: 0, isUntouched: false }), {
    kind: "skip",
    reason: "filtered",
  });
});

test("A walk finds the records that were copied: kept runs and rewritten batches agree under every filter", () => {
  const arbitrary = fc.record({
    places: fc.uniqueArray(fc.nat({ max: 20 }), { minLength: 1, maxLength: 15 }),
    codec: fc.constantFrom(0, 1, 2, 3, 4) as fc.Arbitrary<0 | 1 | 2 | 3 | 4>,
    next: fc.bigInt({ min: 95n, max: 125n }),
    maxBatchBytes: fc.integer({ min: 80, max: 600 }),
    declared: fc.constantFrom(...SAMPLES),
  });
  fc.assert(
    fc.property(arbitrary, ({ places, codec, next, maxBatchBytes, declared }) => {
      const view = mixedBatch(
        places.toSorted((a, b) => a - b),
        codec,
      );
      const filter = compileFilter(declared);
      const { deltas, isUntouched } = selectRecords(view, next, filter);
      const parts = rewriteBatch(view, deltas, { filter, maxBatchBytes });
      const walked = keptRuns(view, next, filter);
      const copied = parts.flatMap(({ runs }) => runs);
      const each = (runs: readonly { sourceStart: bigint; length: number }[]) =>
        runs.flatMap(({ sourceStart, length }) => Array.from({ length }, (_, at) => sourceStart + BigInt(at)));
      assert.deepEqual(each(walked), each(copied));
      const all = decodeRecords(view);
      const wanted = all.filter(({ offsetDelta }) => deltas.includes(offsetDelta));
      const kept = parts.flatMap((part) => decodeRecords(part.batch));
      const drops = filter?.dropsHeader ?? (() => false);
      assert.deepEqual(
        kept.map(({ offsetDelta: _, ...record }) => record),
        wanted.map(({ offsetDelta: _, ...record }) => ({
          ...record,
          headers: record.headers.filter(({ key }) => !drops(key)),
        })),
      );
      if (isUntouched) assert.equal(kept.length, all.length);
    }),
  );
});

test("plan's rules come back from the text that is stored, and from that of earlier versions", () => {
  for (const declared of SAMPLES) {
    const filter = compileFilter(declared);
    const text = planText({ provenance: "local", filter });
    assert.equal(planText(rulesOf(text) ?? assert.fail(text)), text);
  }
  assert.deepEqual(rulesOf("provenance=local"), { provenance: "local", filter: undefined });
  assert.equal(planText({ provenance: "all", filter: compileFilter({ samplePpm: 1_000_000 }) }), "v1 provenance=all");
  for (const text of ["", "v2 provenance=all", 'v1 provenance=all filter={"unknown":1}', "v1 provenance=all filter={"])
    assert.equal(rulesOf(text), undefined, text);
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
          : rewriteBatch(view, selectRecords(view, next, undefined).deltas, { filter: undefined, maxBatchBytes });
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
