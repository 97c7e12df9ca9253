/** The commands below `tributary tier`. */

import { type Command, InvalidArgumentError } from "commander";
import { parseDurationMs } from "../topology/units.ts";
import type { Runner } from "./program.ts";

/** How long an object must have been without a name before `gc` takes it: longer than any upload or reader. */
const GRACE_DEFAULT_MS = 24 * 3_600_000;

/** Adds them. */
export function addTierCommands(program: Command, run: Runner): void {
  const tier = program.command("tier").description("Cold segments in object stores, from the bucket alone.");
  const region = (command: Command): Command =>
    command.option("-r, --region <region>", "only the stores of this region");
  region(tier.command("ls").summary("what is archived")).action(
    run(async () => (await import("./commands/tier.ts")).tierLs),
  );
  region(tier.command("verify").summary("whether the archive is whole; exit 2 when it is not"))
    .option("--sample <percent>", "share of the segments whose content is read, for example 5%", share, 1)
    .action(run(async () => (await import("./commands/tier.ts")).tierVerify));
  region(tier.command("gc").summary("remove what no manifest names"))
    .option("--grace <duration>", "how long it must have been so (default: 24h)", duration)
    .option("--dry-run", "tell what would be removed, and leave it")
    .action(
      run(async () => {
        const { tierGc } = await import("./commands/tier.ts");
        return (context, options: { readonly grace?: number; readonly dryRun?: boolean; readonly region?: string }) => {
          const { grace = GRACE_DEFAULT_MS, ...rest } = options;
          return tierGc(context, { ...rest, graceMs: grace });
        };
      }),
    );
}

function share(text: string): number {
  const [, digits] = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text) ?? [];
  const percent = Number(digits);
  if (digits === undefined || percent > 100) throw new InvalidArgumentError("it must be a percentage, for example 5%.");
  return percent / 100;
}

function duration(text: string): number {
  const durationMs = parseDurationMs(text);
  if (durationMs === undefined) throw new InvalidArgumentError("it must be a duration, for example 24h.");
  return durationMs;
}
