/** Runs the planted mistakes: each must be found out within a number of seeds, by a plan that finds nothing without it. */

import { type Job, runJobs } from "./jobs.ts";
import { MUTANTS, type Mutant } from "./mutants.ts";
import type { SimResult } from "./run.ts";
import { planOf } from "./swarm.ts";

/** Seeds for each mistake. */
export const MUTANT_SEEDS_MAX = 40;

/** How one mistake fared. */
export interface MutantOutcome {
  readonly name: string;
  /** One line for people. */
  readonly line: string;
  readonly isCaught: boolean;
}

/** Tries one mistake, on that many processes. */
export async function runMutant(mutant: Mutant, processes: number): Promise<MutantOutcome> {
  const { name, about } = mutant;
  const caught = await firstCaught(mutant, processes);
  const title = `${name} (${about})`;
  if (caught === undefined) return { name, isCaught: false, line: `NOT CAUGHT ${title} in ${MUTANT_SEEDS_MAX} seeds` };
  const [found] = caught.findings;
  const how = `${found?.anomaly} at seed ${caught.seed}`;
  const innocent = await withoutMistake(mutant, caught.seed);
  if (innocent.findings.length === 0) return { name, isCaught: true, line: `caught ${title}: ${how}` };
  const [other] = innocent.findings;
  return {
    name,
    isCaught: false,
    line: `FAILED ${title}: ${how}, but without it too: ${other?.anomaly} ${other?.what}`,
  };
}

/** Every mistake, one after the other. */
export async function* runMutants(processes: number): AsyncGenerator<MutantOutcome> {
  for (const mutant of MUTANTS) yield await runMutant(mutant, processes);
}

async function firstCaught(mutant: Mutant, processes: number): Promise<SimResult | undefined> {
  let caught: SimResult | undefined;
  await runJobs(jobsOf(mutant), processes, (result) => {
    if (result.findings.length > 0 && (caught === undefined || result.seed < caught.seed)) caught = result;
    return caught === undefined;
  });
  return caught;
}

async function withoutMistake(mutant: Mutant, seed: number): Promise<SimResult> {
  const results: SimResult[] = [];
  await runJobs([{ plan: mutant.focus(planOf(seed)) }], 1, (result) => results.push(result) > 0);
  const [result] = results;
  if (result === undefined) throw new Error("a run without a result");
  return result;
}

function* jobsOf(mutant: Mutant): Generator<Job> {
  for (let seed = 1; seed <= MUTANT_SEEDS_MAX; seed++) yield { plan: mutant.focus(planOf(seed)), mutant: mutant.name };
}
