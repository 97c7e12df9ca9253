/** `tier gc`: removes what nobody needs any more. */

import { readCatalog } from "../../../tier/catalog.ts";
import { collect } from "../../../tier/gc.ts";
import { storeNowMs } from "../../../tier/store-clock.ts";
import { collectUnfinished, isArchiveKey } from "../../../tier/unfinished.ts";
import { formatBytes } from "../../../topology/units.ts";
import type { CliContext } from "../../context.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { counted } from "../../output.ts";
import type { TierOptions } from "./archives.ts";
import { openedStores } from "./stores.ts";

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
  const unfinished = { removed: [] as string[], bytes: 0, waiting: 0, untold: [] as string[] };
  for await (const { store } of openedStores(context, options, "write")) {
    const { location } = store;
    const deps = { store, nowMs: await storeNowMs(store) };
    for (const entry of await readCatalog(store)) {
      const report = await collect(entry, { graceMs, dryRun }, deps);
      if (report.blockedBy !== undefined) blocked.push(`${location} ${report.blockedBy}`);
      removed.push(...[...report.objects, ...report.manifests].map((key) => `${location} ${key}`));
      bytes += report.bytes;
      waiting += report.waiting;
      unknown += report.unknown;
    }
    const begun = await collectUnfinished(isArchiveKey, { graceMs, dryRun }, deps);
    unfinished.removed.push(...begun.removed.map(({ key }) => `${location} ${key}`));
    unfinished.bytes += begun.bytes;
    unfinished.waiting += begun.waiting;
    if (begun.untold !== undefined) unfinished.untold.push(`${location}: ${begun.untold}`);
  }
  const report = { dry_run: dryRun, removed, bytes, waiting, unknown, blocked, unfinished };
  context.data(report, () => text(report).join("\n"));
  return blocked.length === 0 ? EXIT.ok : EXIT.finding;
}

interface Report {
  readonly dry_run: boolean;
  readonly removed: readonly string[];
  readonly bytes: number;
  readonly waiting: number;
  readonly unknown: number;
  readonly blocked: readonly string[];
  /** What killed writers had begun. */
  readonly unfinished: {
    readonly removed: readonly string[];
    readonly bytes: number;
    readonly waiting: number;
    /** Stores that do not tell, and why. */
    readonly untold: readonly string[];
  };
}

function text({ dry_run, removed, bytes, waiting, unknown, blocked, unfinished }: Report): readonly string[] {
  const verb = dry_run ? "would be removed" : "removed";
  const begun = unfinished.removed.length + unfinished.waiting;
  return [
    ...removed,
    ...unfinished.removed.map((what) => `${what} (never finished)`),
    `${counted(removed.length, "object")} ${verb} (${formatBytes(bytes)}), ${waiting} still in their grace period`,
    ...(begun === 0
      ? []
      : [
          `${counted(unfinished.removed.length, "unfinished upload")} ${verb} (${formatBytes(unfinished.bytes)}), ${unfinished.waiting} may be under way`,
        ]),
    ...(unknown === 0
      ? []
      : [
          `${counted(unknown, "object")} left alone that no manifest ever held: uploads under way, or all that is left of an archive without manifests`,
        ]),
    ...blocked.map((key) => `left alone because ${key} cannot be read: run tributary tier repair`),
    ...unfinished.untold.map(
      (why) => `unfinished uploads are not told by ${why}; a lifecycle rule of the bucket removes them`,
    ),
  ];
}
