/** What the project promises beside MirrorMaker 2, as checks on results. */

import type { Case } from "./cases.ts";
import type { ContenderName } from "./contenders.ts";
import type { Result } from "./rounds.ts";

/** A case and what all mirrors did on it. */
export interface Measured {
  readonly shape: Case;
  readonly results: readonly Result[];
}

/** One promise, and what was measured. */
export interface Budget {
  readonly what: string;
  readonly measured: number;
  readonly limit: number;
  readonly unit: string;
  /** `most`: the measured value may not be above the limit; `least`: not below. */
  readonly sense: "most" | "least";
}

/** CPU seconds per GB of live data with exactly once on, by record size. */
const CPU_MAX: Readonly<Record<number, number>> = { 1024: 1.2, 100: 1.5 };
/** Times MirrorMaker 2's rate, tuned; with its exactly-once on too. */
const RATE_MIN = 2;
const RATE_MIN_EOS = 2.5;
const RATE_MIN_SMALL = 3;
const MEMORY_MIB_MAX = 150;
const P50_MS_MAX = 3;

/** Whether a budget is kept. */
export function isKept({ measured, limit, sense }: Budget): boolean {
  return sense === "most" ? measured <= limit : measured >= limit;
}

/** One line about a budget: what, how much, and by how much it is missed. */
export function budgetLine(budget: Budget): string {
  const { what, measured, limit, unit, sense } = budget;
  const bound = `${sense === "most" ? "<=" : ">="} ${number(limit)} ${unit}`;
  const missed = isKept(budget) ? "" : `, missed by ${(Math.abs(measured / limit - 1) * 100).toFixed(0)} %`;
  return `${isKept(budget) ? "kept  " : "MISSED"} ${what}: ${number(measured)} ${unit} (${bound}${missed})`;
}

/** Every budget that these measurements can tell about. */
export function budgetsOf(all: readonly Measured[]): readonly Budget[] {
  return all.flatMap(({ shape, results }) => {
    const of = (name: ContenderName): Result | undefined => results.find(({ contender }) => contender === name);
    const ours = of("tributary");
    if (ours === undefined) return [];
    const memory = most(`memory, ${shape.name}`, ours.memoryMiB, { limit: MEMORY_MIB_MAX, unit: "MiB" });
    if (shape.age === "history") return [memory];
    return [...cpu(shape, ours), memory, ...rates(shape, ours, of), ...latencies(shape, ours, results)];
  });
}

function cpu({ name, recordBytes, codec }: Case, ours: Result): readonly Budget[] {
  const limit = CPU_MAX[recordBytes];
  if (limit === undefined || codec !== 0) return [];
  return [most(`CPU, ${name}`, ours.cpuSecondsPerGigabyte, { limit, unit: "s/GB" })];
}

function rates(
  { name, recordBytes }: Case,
  ours: Result,
  of: (name: ContenderName) => Result | undefined,
): readonly Budget[] {
  const best = Math.max(...(["mm2-tuned", "mm2-shipped"] as const).map((one) => of(one)?.megabytesPerSecond ?? 0));
  const bestEos = Math.max(
    ...(["mm2-tuned-eos", "mm2-shipped-eos"] as const).map((one) => of(one)?.megabytesPerSecond ?? 0),
  );
  const limit = recordBytes < 1_000 ? RATE_MIN_SMALL : RATE_MIN;
  const against = (what: string, rate: number, times: number): readonly Budget[] =>
    rate === 0
      ? []
      : [least(`rate against ${what}, ${name}`, ours.megabytesPerSecond / rate, { limit: times, unit: "x" })];
  return [
    ...against("MirrorMaker 2", best, limit),
    ...against("MirrorMaker 2 exactly once", bestEos, Math.max(limit, RATE_MIN_EOS)),
  ];
}

function latencies({ name }: Case, { latency }: Result, results: readonly Result[]): readonly Budget[] {
  if (latency === undefined) return [];
  const theirs = results.flatMap(({ contender, latency: one }) =>
    contender.startsWith("mm2") && one !== undefined ? [one.p99Ms] : [],
  );
  return [
    most(`p50 added latency, ${name}`, latency.p50Ms, { limit: P50_MS_MAX, unit: "ms" }),
    ...(theirs.length === 0
      ? []
      : [
          most(`p99 added latency against MirrorMaker 2, ${name}`, latency.p99Ms, {
            limit: Math.min(...theirs),
            unit: "ms",
          }),
        ]),
  ];
}

interface Bound {
  readonly limit: number;
  readonly unit: string;
}

function most(what: string, measured: number, bound: Bound): Budget {
  return { what, measured, sense: "most", ...bound };
}

function least(what: string, measured: number, bound: Bound): Budget {
  return { what, measured, sense: "least", ...bound };
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
