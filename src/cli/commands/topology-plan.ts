/** `topology plan`: what each pattern matches in the regions as they are now, what would change and what is risky. Reads only. */

import { writeFileSync } from "node:fs";
import { toError } from "../../core/errors.ts";
import type { CliContext } from "../context.ts";
import { CommandError } from "../errors.ts";
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

/** Prints the plan; exit 2 when names would collide, with `--detailed-exitcode` also when there are changes; 69 when a region could not
 *  be asked: a plan without it is no answer to whether there is something to do. */
export async function topologyPlan(context: CliContext, options: PlanOptions): Promise<ExitCode> {
  const inUse = topologyInUse(context);
  const live = await livePlan(context, inUse);
  const json = { topology: inUse.topology.name, ...planJson(live) };
  context.data(json, () => planText(live));
  if (live.reached === 0) return EXIT.unreachable;
  if (options.out !== undefined) writePlan(options.out, `${renderJson(json)}\n`);
  if (live.plan.collisions.length > 0) return EXIT.finding;
  if (live.unknown.length > 0) return EXIT.unreachable;
  return options.detailedExitcode === true && live.changes.length > 0 ? EXIT.finding : EXIT.ok;
}

function writePlan(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (cause) {
    const message = `cannot write ${path}: ${toError(cause).message}; name a file that may be written`;
    throw new CommandError({ code: "COMMAND_FAILED", what: path }, { message, cause });
  }
}
