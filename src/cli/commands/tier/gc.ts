/** `tier gc`: removes what nobody needs any more. */

import { collect } from "../../../tier/gc.ts";
import { storeNowMs } from "../../../tier/store-clock.ts";
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

/** Prints what was removed; exit 2 when a damaged manifest keeps something from being judged. */
export async function tierGc(context: CliContext, options: TierGcOptions): Promise<ExitCode> {
  const { grace: graceMs = GRACE_DEFAULT_MS, dryRun = false } = options;
  const removed: string[] = [];
  let [bytes, waiting, unknown] = [0, 0, 0];
  const blocked: string[] = [];
  const nowMs = new Map<string, number>();
  for await (const { store, entry } of storedArchives(context, options)) {
    const now = nowMs.get(store.location) ?? (await storeNowMs(store));
    nowMs.set(store.location, now);
    const report = await collect(entry, { graceMs, dryRun }, { store, nowMs: now });
    if (report.blockedBy !== undefined) blocked.push(`${store.location} ${report.blockedBy}`);
    removed.push(...[...report.objects, ...report.manifests].map((key) => `${store.location} ${key}`));
    bytes += report.bytes;
    waiting += report.waiting;
    unknown += report.unknown;
  }
  const verb = dryRun ? "would be removed" : "removed";
  const summary = `${counted(removed.length, "object")} ${verb} (${formatBytes(bytes)}), ${waiting} still in their grace period`;
  const left = `${counted(unknown, "object")} left alone that no manifest ever held: uploads under way, or all that is left of an archive without manifests`;
  const damaged = blocked.map((key) => `left alone because ${key} cannot be read: run tributary tier repair`);
  const lines = [...removed, summary, ...(unknown === 0 ? [] : [left]), ...damaged];
  context.data({ dry_run: dryRun, removed, bytes, waiting, unknown, blocked }, () => lines.join("\n"));
  return blocked.length === 0 ? EXIT.ok : EXIT.finding;
}
