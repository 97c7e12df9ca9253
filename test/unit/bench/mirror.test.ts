/** The mirror bench's verdicts: which figure misses which budget, and what its tables say. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { budgetLine, budgetsOf, isKept, type Measured } from "../../bench/mirror/budgets.ts";
import { fullCases, quickCases } from "../../bench/mirror/cases.ts";
import { type ContenderName, mirrorMakerProperties } from "../../bench/mirror/contenders.ts";
import { dataOf } from "../../bench/mirror/data.ts";
import { latencyOf } from "../../bench/mirror/latency.ts";
import { steadyStretch } from "../../bench/mirror/marks.ts";
import { parseOptions, UsageError } from "../../bench/mirror/options.ts";
import { missed, reportMarkdown, reportText } from "../../bench/mirror/report.ts";
import type { Result } from "../../bench/mirror/rounds.ts";

const [shape = assert.fail()] = quickCases();

function resultOf(contender: ContenderName, figures: Partial<Result> = {}): Result {
  const latency = { p50Ms: 2, p99Ms: 10, records: 100 };
  return {
    contender,
    rounds: 3,
    megabytesPerSecond: 100,
    cpuSecondsPerGigabyte: 1,
    startCpuSeconds: 1.5,
    memoryMiB: 120,
    latency,
    ...figures,
  };
}

function measuredWith(ours: Partial<Result>): Measured {
  const slow = { megabytesPerSecond: 40, cpuSecondsPerGigabyte: 10, latency: { p50Ms: 6, p99Ms: 20, records: 100 } };
  return {
    shape,
    results: [
      resultOf("tributary", ours),
      resultOf("relay", { latency: undefined, megabytesPerSecond: 108, cpuSecondsPerGigabyte: 0.9 }),
      resultOf("mm2-tuned", slow),
      resultOf("mm2-tuned-eos", { ...slow, megabytesPerSecond: 30 }),
    ],
    failures: [],
  };
}

test("mirror bench keeps every budget when each figure is within it", () => {
  const all = [measuredWith({})];
  assert.equal(budgetsOf(all).length, 6);
  assert.deepEqual(missed(all), []);
});

test("mirror bench names the budget that is missed, and by how much", () => {
  const cases: readonly (readonly [Partial<Result>, RegExp])[] = [
    [{ cpuSecondsPerGigabyte: 2.4 }, /^MISSED CPU, 1 KiB.*2\.40 s\/GB.*missed by 100 %.*2\.67 x.*missed by 113 %/],
    [{ memoryMiB: 300 }, /^MISSED memory.*missed by 100 %/],
    [{ megabytesPerSecond: 77 }, /^MISSED rate against MirrorMaker 2, 1 KiB.*1\.9\dx?.*missed by 4 %/],
    [{ latency: { p50Ms: 4.5, p99Ms: 10, records: 1 } }, /^MISSED p50.*missed by 50 %/],
    [{ latency: { p50Ms: 1, p99Ms: 30, records: 1 } }, /^MISSED p99.*missed by 50 %/],
  ];
  for (const [figures, wanted] of cases) {
    const [budget, ...more] = missed([measuredWith(figures)]);
    assert.ok(budget !== undefined && more.length === 0 && !isKept(budget), wanted.source);
    assert.match(budgetLine(budget), wanted);
  }
});

test("mirror bench shows a bound that is missed although the bare loop does no better", () => {
  const bare = resultOf("relay", { cpuSecondsPerGigabyte: 2, megabytesPerSecond: 75 });
  const of = measuredWith({ cpuSecondsPerGigabyte: 2.4, megabytesPerSecond: 70 });
  const measured = { ...of, results: of.results.map((one) => (one.contender === "relay" ? bare : one)) };
  assert.deepEqual(missed([measured]), []);
  const lines = budgetsOf([measured]).map(budgetLine);
  assert.ok(
    lines.some((line) => /^kept {3}CPU.*2\.40 s\/GB \(<= 1\.20, missed by 100 %\); or of the bare.*1\.20 x/.test(line)),
  );
  assert.ok(
    lines.some((line) => /^kept {3}rate.*1\.75 x \(>= 2\.00, missed by 13 %\); or of the bare.*0\.93 x/.test(line)),
  );
});

test("mirror bench names a mirror that failed in its table", () => {
  const measured = { ...measuredWith({}), failures: [{ contender: "mm2-shipped" as const, error: "warm-up: gone" }] };
  assert.match(reportText([measured]), /MirrorMaker 2 as shipped\s+failed/);
});

test("mirror bench counts the steady part of a round, and offsets of markers as no records", () => {
  const marks = [0, 10, 60, 110, 200, 220].map((records, i) => ({ records, atMs: i * 1_000, cpuSeconds: i }));
  const steady = steadyStretch(marks, { records: 110, recordBytes: 1e9, isStepped: false });
  assert.deepEqual(steady, { gigabytes: 80, seconds: 3, cpuSeconds: 3 });
  const whole = steadyStretch(marks, { records: 110, recordBytes: 1e9, isStepped: true });
  assert.deepEqual(whole, { gigabytes: 110, seconds: 5, cpuSeconds: 5 });
});

test("mirror bench asks of history mode only what is promised for it", () => {
  const measured = { ...measuredWith({ cpuSecondsPerGigabyte: 9 }), shape: { ...shape, age: "history" as const } };
  assert.deepEqual(missed([measured]), []);
});

test("mirror bench measures all sizes, codecs, partitions and both ages", () => {
  const names = fullCases().map(({ name }) => name);
  assert.equal(new Set(names).size, 3 * 3 * 2 + 4);
  assert.ok(quickCases().some(({ age }) => age === "history"));
});

test("mirror bench makes batches of the size that a stock producer makes", () => {
  for (const one of [...fullCases(), ...quickCases()]) {
    const { batches, recordsPerBatch } = dataOf(one);
    const largest = Math.max(...batches.map(({ length }) => length));
    assert.ok(largest <= 17 * 1024 || recordsPerBatch === 1, `${one.name}: ${largest} bytes`);
    assert.ok(largest > 12 * 1024, `${one.name}: ${largest} bytes`);
  }
});

test("mirror bench tunes MirrorMaker 2 where it says so, and leaves it alone where it says that", () => {
  const job = { topics: ["t", "u"], codec: "lz4" };
  const shipped = Object.keys(mirrorMakerProperties("mm2-shipped", "a", job));
  assert.deepEqual(
    shipped.filter((name) => !/timeout/.test(name)),
    ["topics", "groups"],
  );
  assert.equal(mirrorMakerProperties("mm2-tuned", "a", job)["target.producer.compression.type"], "lz4");
  const eos = mirrorMakerProperties("mm2-shipped-eos", "a", job);
  assert.equal(eos["target.exactly.once.source.support"], "enabled");
});

test("mirror bench renders a table with ratios to its own figure", () => {
  const all = [measuredWith({})];
  assert.match(reportText(all), /MirrorMaker 2 tuned\s+40\.0 \(0\.40x\)\s+10\.0 \(10\.0x\)/);
  const markdown = reportMarkdown(all, { cpus: 2, cpuModel: "some", rounds: 3, seconds: 300, command: "bench" });
  assert.match(markdown, /\| Tributary, exactly once \| 100 \| 1\.00 \| 1\.50 \| 120 \| 2\.00 \/ 10\.0 \|/);
  assert.deepEqual(latencyOf([3, 1, 2]), { p50Ms: 2, p99Ms: 3, records: 3 });
});

test("mirror bench options name a mistake as such", () => {
  assert.equal(parseOptions(["--help"]), undefined);
  assert.equal(parseOptions(["--quick"])?.minutes, 4.5);
  assert.deepEqual(parseOptions(["--case", "64 KiB, zstd, 1 p", "--mirrors", "relay"])?.cases[0]?.contenders, [
    "relay",
  ]);
  const wrong = [
    ["--case", "x"],
    ["--mirrors", "x"],
    ["--rounds", "0"],
    ["--minutes", "-1"],
    ["--round-mib", "x"],
    ["-o", "xml"],
    ["--what"],
  ];
  for (const args of wrong) assert.throws(() => parseOptions(args), UsageError, args.join(" "));
});
