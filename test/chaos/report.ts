/** The verdict on a run, and the run as text or as JSON. */

import { KINDS } from "./check.ts";
import { type Spread, spreadOf } from "./moving.ts";
import type { ChaosResult } from "./run.ts";

/** What the project promises: moving again this soon after a worker was killed. */
export const MOVING_AGAIN_MS_MAX = 2_000;

/** Times after kills of both workers at once; with all brokers there, and without. */
export interface MovingFigures {
  readonly calm: Spread | undefined;
  readonly brokerAway: Spread | undefined;
}

/** A kill of one of two workers says nothing: the other one moves on. */
export function movingFigures({ kills }: ChaosResult): MovingFigures {
  const timesOf = (away: boolean): readonly number[] =>
    kills.flatMap(({ workers, brokerAway, firstMs }) =>
      workers.length > 1 && brokerAway === away && firstMs !== undefined ? [firstMs] : [],
    );
  return { calm: spreadOf(timesOf(false)), brokerAway: spreadOf(timesOf(true)) };
}

/** Every reason why the run does not hold; none is a pass. */
export function failuresOf(result: ChaosResult): readonly string[] {
  const { findings, troubles, kills } = result;
  const wrong = KINDS.flatMap((kind) => (findings.counts[kind] === 0 ? [] : [`${findings.counts[kind]} ${kind}`]));
  const idle = [
    ...(findings.mirrored === 0 ? ["nothing was mirrored"] : []),
    ...(findings.mirroredOld === 0 ? ["no record of 2001 was mirrored"] : []),
    ...(kills.length === 0 ? ["no worker was killed"] : []),
  ];
  const worstMs = movingFigures(result).calm?.worstMs ?? 0;
  const slow =
    worstMs > MOVING_AGAIN_MS_MAX ? [`moving again took ${worstMs} ms, more than ${MOVING_AGAIN_MS_MAX}`] : [];
  return [...wrong, ...idle, ...slow, ...troubles];
}

/** The run for people. */
export function reportText(result: ChaosResult): string {
  const { findings, kills, sent } = result;
  const { counts } = findings;
  const { calm, brokerAway } = movingFigures(result);
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
    ["moving again after both were killed", spread(calm)],
    ["... while a broker was away", spread(brokerAway)],
  ];
  const width = Math.max(...rows.map(([what]) => what.length));
  const table = rows.map(([what, value]) => `${what.padEnd(width)}  ${value}`);
  const details = findings.details.map((detail) => `  ${detail}`);
  const verdict = failures.length === 0 ? "PASS" : `FAIL: ${failures.join("; ")}`;
  return [...table, ...details, verdict].join("\n");
}

/** The run for programs; snake case, as everywhere. */
export function reportJson(result: ChaosResult): object {
  const { findings, sent } = result;
  const { calm, brokerAway } = movingFigures(result);
  return {
    seed: result.seed,
    seconds: Math.round(result.seconds),
    sent,
    mirrored: findings.mirrored,
    mirrored_of_2001: findings.mirroredOld,
    ...findings.counts,
    offsets_checked: findings.offsetsChecked,
    kills: result.kills.map(({ atMs, workers, brokerAway: away, firstMs }) => ({
      at_ms: atMs,
      workers,
      broker_away: away,
      moving_again_ms: firstMs ?? null,
    })),
    freezes: result.freezes,
    bounces: result.bounces,
    moving_again: spreadJson(calm),
    moving_again_broker_away: spreadJson(brokerAway),
    details: findings.details,
    failures: failuresOf(result),
  };
}

function spreadJson(spread: Spread | undefined): object | null {
  if (spread === undefined) return null;
  return { count: spread.count, median_ms: spread.medianMs, p99_ms: spread.p99Ms, worst_ms: spread.worstMs };
}

function spread(spread: Spread | undefined): string {
  if (spread === undefined) return "no such kill";
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;
  return `median ${seconds(spread.medianMs)}, p99 ${seconds(spread.p99Ms)}, worst ${seconds(spread.worstMs)} (${spread.count})`;
}

function list(values: readonly number[]): string {
  return values.map(number).join(" / ");
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}
