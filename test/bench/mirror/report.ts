/** Results as a table of text, as markdown for the README, and as JSON. */

import { type Budget, budgetLine, budgetsOf, isKept, type Measured } from "./budgets.ts";
import { TITLES } from "./contenders.ts";
import type { Result } from "./rounds.ts";

/** What the figures were measured with. */
export interface Setting {
  readonly cpus: number;
  readonly cpuModel: string;
  readonly rounds: number;
  readonly seconds: number;
  /** What was asked for, to be repeated. */
  readonly command: string;
}

const COLUMNS = ["", "MB/s", "CPU s/GB", "start CPU s", "RSS MiB", "p50 / p99 ms"] as const;

/** One case as rows of cells; with each figure of a peer the ratio to ours. */
function rowsOf({ results, failures }: Measured): readonly (readonly string[])[] {
  const ours = results.find(({ contender }) => contender === "tributary");
  const failed = failures
    .filter(({ contender }) => results.every((result) => result.contender !== contender))
    .map(({ contender }) => [TITLES[contender], "failed", ...COLUMNS.slice(2).map(() => "")]);
  const rows = results.map((result) => {
    const isOurs = result === ours || ours === undefined;
    const against = (own: number | undefined, theirs: number): string =>
      isOurs || own === undefined ? "" : ` (${number(theirs / own)}x)`;
    const { megabytesPerSecond: rate, cpuSecondsPerGigabyte: cpu, startCpuSeconds, memoryMiB } = result;
    return [
      TITLES[result.contender],
      `${number(rate)}${against(ours?.megabytesPerSecond, rate)}`,
      `${number(cpu)}${against(ours?.cpuSecondsPerGigabyte, cpu)}`,
      startCpuSeconds === undefined ? "" : number(startCpuSeconds),
      number(memoryMiB),
      latencyText(result),
    ];
  });
  return [...rows, ...failed];
}

function latencyText({ latency }: Result): string {
  return latency === undefined ? "" : `${number(latency.p50Ms)} / ${number(latency.p99Ms)}`;
}

/** For a terminal. */
export function reportText(all: readonly Measured[]): string {
  const blocks = all.map((measured) => {
    const rows = [COLUMNS.map(String), ...rowsOf(measured)];
    const widths = COLUMNS.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
    const lines = rows.map((row) =>
      `  ${row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join("  ")}`.trimEnd(),
    );
    return [measured.shape.name, ...lines].join("\n");
  });
  return [...blocks, budgetsOf(all).map(budgetLine).join("\n")].join("\n\n");
}

/** For the README. */
export function reportMarkdown(all: readonly Measured[], setting: Setting): string {
  const head = ["| case |", ...COLUMNS.slice(1).map((column) => ` ${column} |`)].join("");
  const rows = all.flatMap((measured) => [
    `| **${measured.shape.name}** |${" |".repeat(COLUMNS.length - 1)}`,
    ...rowsOf(measured).map((row) => `| ${row.join(" | ")} |`),
  ]);
  const { cpus, cpuModel, rounds, seconds, command } = setting;
  const how =
    `Medians of up to ${rounds} rounds, in which the mirrors took turns, after a warm-up; ${cpus} CPUs (${cpuModel}), shared by both ` +
    `brokers and the mirror; ${Math.round(seconds / 60)} minutes in all. In brackets: times Tributary's figure. Repeat with ` +
    `\`${command}\`.`;
  return [head, `|---|${"--:|".repeat(COLUMNS.length - 1)}`, ...rows, "", how].join("\n");
}

/** For programs. */
export function reportJson(all: readonly Measured[], setting: Setting): object {
  return {
    setting: {
      cpus: setting.cpus,
      cpu_model: setting.cpuModel,
      rounds: setting.rounds,
      seconds: Math.round(setting.seconds),
    },
    cases: all.map(({ shape, results, failures }) => ({
      case: shape.name,
      record_bytes: shape.recordBytes,
      codec: shape.codec,
      partitions: shape.partitions,
      age: shape.age,
      results: results.map((result) => ({
        mirror: result.contender,
        rounds: result.rounds,
        mb_per_second: result.megabytesPerSecond,
        cpu_seconds_per_gb: result.cpuSecondsPerGigabyte,
        start_cpu_seconds: result.startCpuSeconds ?? null,
        rss_mib: result.memoryMiB,
        added_latency_p50_ms: result.latency?.p50Ms ?? null,
        added_latency_p99_ms: result.latency?.p99Ms ?? null,
      })),
      failures: failures.map(({ contender, error }) => ({ mirror: contender, error })),
    })),
    budgets: budgetsOf(all).map((budget) => ({ ...budget, kept: isKept(budget) })),
  };
}

/** Budgets that are missed. */
export function missed(all: readonly Measured[]): readonly Budget[] {
  return budgetsOf(all).filter((budget) => !isKept(budget));
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
