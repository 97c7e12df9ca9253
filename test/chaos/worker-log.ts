/** What the workers said, to tell what a lane waited for. */

import type { Worker } from "./faults.ts";

/** One line of a worker's log. */
export interface Said {
  readonly worker: Worker;
  /** As `Date.now()`. */
  readonly atMs: number;
  /** Of the lane; undefined where it is not about one. */
  readonly partition: number | undefined;
  readonly what: string;
}

/** The message of a process that has reached both clusters. */
const RUNS = "flow runs";

/** The lines of one worker's log; what is no JSON is talk. */
export function saidIn(worker: Worker, log: string): readonly Said[] {
  return log.split("\n").flatMap((line) => {
    if (!line.startsWith("{")) return [];
    const { time, partition, message, code, why } = JSON.parse(line) as Readonly<Record<string, unknown>>;
    const facts = [code, why].filter((fact) => fact !== undefined);
    const what = `${message}${facts.length === 0 ? "" : ` (${facts.join(": ")})`}`;
    const at = typeof partition === "number" ? partition : undefined;
    return [{ worker, atMs: Date.parse(String(time)), partition: at, what }];
  });
}

/** Enough to see what was waited for. */
const LINES_MAX = 12;

/** What was said of a lane between two times, each with its time after the first. */
export function storyOf(said: readonly Said[], partition: number, fromMs: number, toMs: number): string {
  const lines = said
    .filter(({ atMs }) => atMs >= fromMs && atMs <= toMs)
    .filter((one) => one.partition === partition || one.what === RUNS)
    .toSorted((a, b) => a.atMs - b.atMs)
    .map(({ worker, atMs, what }) => `${worker} +${((atMs - fromMs) / 1_000).toFixed(2)} ${what}`);
  return lines.length === 0 ? "nothing was said" : lines.slice(0, LINES_MAX).join(", ");
}

/** How long after a kill the new process of a worker had reached both clusters; undefined when it was killed before. */
export function startMs(said: readonly Said[], worker: Worker, killedMs: number, untilMs: number): number | undefined {
  const first = said.find((one) => one.worker === worker && one.what === RUNS && one.atMs > killedMs);
  return first === undefined || first.atMs > untilMs ? undefined : first.atMs - killedMs;
}
