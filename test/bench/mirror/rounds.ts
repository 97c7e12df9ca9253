/** Measures one mirror on one case: a warm-up, then rounds. While a round's data is written the mirror is frozen, so that it
 *  competes with nobody but the brokers afterwards; a round ends with the last movement of the target's stable end. */

import { setTimeout as delay } from "node:timers/promises";
import { median } from "../measure.ts";
import { dropTopic, makeTopic, type Side, stableEnd } from "./brokers.ts";
import type { Case } from "./cases.ts";
import { type Contender, type ContenderName, startContender } from "./contenders.ts";
import { type Data, fill } from "./data.ts";
import { type Latency, measureLatency } from "./latency.ts";
import { cpuSecondsOf, peakMemoryMiB } from "./processes.ts";

/** What one mirror did on one case; medians over the rounds. */
export interface Result {
  readonly contender: ContenderName;
  readonly rounds: number;
  /** Of record values, as all figures here. */
  readonly megabytesPerSecond: number;
  readonly cpuSecondsPerGigabyte: number;
  readonly memoryMiB: number;
  /** Added between a reader of the source and one of the target; undefined where not measured. */
  readonly latency: Latency | undefined;
}

/** Both ends, and how often to measure. */
export interface Bench {
  readonly source: Side;
  readonly target: Side;
  readonly rounds: number;
}

const CODEC_NAMES = { 0: "none", 3: "lz4", 4: "zstd" } as const;
const POLL_MS = 15;
/** Transactions end within this time of the last record; without any, nothing moves any more at once. */
const STILL_MS = 600;
/** MirrorMaker 2 takes up to a minute for its first record on a busy machine. */
const WARM_UP_TIMEOUT_MS = 180_000;
const ROUND_TIMEOUT_MS = 180_000;

let topics = 0;

/** Starts the mirror on a topic of its own, measures, and removes what it leaves. */
export async function measure(bench: Bench, shape: Case, data: Data, contender: ContenderName): Promise<Result> {
  const topic = `bench-${topics++}`;
  const { source, target } = bench;
  await makeTopic(source, topic, shape.partitions);
  const warm = await fill(source, topic, data, shape);
  const codec = CODEC_NAMES[shape.codec];
  await using mirror = await startContender(contender, { source, target, topic, partitions: shape.partitions, codec });
  try {
    await copied({ bench, shape, mirror }, warm, WARM_UP_TIMEOUT_MS);
    const costs: Round[] = [];
    for (let round = 0; round < bench.rounds; round++) {
      costs.push(await measureRound({ bench, shape, mirror }, () => fill(source, topic, data, shape)));
    }
    const memoryMiB = peakMemoryMiB(mirror.pid);
    const ends = { source, target, topic, targetTopic: mirror.targetTopic };
    const latency = shape.latency ? await measureLatency(ends) : undefined;
    const gigabytes = costs.map(({ records }) => (records * shape.recordBytes) / 1e9);
    return {
      contender,
      rounds: bench.rounds,
      megabytesPerSecond: median(costs.map(({ seconds }, index) => ((gigabytes[index] ?? 0) * 1_000) / seconds)),
      cpuSecondsPerGigabyte: median(costs.map(({ cpuSeconds }, index) => cpuSeconds / (gigabytes[index] ?? 0))),
      memoryMiB,
      latency,
    };
  } catch (error) {
    throw new Error(`${contender}, ${shape.name}: ${String(error)}\n${mirror.log().slice(-1_500)}`);
  } finally {
    await dropTopic(source, topic);
    await dropTopic(target, mirror.targetTopic);
  }
}

interface Running {
  readonly bench: Bench;
  readonly shape: Case;
  readonly mirror: Contender;
}

interface Round {
  readonly records: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

async function measureRound(running: Running, write: () => Promise<number>): Promise<Round> {
  const { bench, shape, mirror } = running;
  const before = await stableEnd(bench.target, mirror.targetTopic, shape.partitions);
  process.kill(mirror.pid, "SIGSTOP");
  const records = await write().finally(() => process.kill(mirror.pid, "SIGCONT"));
  const startCpu = cpuSecondsOf(mirror.pid);
  const startMs = performance.now();
  const done = await copied(running, Number(before) + records, ROUND_TIMEOUT_MS);
  return { records, seconds: (done.atMs - startMs) / 1_000, cpuSeconds: done.cpuSeconds - startCpu };
}

/** Waits until the stable end is at `end` at least and stands still; answers when it last moved, and the CPU used by then. */
async function copied(
  { bench, shape, mirror }: Running,
  end: number,
  timeoutMs: number,
): Promise<{ readonly atMs: number; readonly cpuSeconds: number }> {
  const deadline = performance.now() + timeoutMs;
  let last = { end: -1, atMs: performance.now(), cpuSeconds: 0 };
  for (;;) {
    const now = Number(await stableEnd(bench.target, mirror.targetTopic, shape.partitions));
    const atMs = performance.now();
    const cpuSeconds = cpuSecondsOf(mirror.pid);
    if (now !== last.end) last = { end: now, atMs, cpuSeconds };
    if (now >= end && atMs - last.atMs > STILL_MS) return last;
    if (atMs > deadline) throw new Error(`only ${now} of ${end} records were copied in ${timeoutMs / 1_000} s`);
    await delay(POLL_MS);
  }
}
