/** How benchmarks measure: several rounds, medians, wall and CPU seconds side by side. */

/** One round's cost. */
export interface Cost {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

/** Rounds of one measurement; odd, so that the median is a round that happened. */
export const ROUNDS = 5;

/** Runs `work` once and measures this process. */
export async function costOf(work: () => unknown): Promise<Cost> {
  const startCpu = process.cpuUsage();
  const startMs = performance.now();
  await work();
  const cpu = process.cpuUsage(startCpu);
  return { wallSeconds: (performance.now() - startMs) / 1_000, cpuSeconds: (cpu.user + cpu.system) / 1_000_000 };
}

/** The median of several rounds, after one that only warms up. */
export async function medianCost(work: () => void | Promise<void>, rounds = ROUNDS): Promise<Cost> {
  await work();
  const costs: Cost[] = [];
  for (let i = 0; i < rounds; i++) costs.push(await costOf(work));
  return {
    wallSeconds: median(costs.map((cost) => cost.wallSeconds)),
    cpuSeconds: median(costs.map((cost) => cost.cpuSeconds)),
  };
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** One printed line. */
export interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** The same measurement of a peer in the same run. */
  readonly peer?: { readonly name: string; readonly value: number };
  /** What the project promises, as text. */
  readonly budget?: string;
}

/** Prints rows as a table, with the ratio to the peer where there is one. */
export function printRows(title: string, rows: readonly Row[]): void {
  console.log(`\n${title}`);
  for (const { what, value, unit, peer, budget } of rows) {
    const ratio =
      peer === undefined
        ? ""
        : `  ${peer.name} ${format(peer.value)} ${unit}  ratio ${(value / peer.value).toFixed(2)}`;
    console.log(
      `  ${what.padEnd(46)} ${format(value).padStart(10)} ${unit.padEnd(12)}${ratio}${budget === undefined ? "" : `  budget ${budget}`}`,
    );
  }
}

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(2) : value.toPrecision(3);
}
