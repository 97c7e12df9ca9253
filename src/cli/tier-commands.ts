/** The commands below `tributary tier`, one function each, in the order of the help. */

import type { Command } from "commander";
import { duration, share } from "./option-values.ts";
import type { Runner } from "./program.ts";

/** Adds them. */
export function addTierCommands(program: Command, run: Runner): void {
  const tier = program.command("tier").description("Cold segments in object stores, from the bucket alone.");
  addLs(tier, run);

  addVerify(tier, run);

  addGc(tier, run);
}

/** The option that all of them have. */
function ofRegion(command: Command): Command {
  return command.option("-r, --region <region>", "only the stores of this region");
}

function addLs(tier: Command, run: Runner): void {
  ofRegion(tier.command("ls").summary("what is archived")).action(
    run(async () => (await import("./commands/tier/ls.ts")).tierLs),
  );
}

function addVerify(tier: Command, run: Runner): void {
  ofRegion(tier.command("verify").summary("whether the archive is whole; exit 2 when it is not"))
    .option("--sample <percent>", "share of the segments whose content is read, for example 5%", share, 1)
    .action(run(async () => (await import("./commands/tier/verify.ts")).tierVerify));
}

function addGc(tier: Command, run: Runner): void {
  ofRegion(tier.command("gc").summary("remove what no manifest names"))
    .option("--grace <duration>", "how long it must have been so (default: 24h)", duration)
    .option("--dry-run", "tell what would be removed, and leave it")
    .action(run(async () => (await import("./commands/tier/gc.ts")).tierGc));
}
