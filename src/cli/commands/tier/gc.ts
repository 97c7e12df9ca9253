/** `tier gc`: removes what nobody needs any more. */

import { nodeClock } from "../../../adapters/node-clock.ts";
import { collect } from "../../../tier/gc.ts";
import { formatBytes } from "../../../topology/units.ts";
import type { CliContext } from "../../context.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { counted } from "../../output.ts";
import { storedArchives, type TierOptions } from "./archives.ts";

/** How long an object must have been without a name before it is taken: longer than any upload or reader. */
const GRACE_DEFAULT_MS = 24 * 3_600_000;

/** Options of `tier gc`. */
export interface TierGcOptions extends TierOptions {
  /** Milliseconds; absent: a day. */
  readonly grace?: number;
  readonly dryRun?: boolean;
}

/** Prints what was removed. */
export async function tierGc(context: CliContext, options: TierGcOptions): Promise<ExitCode> {
  const { grace: graceMs = GRACE_DEFAULT_MS, dryRun = false } = options;
  const removed: string[] = [];
  let [bytes, waiting, unknown] = [0, 0, 0];
  for await (const { store, entry } of storedArchives(context, options)) {
    const report = await collect(entry, { graceMs, dryRun }, { store, clock: nodeClock() });
    removed.push(...[...report.objects, ...report.manifests].map((key) => `${store.location} ${key}`));
    bytes += report.bytes;
    waiting += report.waiting;
    unknown += report.unknown;
  }
  const verb = dryRun ? "would be removed" : "removed";
  const summary = `${counted(removed.length, "object")} ${verb} (${formatBytes(bytes)}), ${waiting} still in their grace period`;
  const left = `${counted(unknown, "object")} left alone that no manifest ever held: uploads under way, or all that is left of an archive without manifests`;
  const lines = [...removed, summary, ...(unknown === 0 ? [] : [left])];
  context.data({ dry_run: dryRun, removed, bytes, waiting, unknown }, () => lines.join("\n"));
  return EXIT.ok;
}
