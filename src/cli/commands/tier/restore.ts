/** `tier restore`: archived topics back into a cluster, each record once, with their groups. */

import { join } from "node:path";
import { nodeClock } from "../../../adapters/node-clock.ts";
import { nodeRandom } from "../../../adapters/node-random.ts";
import { nodeStorage } from "../../../adapters/node-storage.ts";
import { openPinoLogger } from "../../../adapters/pino-logger.ts";
import { openClient, regionAddress } from "../../../runtime/connect.ts";
import { boundHeap } from "../../../runtime/heap-bounds.ts";
import { lockDirectory } from "../../../runtime/lock-file.ts";
import { openStoreToRead } from "../../../runtime/open-store.ts";
import {
  type PreparedRestore,
  prepareRestore,
  type RestoreOptions,
  runRestore,
} from "../../../runtime/restore/restore.ts";
import { RestoreTarget } from "../../../runtime/restore/restore-target.ts";
import { type CatalogEntry, readCatalog } from "../../../tier/catalog.ts";
import type { ObjectStore } from "../../../tier/ports.ts";
import { restoreError } from "../../../tier/restore/restore-error.ts";
import type { RangeBound } from "../../../tier/restore/restore-plan.ts";
import { measureRate } from "../../../tier/restore/restore-rate.ts";
import { compilePattern, type Pattern, type Selection, selects } from "../../../topology/patterns.ts";
import type { CliContext } from "../../context.ts";
import { usageError } from "../../errors.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { interruption } from "../../signals.ts";
import { topologyInUse } from "../../topology-in-use.ts";
import { tellLostNames } from "./archives.ts";
import { showPlan, showReport } from "./restore-output.ts";
import { chosenStores } from "./stores.ts";

/** Options of `tier restore`. */
export interface TierRestoreOptions {
  readonly into: string;
  readonly region?: string;
  readonly store?: string;
  readonly endpoint?: string;
  readonly topic?: readonly string[];
  readonly topicId?: string;
  readonly cluster?: string;
  readonly from?: RangeBound;
  readonly until?: RangeBound;
  /** Milliseconds since the epoch. */
  readonly at?: number;
  readonly to?: string;
  /** Milliseconds. */
  readonly retention?: number;
  readonly groups: boolean;
  readonly dryRun?: boolean;
}

/** Progress is told this often where it is not repainted. */
const TELL_EVERY_MS = 10_000;

/** Prints what was restored, or would be; exit 2 when a position of a group was not written.
 *  @throws {RestoreError | StoreError | ArchiveError | RuntimeError | TopologyError | MirrorError | ClientError} */
export async function tierRestore(context: CliContext, options: TierRestoreOptions): Promise<ExitCode> {
  const wanted = restoreOptions(options);
  boundHeap();
  const { topology, state } = topologyInUse(context);
  const logger = await openPinoLogger({ level: context.logLevel, format: "pretty", fields: { role: "restore" } });
  using stop = interruption(() => context.talk("stopping; the same command goes on later"));
  const store = await chosenStore(context, options, wanted.topics);
  using _closed = { [Symbol.dispose]: () => store.close() };
  const address = regionAddress(topology, state, options.into);
  // Of two at once each would take the other's records for foreign ones.
  using _lock =
    options.dryRun === true ? undefined : lockDirectory(join(state.path, "restore", address.region), nodeStorage());
  const client = await openClient(address, { clientId: "tributary-restore", logger, signal: stop.signal });
  await using _client = { [Symbol.asyncDispose]: () => client.close() };
  await using to = new RestoreTarget({ client, clock: nodeClock(), random: nodeRandom(), logger });
  const deps = { store, to };
  try {
    const prepared = await prepareRestore(wanted, deps);
    if (options.groups && prepared.groups === undefined)
      context.talk("no positions of groups were captured by then; only records are restored");
    if (options.dryRun === true) {
      showPlan(context, options.into, prepared, await measureRate(prepared.plan, deps.store, to.clock));
      return EXIT.ok;
    }
    const watch = { signal: stop.signal, onProgress: progressOf(context, prepared) };
    const report = await runRestore(prepared, wanted, { ...deps, watch });
    for (const warning of report.warnings) context.talk(warning);
    showReport(context, options.into, prepared, report);
    return report.groups.every(({ written }) => written) ? EXIT.ok : EXIT.finding;
  } catch (error) {
    if (stop.signal.aborted && error === stop.signal.reason) return stop.exitCode;
    throw error;
  }
}

/** @throws {CommandError} */
function restoreOptions(options: TierRestoreOptions): RestoreOptions {
  const { at, until, to, topicId, from, groups, cluster: clusterId, retention: retentionMs } = options;
  if (at !== undefined && until !== undefined) throw usageError("--at and --until both say where to stop; give one");
  const topics = selectionOf(options.topic ?? ["*"]);
  const isOneTopic = topics.include.length === 1 && topics.include[0]?.kind === "name";
  if (to !== undefined && !to.includes("{topic}") && !isOneTopic)
    throw usageError(`--to ${to} is one name for several topics; write {topic} in it`);
  return {
    topics: (topic) => selects(topics, topic),
    topicId,
    clusterId,
    from,
    until: at === undefined ? until : { timeMs: at + 1 },
    groupsAtMs: at,
    groups,
    retentionMs,
    targetName: (topic) => (to ?? topic).replaceAll("{topic}", topic),
  };
}

function selectionOf(texts: readonly string[]): Selection {
  const include = texts.map((text): Pattern => {
    const compiled = compilePattern(text);
    if ("problem" in compiled) throw usageError(`--topic: ${compiled.problem}`);
    return compiled;
  });
  return { include, exclude: [] };
}

/** The one store that holds one of the topics; the caller closes it. It is only read. */
async function chosenStore(
  context: CliContext,
  options: TierRestoreOptions,
  topics: (topic: string) => boolean,
): Promise<ObjectStore> {
  const { declarations, statePath } = chosenStores(context, options);
  const deps = { clock: nodeClock(), random: nodeRandom(), statePath };
  const found: { readonly store: ObjectStore; readonly entries: readonly CatalogEntry[] }[] = [];
  for (const declaration of declarations) {
    const store = await openStoreToRead(declaration, deps);
    const entries = (await readCatalog(store)).filter(({ partition }) => topics(partition.topic));
    if (entries.length > 0) found.push({ store, entries });
    else store.close();
  }
  const [first, ...others] = found;
  if (first === undefined) {
    const location = options.store ?? "the declared stores";
    throw restoreError({ code: "RESTORE_NOTHING", location });
  }
  if (others.length === 0) {
    await tellLostNames(context, first.store, first.entries);
    return first.store;
  }
  for (const { store } of found) store.close();
  const places = found.map(({ store }) => store.location).join(", ");
  throw usageError(`several stores hold such topics (${places}); narrow with --region or --store`);
}

function progressOf(context: CliContext, { plan }: PreparedRestore): (done: bigint, all: bigint) => void {
  const clock = nodeClock();
  const startMs = clock.monotonicMs();
  let toldMs = startMs;
  const bytes = plan.topics
    .flatMap(({ partitions }) => partitions)
    .reduce((sum, partition) => sum + partition.bytes, 0);
  return (done, all) => {
    const nowMs = clock.monotonicMs();
    const share = all === 0n ? 1 : Number(done) / Number(all);
    const rate = (bytes * share) / 1e6 / Math.max((nowMs - startMs) / 1_000, 0.001);
    const isFinal = nowMs - toldMs >= TELL_EVERY_MS;
    if (isFinal) toldMs = nowMs;
    context.progress(`${(share * 100).toFixed(1)} % of ${all} offsets, about ${rate.toFixed(1)} MB/s`, isFinal);
  };
}
