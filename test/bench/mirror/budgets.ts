/** What the project promises beside MirrorMaker 2, as checks on results. */

import type { Case } from "./cases.ts";
import type { ContenderName } from "./contenders.ts";
import type { Outcome, Result } from "./rounds.ts";

/** A case and what all mirrors did on it. */
export interface Measured extends Outcome {
  readonly shape: Case;
}

/** One bound, and what was measured. */
export interface Bound {
  readonly what: string;
  readonly measured: number;
  readonly limit: number;
  readonly unit: string;
  /** `most`: the measured value may not be above the limit; `least`: not below. */
  readonly sense: "most" | "least";
}

/** One promise: kept when one of its bounds is. The first is what is aimed at; the second allows for the machine: figures that the bare
 *  loop of the same runtime, over the same brokers, does not reach either. */
export interface Budget {
  readonly what: string;
  readonly bounds: readonly Bound[];
}

/** CPU seconds per GB of live data with exactly once on, by record size. */
const CPU_MAX: Readonly<Record<number, number>> = { 1024: 1.2, 100: 1.5 };
/** Times the bare loop's CPU: what plans, stamps, derived checksums, offset maps and stored progress may cost on top of the requests. */
const CPU_OF_BARE_MAX = 1.25;
/** Times MirrorMaker 2's rate, tuned; with its exactly-once on too. */
const RATE_MIN = 2;
const RATE_MIN_EOS = 2.5;
const RATE_MIN_SMALL = 3;
/** Times the bare loop's rate: where the brokers are the limit nobody is faster than that. */
const RATE_OF_BARE_MIN = 0.9;
const MEMORY_MIB_MAX = 150;
const P50_MS_MAX = 3;

/** Whether a bound is kept. */
export function isWithin({ measured, limit, sense }: Bound): boolean {
  return sense === "most" ? measured <= limit : measured >= limit;
}

/** Whether a budget is kept. */
export function isKept({ bounds }: Budget): boolean {
  return bounds.some(isWithin);
}

/** One line about a budget: what, and each bound with how much was measured, and by how much it is missed. */
export function budgetLine(budget: Budget): string {
  const texts = budget.bounds.map((bound) => {
    const { what, measured, limit, unit, sense } = bound;
    const missed = isWithin(bound) ? "" : `, missed by ${(Math.abs(measured / limit - 1) * 100).toFixed(0)} %`;
    return `${what}${number(measured)} ${unit} (${sense === "most" ? "<=" : ">="} ${number(limit)}${missed})`;
  });
  return `${isKept(budget) ? "kept  " : "MISSED"} ${budget.what}: ${texts.join("; or ")}`;
}

type Find = (name: ContenderName) => Result | undefined;

/** Every budget that these measurements can tell about. */
export function budgetsOf(all: readonly Measured[]): readonly Budget[] {
  return all.flatMap(({ shape, results }) => {
    const of: Find = (name) => results.find(({ contender }) => contender === name);
    const ours = of("tributary");
    if (ours === undefined) return [];
    const memory = single(`memory, ${shape.name}`, most("", ours.memoryMiB, { limit: MEMORY_MIB_MAX, unit: "MiB" }));
    if (shape.age === "history") return [memory];
    return [...cpu(shape, ours, of("relay")), memory, ...rates(shape, ours, of), ...latencies(shape, ours, results)];
  });
}

function cpu({ name, recordBytes, codec }: Case, ours: Result, bare: Result | undefined): readonly Budget[] {
  const limit = codec === 0 ? CPU_MAX[recordBytes] : undefined;
  const own = ours.cpuSecondsPerGigabyte;
  const bounds = [
    ...(limit === undefined ? [] : [most("", own, { limit, unit: "s/GB" })]),
    ...(bare === undefined
      ? []
      : [most("of the bare loop's ", own / bare.cpuSecondsPerGigabyte, { limit: CPU_OF_BARE_MAX, unit: "x" })]),
  ];
  return bounds.length === 0 ? [] : [{ what: `CPU, ${name}`, bounds }];
}

function rates({ name, recordBytes }: Case, ours: Result, of: Find): readonly Budget[] {
  const rate = ours.megabytesPerSecond;
  const best = (names: readonly ContenderName[]): number =>
    Math.max(...names.map((one) => of(one)?.megabytesPerSecond ?? 0));
  const bare = best(["relay"]);
  const ofBare = bare === 0 ? [] : [least("of the bare loop's ", rate / bare, { limit: RATE_OF_BARE_MIN, unit: "x" })];
  const limit = recordBytes < 1_000 ? RATE_MIN_SMALL : RATE_MIN;
  const against = (what: string, theirs: number, times: number): readonly Budget[] =>
    theirs === 0
      ? []
      : [
          {
            what: `rate against ${what}, ${name}`,
            bounds: [least("", rate / theirs, { limit: times, unit: "x" }), ...ofBare],
          },
        ];
  return [
    ...against("MirrorMaker 2", best(["mm2-tuned", "mm2-shipped"]), limit),
    ...against("MirrorMaker 2 exactly once", best(["mm2-tuned-eos", "mm2-shipped-eos"]), Math.max(limit, RATE_MIN_EOS)),
  ];
}

function latencies({ name }: Case, { latency }: Result, results: readonly Result[]): readonly Budget[] {
  if (latency === undefined) return [];
  const theirs = results.flatMap(({ contender, latency: one }) =>
    contender.startsWith("mm2") && one !== undefined ? [one.p99Ms] : [],
  );
  const p50 = most("", latency.p50Ms, { limit: P50_MS_MAX, unit: "ms" });
  const p99 = most("", latency.p99Ms, { limit: Math.min(...theirs), unit: "ms" });
  return [
    single(`p50 added latency, ${name}`, p50),
    ...(theirs.length === 0 ? [] : [single(`p99 added latency against MirrorMaker 2, ${name}`, p99)]),
  ];
}

type Limit = Pick<Bound, "limit" | "unit">;

function single(what: string, bound: Bound): Budget {
  return { what, bounds: [bound] };
}

function most(what: string, measured: number, limit: Limit): Bound {
  return { what, measured, sense: "most", ...limit };
}

function least(what: string, measured: number, limit: Limit): Bound {
  return { what, measured, sense: "least", ...limit };
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
