/** Results as a table of text, as markdown for the README, and as JSON. */

import { TITLES } from "./contenders.ts";
import { budgetLine, budgetsOf, figuresOf, isKept, number, type Result } from "./results.ts";

/** What the figures were measured with. */
export interface Setting {
  readonly cpus: number;
  readonly cpuModel: string;
  readonly rounds: number;
  readonly roundMiB: number;
}

const COLUMNS = ["store", "", "MB/s", "CPU s/GB", "requests/GB", "RSS MiB", "p50 / p99 ms"] as const;

function rowOf(result: Result): readonly string[] {
  const { megabytesPerSecond, cpuSecondsPerGigabyte, requestsPerGigabyte, memoryMiB, p50Ms, p99Ms } = figuresOf(result);
  const latency = p50Ms === undefined || p99Ms === undefined ? "" : `${number(p50Ms)} / ${number(p99Ms)}`;
  const requests = result.store === "file://" ? "" : number(requestsPerGigabyte);
  const { store, contender } = result;
  return [
    store,
    TITLES[contender],
    number(megabytesPerSecond),
    number(cpuSecondsPerGigabyte),
    requests,
    number(memoryMiB),
    latency,
  ];
}

/** For a terminal. */
export function reportText(results: readonly Result[]): string {
  const rows = [COLUMNS.map(String), ...results.map(rowOf)];
  const widths = COLUMNS.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return [...lines, "", ...budgetsOf(results).map(budgetLine)].join("\n");
}

/** For the README. */
export function reportMarkdown(results: readonly Result[], setting: Setting): string {
  const head = `| ${COLUMNS.join(" | ")} |`;
  const rows = results.map((result) => `| ${rowOf(result).join(" | ")} |`);
  const { cpus, cpuModel, rounds, roundMiB } = setting;
  const how = `Medians of ${rounds} rounds of ${roundMiB} MiB after a warm-up; ${cpus} CPUs (${cpuModel}), shared with the store; CPU and memory are those of the client's process.`;
  return [head, `|---|---|${"--:|".repeat(COLUMNS.length - 2)}`, ...rows, "", how].join("\n");
}

/** For programs. */
export function reportJson(results: readonly Result[], setting: Setting): object {
  return {
    setting: {
      cpus: setting.cpus,
      cpu_model: setting.cpuModel,
      rounds: setting.rounds,
      round_mib: setting.roundMiB,
    },
    results: results.map((result) => {
      const figures = figuresOf(result);
      return {
        store: result.store,
        contender: result.contender,
        mb_per_second: figures.megabytesPerSecond,
        cpu_seconds_per_gb: figures.cpuSecondsPerGigabyte,
        requests_per_gb: figures.requestsPerGigabyte,
        rss_mib: figures.memoryMiB,
        fetch_p50_ms: figures.p50Ms ?? null,
        fetch_p99_ms: figures.p99Ms ?? null,
      };
    }),
    budgets: budgetsOf(results).map((budget) => ({ ...budget, kept: isKept(budget) })),
  };
}
