/** Carries out one plan: safety phase, liveness phase, judgement. */

import { sleep } from "../../src/core/clock.ts";
import { toError } from "../../src/core/errors.ts";
import { judgeGroups } from "./group-oracle.ts";
import { isExplained, laneFacts, laneName, lanePlaces, laneViews } from "./lane-facts.ts";
import { type Mark, Marks } from "./marks.ts";
import type { Mutation } from "./mutant.ts";
import { type Finding, judgeLane } from "./oracle.ts";
import type { SimPlan } from "./plan.ts";
import { Trace } from "./trace.ts";
import { SimWorld } from "./world.ts";

/** After everything was healed, every record must have arrived within this virtual time. */
const LIVENESS_MS = 60_000;
/** Then nothing may happen any more, for longer than any timeout or interval: a repeat that comes late must still be seen, and lanes must
 *  notice what an idle target lost. */
const QUIET_MS = 90_000;
/** Group sync may need a few rounds. */
const GROUP_ROUNDS_MAX = 20;
const GROUP_ROUND_MS = 1_000;

/** How a run ended. */
export interface SimResult {
  readonly seed: number;
  /** Empty when all is well. */
  readonly findings: readonly Finding[];
  readonly hash: string;
  readonly virtualMs: number;
  readonly records: number;
  readonly marks: Readonly<Partial<Record<Mark, number>>>;
}

/** Runs a plan. Never rejects: a crash is a finding. */
export async function runPlan(plan: SimPlan, mutation: Mutation = {}, trace = new Trace()): Promise<SimResult> {
  const marks = new Marks();
  let world: SimWorld | undefined;
  let findings: readonly Finding[];
  try {
    world = await SimWorld.open({ plan, mutation, marks, trace });
    findings = await judged(world, plan);
    await world.close();
  } catch (error) {
    findings = [{ anomaly: "CRASH", what: toError(error).stack ?? String(error) }];
  }
  const virtualMs = world?.clock.monotonicMs() ?? 0;
  const records = world?.ledger.size ?? 0;
  return { seed: plan.seed, findings, hash: trace.hash, virtualMs, records, marks: marks.counts };
}

async function judged(world: SimWorld, plan: SimPlan): Promise<readonly Finding[]> {
  await world.disturb();
  if (world.isLooping) return [{ anomaly: "DR-LOOP", what: "copies multiply" }];
  await world.until(() => isAtEnd(world), LIVENESS_MS);
  if (world.isLooping) return [{ anomaly: "DR-LOOP", what: "copies multiply" }];
  await world.until(() => false, QUIET_MS);
  const isComplete = isAtEnd(world) || (await world.until(() => isAtEnd(world), LIVENESS_MS));
  const lanes = lanePlaces(world).map((place) => laneFacts(world, place));
  const findings = lanes.flatMap((lane) => judgeLane(world, plan, lane));
  if (findings.length > 0) return findings;
  if (!isComplete) return [{ anomaly: "STUCK", what: standing(world) }];
  for (const { stopped, ...lane } of lanes) {
    if (stopped !== undefined && !isExplained(plan, lane, stopped))
      return [{ anomaly: "STOPPED", what: laneName(lane) }];
  }
  return settledGroups(world, plan);
}

async function settledGroups(world: SimWorld, plan: SimPlan): Promise<readonly Finding[]> {
  let findings: readonly Finding[] = [];
  for (let round = 0; round < GROUP_ROUNDS_MAX; round++) {
    findings = await world.settled(judgeGroups(world, plan));
    if (findings.length === 0) return [];
    await world.settled(sleep(world.clock, GROUP_ROUND_MS));
  }
  return findings;
}

/** Every worker knows every lane at its source's end, or stopped. */
function isAtEnd(world: SimWorld): boolean {
  if (world.workers.length < world.shape.workers) return false;
  return lanePlaces(world).every((place) => {
    const end = world.regions[place.from].embedded.partition(place.topic, place.partition)?.highWatermark;
    return laneViews(world, place).every(
      ({ status }) => status !== undefined && (status.state === "stopped" || status.sourceNext === end),
    );
  });
}

function standing(world: SimWorld): string {
  return lanePlaces(world)
    .flatMap((place) => {
      const end = world.regions[place.from].embedded.partition(place.topic, place.partition)?.highWatermark;
      return laneViews(world, place).map(
        ({ worker, status }) =>
          `${laneName(place)} by ${worker}: ${status?.state} ${status?.reason?.code ?? ""} ${status?.sourceNext} of ${end}`,
      );
    })
    .join("; ");
}
