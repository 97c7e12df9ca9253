/** A process that runs one plan after the other for its parent. */

import type { Job } from "./jobs.ts";
import { mutationOf } from "./mutants.ts";
import { runPlan, type SimResult } from "./run.ts";
import { firstDifference, Trace } from "./trace.ts";

process.on("message", (job: Job) => {
  void carriedOut(job).then((result) => process.send?.(result));
});

async function carriedOut({ plan, mutant, twice }: Job): Promise<SimResult> {
  const mutation = mutant === undefined ? {} : mutationOf(mutant);
  const result = await runPlan(plan, mutation);
  if (twice !== true || result.findings.length > 0) return result;
  const again = await runPlan(plan, mutation);
  if (again.hash === result.hash) return result;
  const traces = [new Trace(true), new Trace(true)] as const;
  for (const trace of traces) await runPlan(plan, mutation, trace);
  const what = firstDifference(...traces) ?? `${result.hash}, then ${again.hash}, then twice the same`;
  return { ...result, findings: [{ anomaly: "NOT-REPEATABLE", what }] };
}
