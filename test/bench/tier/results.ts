/** Medians over rounds, and what the project promises about them. */

import { median } from "../measure.ts";
import type { ContenderName } from "./contenders.ts";
import type { RoundCost } from "./part.ts";

/** Where the bytes go. */
export type StoreName = "MinIO" | "file://";

/** What one contender did in all rounds. */
export interface Result {
  readonly store: StoreName;
  readonly contender: ContenderName;
  readonly rounds: readonly RoundCost[];
}

/** One line of the table. */
export interface Figures {
  readonly megabytesPerSecond: number;
  readonly cpuSecondsPerGigabyte: number;
  readonly requestsPerGigabyte: number;
  readonly memoryMiB: number;
  /** Of single fetches. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
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

const MEGABYTE = 1_000_000;
const GIGABYTE = 1_000_000_000;
const MIB = 1024 * 1024;
/** Of the rate of the SDK's own upload: the rest is for reading all of it back. */
const OFFLOAD_RATIO_MIN = 0.7;
const LOCAL_MEGABYTES_PER_SECOND_MIN = 200;
const MEMORY_MIB_MAX = 200;

/** The medians. */
export function figuresOf({ rounds }: Result): Figures {
  const of = (pick: (round: RoundCost) => number): number => median(rounds.map(pick));
  const fetches = rounds.flatMap(({ fetchesMs }) => fetchesMs).sort((a, b) => a - b);
  return {
    megabytesPerSecond: of(({ bytes, wallSeconds }) => bytes / MEGABYTE / wallSeconds),
    cpuSecondsPerGigabyte: of(({ bytes, cpuSeconds }) => (cpuSeconds * GIGABYTE) / bytes),
    requestsPerGigabyte: of(({ bytes, requests }) => (requests * GIGABYTE) / bytes),
    memoryMiB: Math.max(...rounds.map(({ peakBytes }) => peakBytes)) / MIB,
    p50Ms: fetches[Math.floor(fetches.length / 2)],
    p99Ms: fetches[Math.floor(fetches.length * 0.99)],
  };
}

/** Every budget that these results can tell about. */
export function budgetsOf(results: readonly Result[]): readonly Budget[] {
  const find = (store: StoreName, contender: ContenderName): Result | undefined =>
    results.find((result) => result.store === store && result.contender === contender);
  const budgets: Budget[] = [];
  const [ours, sdk] = [find("MinIO", "offload"), find("MinIO", "sdk-upload")];
  if (ours !== undefined && sdk !== undefined)
    budgets.push({
      what: "offload to MinIO against the SDK's upload in the same round",
      measured: ratioOf(ours, sdk),
      limit: OFFLOAD_RATIO_MIN,
      unit: "x",
      sense: "least",
    });
  const back = find("MinIO", "restore");
  const local = find("file://", "offload");
  if (local !== undefined)
    budgets.push({
      what: "offload to a directory",
      measured: figuresOf(local).megabytesPerSecond,
      limit: LOCAL_MEGABYTES_PER_SECOND_MIN,
      unit: "MB/s",
      sense: "least",
    });
  for (const result of [ours, local, back, find("file://", "restore")]) {
    if (result === undefined) continue;
    const what = `memory of the ${result.contender}, ${result.store}`;
    budgets.push({ what, measured: figuresOf(result).memoryMiB, limit: MEMORY_MIB_MAX, unit: "MiB", sense: "most" });
  }
  return budgets;
}

/** The median of the ratios of rates, round by round: whatever slows a round down slows both. */
function ratioOf(ours: Result, peer: Result): number {
  const ratios = ours.rounds.flatMap(({ bytes, wallSeconds }, at) => {
    const other = peer.rounds[at];
    return other === undefined ? [] : [bytes / wallSeconds / (other.bytes / other.wallSeconds)];
  });
  return median(ratios);
}

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

/** Three digits that mean something. */
export function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
