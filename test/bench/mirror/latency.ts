/** Added latency at 1,000 records a second: the time between a reader of the source and a reader of the target for the same
 *  record, both in one process, which writes the records too. */

import { fork } from "node:child_process";
import { join } from "node:path";
import type { Side } from "./brokers.ts";

/** Records of a probe that do not count: connections, compilers and caches get warm. */
export const PROBE_WARM_UP_RECORDS = 2_000;
/** Records of a probe that count: six seconds. */
export const PROBE_MEASURED_RECORDS = 6_000;
/** All that a probe writes. */
export const PROBE_RECORDS = PROBE_WARM_UP_RECORDS + PROBE_MEASURED_RECORDS;

/** In milliseconds. */
export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly records: number;
}

/** What the probe works on; everything goes through partition 0. */
export interface Ends {
  readonly source: Side;
  readonly target: Side;
  readonly topic: string;
  readonly targetTopic: string;
}

/** Answer of the probe: one time per record. */
export interface ProbeAnswer {
  readonly addedMs: readonly number[];
}

/** Lets the probe run once. */
export async function measureLatency({ source, target, topic, targetTopic }: Ends): Promise<Latency> {
  const addresses = [source, target].map(({ kafka }) => kafka.bootstrap[0] ?? "");
  const child = fork(join(import.meta.dirname, "probe.ts"), [...addresses, topic, targetTopic]);
  const { addedMs } = await new Promise<ProbeAnswer>((resolve, reject) => {
    child.once("message", (answer) => resolve(answer as ProbeAnswer));
    child.once("exit", (code) => reject(new Error(`the latency probe ended with ${code}`)));
  });
  return latencyOf(addedMs);
}

/** Percentiles of the times. */
export function latencyOf(addedMs: readonly number[]): Latency {
  const sorted = [...addedMs].sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50Ms: at(0.5), p99Ms: at(0.99), records: sorted.length };
}
