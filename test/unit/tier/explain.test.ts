/** Every offset has one reason, the first that decides. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type ExplainFacts, explainOffset } from "../../../src/tier/explain.ts";
import type { ArchivedSegment, Manifest } from "../../../src/tier/manifest.ts";
import { PARTITION } from "../../support/segments.ts";

const NOW_MS = 1_000_000;

function segment(baseOffset: bigint, nextOffset: bigint): ArchivedSegment {
  return {
    key: `k/${baseOffset}`,
    baseOffset,
    lastOffset: nextOffset - 2n,
    nextOffset,
    logBytes: 100,
    logSha256: "",
    logCrc32c: 0,
    indexBytes: 0,
    timeindexBytes: 0,
    txnindexBytes: 0,
    recordCount: 1,
    maxTimestampMs: 0,
    leaderEpochs: [],
    gaps: [{ startOffset: baseOffset + 3n, nextOffset: baseOffset + 5n, cause: "compaction" }],
  };
}

const MANIFEST: Manifest = {
  number: 1,
  previousSha256: null,
  partition: PARTITION,
  writerEpoch: 1,
  writtenAtMs: 0,
  segments: [segment(20n, 30n), segment(40n, 50n)],
  removed: { nextOffset: 20n, cause: "retention", atMs: 1 },
};
const CLOSED = [
  { baseOffset: 50n, nextOffset: 60n, sizeBytes: 100, maxTimestampMs: 1_000 },
  { baseOffset: 60n, nextOffset: 70n, sizeBytes: 100, maxTimestampMs: NOW_MS - 10 },
  { baseOffset: 70n, nextOffset: 80n, sizeBytes: 100, maxTimestampMs: 1_000 },
  { baseOffset: 80n, nextOffset: 90n, sizeBytes: 100, maxTimestampMs: 1_000 },
];
const FACTS: ExplainFacts = {
  offset: 0n,
  manifest: MANIFEST,
  log: { startOffset: 20n, localStart: 50n, endOffset: 100n, lastStableOffset: 95n, closed: CLOSED },
  rule: { olderThanMs: 60_000, keepLocalBytes: 100, everyMs: 2_000 },
  failure: undefined,
  nowMs: NOW_MS,
};

function kindAt(offset: bigint, change: Partial<ExplainFacts> = {}): string {
  return explainOffset({ ...FACTS, ...change, offset }).reason.kind;
}

test("explain names the one reason that decides, from the archive outwards", () => {
  const reasons: readonly (readonly [offset: bigint, kind: string, change?: Partial<ExplainFacts>])[] = [
    [5n, "removed"],
    [21n, "archived"],
    [23n, "gap"],
    [29n, "gap"],
    [35n, "hole"],
    [5n, "overtaken", { manifest: { ...MANIFEST, removed: undefined } }],
    [5n, "overtaken", { manifest: undefined }],
    [55n, "due"],
    [65n, "too-young"],
    [75n, "behind"],
    [85n, "kept-local"],
    [91n, "active-segment"],
    [96n, "open-transaction"],
    [100n, "beyond-end"],
    [55n, "no-rule", { rule: undefined }],
    [55n, "failing", { failure: "the store is full" }],
    [55n, "not-yet", { log: undefined }],
    [21n, "archived", { log: undefined, rule: undefined }],
  ];
  for (const [offset, kind, change] of reasons) assert.equal(kindAt(offset, change), kind, `${offset}`);
});

test("explain tells how long a segment is too young, and whether the region has the record itself", () => {
  const young = explainOffset({ ...FACTS, offset: 65n });
  assert.equal(young.reason.kind === "too-young" && young.reason.leftMs, 60_000 - 10);
  assert.deepEqual([young.isArchived, young.isLocal], [false, true]);
  const cold = explainOffset({ ...FACTS, offset: 21n });
  assert.deepEqual([cold.isArchived, cold.isLocal], [true, false]);
  assert.equal(explainOffset({ ...FACTS, offset: 21n, log: undefined }).isLocal, undefined);
});
