/** Which records a filter leaves out, and that nothing but the record and the rules decides. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { hasFault } from "../../../src/mirror/errors.ts";
import { compileFilter, sampleHash } from "../../../src/mirror/record-filter.ts";
import { describeFilter, type RecordFilter } from "../../../src/topology/record-filter.ts";
import type { DecodedRecord } from "../../../src/wire/records.ts";

function record(
  key: string | null,
  value: string | null = "v",
  headers: Readonly<Record<string, string>> = {},
): DecodedRecord {
  return {
    offsetDelta: 0,
    timestampMs: 0n,
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers: Object.entries(headers).map(([name, text]) => ({ key: name, value: Buffer.from(text) })),
  };
}

function rejects(declared: RecordFilter, one: DecodedRecord, offset = 0n): string | undefined {
  return compileFilter(declared)?.rejects(one, offset);
}

test("filter chooses by key as globs and regular expressions for the whole key", () => {
  const keys = { include: ["eu:*", "/^\\d{3}$/"], exclude: ["eu:test*"] };
  assert.equal(rejects({ keys }, record("eu:7/a b.c\n")), undefined);
  assert.equal(rejects({ keys }, record("123")), undefined);
  for (const key of ["eu:test1", "us:7", "1234", "a eu:7"]) assert.equal(rejects({ keys }, record(key)), "key", key);
});

test("filter leaves a keyless record out where keys must match, and in where they must not", () => {
  assert.equal(rejects({ keys: { include: ["*"], exclude: [] } }, record(null)), "key");
  assert.equal(rejects({ keys: { include: [], exclude: ["*"] } }, record(null)), undefined);
  assert.equal(rejects({ skipKeyless: true }, record(null)), "keyless");
  assert.equal(rejects({ skipKeyless: true }, record("")), undefined);
});

test("filter chooses by header name and value", () => {
  const headers = { include: ["env=prod*", "x-keep"], exclude: ["x-test", "env=/^staging$/"] };
  assert.equal(rejects({ headers }, record("k", "v", { env: "prod-1" })), undefined);
  assert.equal(rejects({ headers }, record("k", "v", { "x-keep": "" })), undefined);
  assert.equal(rejects({ headers }, record("k", "v", { env: "prod", "x-test": "1" })), "header");
  assert.equal(rejects({ headers }, record("k", "v", { env: "staging", "x-keep": "" })), "header");
  assert.equal(rejects({ headers }, record("k")), "header");
});

test("filter leaves out tombstones, and not empty values", () => {
  assert.equal(rejects({ skipTombstones: true }, record("k", null)), "tombstone");
  assert.equal(rejects({ skipTombstones: true }, record("k", "")), undefined);
});

test("filter samples whole keys, near the share asked for, and keyless records by their offset", () => {
  const filter = compileFilter({ samplePpm: 100_000 });
  const count = 20_000;
  let kept = 0;
  let keptKeyless = 0;
  for (let i = 0; i < count; i++) {
    const first = filter?.rejects(record(`user-${i}`), BigInt(i));
    assert.equal(filter?.rejects(record(`user-${i}`, "other"), 7n), first);
    if (first === undefined) kept++;
    if (filter?.rejects(record(null), BigInt(i)) === undefined) keptKeyless++;
  }
  for (const found of [kept, keptKeyless]) assert.ok(Math.abs(found / count - 0.1) < 0.01, String(found));
});

test("sample's hash never changes, because lanes' pasts are counted by it", () => {
  assert.deepEqual(
    [sampleHash(Buffer.from("user-1"), 0n), sampleHash(null, 1n), sampleHash(Buffer.alloc(0), 5n)],
    HASHES,
  );
});

const HASHES = [2_005_895_916, 3_059_785_252, 2_872_998_923];

test("filter that leaves everything as it is is none", () => {
  assert.equal(compileFilter({}), undefined);
  assert.equal(compileFilter({ keys: { include: [], exclude: [] }, samplePpm: 1_000_000, dropHeaders: [] }), undefined);
});

test("filter with a pattern that cannot be read is refused", () => {
  assert.throws(
    () => compileFilter({ keys: { include: ["/(/"], exclude: [] } }),
    (error) => hasFault(error, "FILTER_INVALID"),
  );
});

test("filter tells in a line what it leaves out", () => {
  const all: RecordFilter = {
    keys: { include: ["a*"], exclude: ["ab"] },
    headers: { include: [], exclude: ["x"] },
    skipTombstones: true,
    samplePpm: 25_000,
    dropHeaders: ["trace-*"],
  };
  const text = "only keys a*; no keys ab; no headers x; no tombstones; 2.5 % of keys; without headers trace-*";
  assert.equal(describeFilter(all), text);
});
