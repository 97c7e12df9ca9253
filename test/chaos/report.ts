/** The verdict on a run, and the run as text or as JSON. */

import { KINDS } from "./check.ts";
import { carriedMs, firstOf, isLate, type Kill, MOVING_AGAIN_MS_MAX, type Spread, spreadOf } from "./moving.ts";
import type { ChaosResult } from "./run.ts";
import { startMs, storyOf } from "./worker-log.ts";

/** Times from a kill to moving again. */
export interface MovingFigures {
  /** With all brokers there, after both workers were killed: until the first lane moved, and for each lane. */
  readonly first: Spread | undefined;
  readonly bothKilled: Spread | undefined;
  /** For each lane after one of two workers was killed: the other one, or the new process, moves it. */
  readonly oneKilled: Spread | undefined;
  /** For each lane after any kill with all brokers there, from when the source let its first new record be read. */
  readonly carried: Spread | undefined;
  /** For each lane after any kill while a broker of the target was away. */
  readonly brokerAway: Spread | undefined;
  /** From a kill until the new process had reached both clusters. */
  readonly start: Spread | undefined;
}

/** A lane that took longer than is promised. */
interface Late {
  readonly kill: Kill;
  readonly partition: number;
  readonly ms: number;
}

/** See `MovingFigures`. */
export function movingFigures({ kills, said, startedMs }: ChaosResult): MovingFigures {
  const calm = kills.filter(({ brokerAway }) => !brokerAway);
  const both = calm.filter(({ workers }) => workers.length > 1);
  const starts = kills.flatMap(({ atMs, workers }, index) => {
    const untilMs = startedMs + (kills[index + 1]?.atMs ?? Number.POSITIVE_INFINITY);
    return workers.map((worker) => startMs(said, worker, startedMs + atMs, untilMs));
  });
  return {
    first: spreadOf(defined(both.map(firstOf))),
    bothKilled: spreadOf(lanesOf(both)),
    oneKilled: spreadOf(lanesOf(calm.filter(({ workers }) => workers.length === 1))),
    carried: spreadOf(defined(calm.flatMap(carriedMs))),
    brokerAway: spreadOf(lanesOf(kills.filter(({ brokerAway }) => brokerAway))),
    start: spreadOf(defined(starts)),
  };
}

function lanesOf(kills: readonly Kill[]): readonly number[] {
  return defined(kills.flatMap(({ lanesMs }) => lanesMs));
}

function defined(times: readonly (number | undefined)[]): readonly number[] {
  return times.filter((ms) => ms !== undefined);
}

function lateOf({ kills }: ChaosResult): readonly Late[] {
  return kills
    .filter(({ brokerAway }) => !brokerAway)
    .flatMap((kill) => kill.lanesMs.map((ms = 0, partition) => ({ kill, partition, ms })))
    .filter(({ kill, partition }) => isLate(kill, partition));
}

/** What each late lane waited for, in the words of the workers. */
function lateStories(result: ChaosResult): readonly string[] {
  return lateOf(result).map(({ kill: { atMs, workers, sourceMs }, partition, ms }) => {
    const fromMs = result.startedMs + atMs;
    const story = storyOf(result.said, partition, fromMs, fromMs + ms);
    const readable = `readable on the source after ${sourceMs[partition] ?? ms} ms`;
    return `late: lane ${partition} moved ${ms} ms after ${workers.join(" and ")} at ${atMs} ms, ${readable}: ${story}`;
  });
}

/** Every reason why the run does not hold; none is a pass. */
export function failuresOf(result: ChaosResult): readonly string[] {
  const { findings, troubles, kills } = result;
  const wrong = KINDS.flatMap((kind) => (findings.counts[kind] === 0 ? [] : [`${findings.counts[kind]} ${kind}`]));
  const idle = [
    ...(findings.mirrored === 0 ? ["nothing was mirrored"] : []),
    ...(findings.mirroredOld === 0 ? ["no record of 2001 was mirrored"] : []),
    ...(kills.length === 0 ? ["no worker was killed"] : []),
    ...(movingFigures(result).bothKilled === undefined ? ["no kill tells how soon lanes move again"] : []),
  ];
  const late = lateOf(result);
  const worstMs = late.reduce((worst, { ms }) => Math.max(worst, ms), 0);
  const slow =
    late.length === 0
      ? []
      : [`${late.length} times a lane took longer than ${MOVING_AGAIN_MS_MAX} ms, up to ${worstMs}`];
  return [...wrong, ...idle, ...slow, ...troubles];
}

/** The run for people. */
export function reportText(result: ChaosResult): string {
  const { findings, kills, sent } = result;
  const { counts } = findings;
  const figures = movingFigures(result);
  const both = kills.filter(({ workers }) => workers.length > 1).length;
  const failures = failuresOf(result);
  const rows: readonly (readonly [string, string])[] = [
    ["seed", String(result.seed)],
    ["records acknowledged / aborted / unknown", list([sent.acknowledged, sent.aborted, sent.unknown])],
    ["mirrored, compared by kcat; of 2001", list([findings.mirrored, findings.mirroredOld])],
    [
      "lost / duplicated / reordered / mutated",
      list([counts.lost, counts.duplicated, counts.reordered, counts.mutated]),
    ],
    ["not of the source (aborted ones too)", number(counts.foreign)],
    ["offsets translated both ways / wrong", list([findings.offsetsChecked, counts.offset])],
    ["SIGKILLs: of both workers / of one; frozen", list([both, kills.length - both, result.freezes])],
    ["brokers of the target bounced", number(result.bounces)],
    ["both killed: the first lane moves again after", spread(figures.first)],
    ["... each lane", spread(figures.bothKilled)],
    ["one killed: each lane moves again after", spread(figures.oneKilled)],
    ["... since the source let it be read", spread(figures.carried)],
    ["any killed while a broker was away: each lane", spread(figures.brokerAway)],
    ["of it, until the new process reached both sides", spread(figures.start)],
  ];
  const width = Math.max(...rows.map(([what]) => what.length));
  const table = rows.map(([what, value]) => `${what.padEnd(width)}  ${value}`);
  const details = [...findings.details, ...lateStories(result)].map((detail) => `  ${detail}`);
  const verdict = failures.length === 0 ? "PASS" : `FAIL: ${failures.join("; ")}`;
  return [...table, ...details, verdict].join("\n");
}

/** The run for programs; snake case, as everywhere. */
export function reportJson(result: ChaosResult): object {
  const { findings, sent } = result;
  const figures = movingFigures(result);
  return {
    seed: result.seed,
    seconds: Math.round(result.seconds),
    sent,
    mirrored: findings.mirrored,
    mirrored_of_2001: findings.mirroredOld,
    ...findings.counts,
    offsets_checked: findings.offsetsChecked,
    kills: result.kills.map(({ atMs, workers, brokerAway, lanesMs, sourceMs }) => ({
      at_ms: atMs,
      workers,
      broker_away: brokerAway,
      lanes_moving_again_ms: lanesMs.map((ms) => ms ?? null),
      lanes_readable_ms: sourceMs.map((ms) => ms ?? null),
    })),
    freezes: result.freezes,
    bounces: result.bounces,
    moving_again: {
      both_killed_first_lane: spreadJson(figures.first),
      both_killed: spreadJson(figures.bothKilled),
      one_killed: spreadJson(figures.oneKilled),
      since_readable: spreadJson(figures.carried),
      broker_away: spreadJson(figures.brokerAway),
      process_start: spreadJson(figures.start),
    },
    details: [...findings.details, ...lateStories(result)],
    failures: failuresOf(result),
  };
}

function spreadJson(spread: Spread | undefined): object | null {
  if (spread === undefined) return null;
  return {
    count: spread.count,
    median_ms: spread.medianMs,
    p90_ms: spread.p90Ms,
    p99_ms: spread.p99Ms,
    worst_ms: spread.worstMs,
  };
}

function spread(spread: Spread | undefined): string {
  if (spread === undefined) return "no such kill";
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;
  return `median ${seconds(spread.medianMs)}, p90 ${seconds(spread.p90Ms)}, worst ${seconds(spread.worstMs)} (${spread.count})`;
}

function list(values: readonly number[]): string {
  return values.map(number).join(" / ");
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}
