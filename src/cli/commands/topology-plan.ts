/** `topology plan`: what each pattern matches in the regions as they are now, what would change and what is risky. Reads only. */

import { writeFileSync } from "node:fs";
import type { CliContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { livePlan } from "../live-plan.ts";
import { renderJson } from "../output.ts";
import { planJson, planText } from "../plan-output.ts";
import { topologyInUse } from "../topology-in-use.ts";

/** Options of the command. */
export interface PlanOptions {
  readonly out?: string;
  readonly detailedExitcode?: boolean;
}

/** Prints the plan; exit 2 when names would collide, with `--detailed-exitcode` also when there are changes. */
export async function topologyPlan(context: CliContext, options: PlanOptions): Promise<ExitCode> {
  const inUse = topologyInUse(context);
  const live = await livePlan(context, inUse);
  const json = { topology: inUse.topology.name, ...planJson(live) };
  context.data(json, () => planText(live));
  if (live.reached === 0) return EXIT.unreachable;
  if (options.out !== undefined) writeFileSync(options.out, `${renderJson(json)}\n`);
  const isFinding = live.plan.collisions.length > 0 || (options.detailedExitcode === true && live.changes.length > 0);
  return isFinding ? EXIT.finding : EXIT.ok;
}
