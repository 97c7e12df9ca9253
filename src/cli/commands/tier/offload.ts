/** `tier offload`: moves what is cold in the regions of the topology to their stores, once or until interrupted. */

import type { LocalDeletion } from "../../../adapters/kafka-local-deletion.ts";
import { nodeClock } from "../../../adapters/node-clock.ts";
import { openPinoLogger } from "../../../adapters/pino-logger.ts";
import { sleep } from "../../../core/clock.ts";
import { ClusterOffloader, type ClusterPass, type PartitionStatus } from "../../../runtime/cluster-offload.ts";
import { control } from "../../../runtime/control-client.ts";
import { boundHeap } from "../../../runtime/heap-bounds.ts";
import { regionNamed } from "../../../runtime/region-spec.ts";
import type { OffloadReport } from "../../../tier/offload.ts";
import { formatBytes } from "../../../topology/units.ts";
import type { CliContext } from "../../context.ts";
import { CommandError } from "../../errors.ts";
import type { ExitCode } from "../../exit-codes.ts";
import { type Column, counted, renderTable } from "../../output.ts";
import { interruption } from "../../signals.ts";
import { type TopologyInUse, topologyInUse } from "../../topology-in-use.ts";

/** A pass of an embedded region may move gigabytes. */
const EMBEDDED_PASS_MS_MAX = 3_600_000;

/** Options of the command. */
export interface TierOffloadOptions {
  readonly region?: string;
  readonly topic?: string;
  /** Goes on until interrupted. */
  readonly follow?: boolean;
  /** Closes segments although they are not full. */
  readonly close?: boolean;
  readonly dryRun?: boolean;
}

/** Regions with tiering rules, apart by who moves their segments: their own process, or this one. */
interface Regions {
  readonly embedded: readonly string[];
  readonly existing: readonly string[];
}

/** Prints what was moved and deleted, and how each partition of an existing cluster stands. Throws the first failure after that. */
export async function tierOffload(context: CliContext, options: TierOffloadOptions): Promise<ExitCode> {
  boundHeap();
  const world = topologyInUse(context);
  const regions = tieredRegions(world, options.region);
  using interrupted = interruption((name) => context.talk(`${name}: finishing what is under way; again quits at once`));
  const passes: object[] = [];
  const failures: Error[] = [];
  for (const region of regions.embedded) {
    if (options.dryRun === true) continue;
    const report = await embeddedPass(world, region);
    passes.push({ region, segments_offloaded: report.segmentsOffloaded, bytes_offloaded: report.bytesOffloaded });
    context.talk(`${region}: ${summary(report)}`);
  }
  const rows: Row[] = [];
  const deletions: DeletionRow[] = [];
  const followed: Promise<void>[] = [];
  for (const region of regions.existing) {
    const logger = await openPinoLogger({
      level: context.logLevel,
      format: "pretty",
      fields: { role: "tier", region },
    });
    const { topology, state } = world;
    state.create();
    const run = async (): Promise<void> => {
      await using offloader = await ClusterOffloader.open(
        { topology, state, region, topic: options.topic, readOnly: options.dryRun === true },
        { logger, signal: interrupted.signal },
      );
      const pass = await passesOf(offloader, { context, options, region, signal: interrupted.signal });
      // What a pass of many meets is logged when it begins and ends.
      if (options.follow !== true) failures.push(...pass.failures);
      deletions.push(...pass.deletions.map((deletion) => deletionRow(region, deletion)));
      rows.push(...(await offloader.status()).map((status) => ({ region, ...status })));
      passes.push({ region, segments_offloaded: pass.segmentsOffloaded, bytes_offloaded: pass.bytesOffloaded });
    };
    if (options.follow === true) followed.push(run());
    else await run();
  }
  await Promise.all(followed);
  const json = { dry_run: options.dryRun ?? false, regions: passes, partitions: rows.map(rowJson), deletions };
  context.data(json, () => tables(rows, deletions, options.dryRun === true));
  if (failures[0] !== undefined) {
    for (const { message } of failures.slice(1)) context.talk(message);
    throw failures[0];
  }
  return interrupted.exitCode;
}

function tieredRegions({ topology, state }: TopologyInUse, wanted: string | undefined): Regions {
  if (wanted !== undefined) regionNamed(topology, wanted);
  const names = [...new Set(topology.tiering.map(({ region }) => region as string))];
  const selected = names.filter((name) => wanted === undefined || name === wanted);
  if (selected.length === 0) {
    const message = `no tiering of ${wanted ?? "any region"} is declared (${topology.file}); add a rule under tiering:`;
    throw new CommandError({ code: "COMMAND_FAILED", what: "no tiering" }, { message });
  }
  const isEmbedded = (name: string): boolean => regionNamed(topology, name).local !== undefined;
  const embedded = selected.filter(isEmbedded);
  return {
    // One that does not run has nothing to hand over, unless it was asked for.
    embedded: embedded.filter((name) => name === wanted || state.region(name) !== undefined),
    existing: selected.filter((name) => !isEmbedded(name)),
  };
}

async function embeddedPass({ topology, state }: TopologyInUse, region: string): Promise<OffloadReport> {
  const record = state.region(region);
  if (record === undefined) {
    const message = `region "${region}" does not run (${topology.file}); start it with tributary up, it moves its segments itself`;
    throw new CommandError({ code: "COMMAND_FAILED", what: "region down" }, { message });
  }
  const command = { method: "POST", path: "/tier/offload", timeoutMs: EMBEDDED_PASS_MS_MAX } as const;
  return control<OffloadReport>(record.socketPath, command);
}

interface Passes {
  readonly context: CliContext;
  readonly options: TierOffloadOptions;
  readonly region: string;
  readonly signal: AbortSignal;
}

/** One pass, or passes until the signal; the last one's failures and deletions, and the sum of what was moved. */
async function passesOf(
  offloader: ClusterOffloader,
  { context, options, region, signal }: Passes,
): Promise<ClusterPass> {
  if (options.dryRun === true)
    return { segmentsOffloaded: 0, bytesOffloaded: 0, failures: [], deletions: await offloader.plan() };
  let [segmentsOffloaded, bytesOffloaded] = [0, 0];
  for (;;) {
    const pass = await offloader.pass({ closeAll: options.close ?? false, signal });
    segmentsOffloaded += pass.segmentsOffloaded;
    bytesOffloaded += pass.bytesOffloaded;
    if (options.follow !== true || signal.aborted) return { ...pass, segmentsOffloaded, bytesOffloaded };
    if (pass.segmentsOffloaded > 0) context.talk(`${region}: ${summary(pass)}`);
    await sleep(nodeClock(), offloader.everyMs, signal).catch(() => undefined);
  }
}

function summary({ segmentsOffloaded, bytesOffloaded }: Pick<ClusterPass, "segmentsOffloaded" | "bytesOffloaded">) {
  return `${counted(segmentsOffloaded, "segment")} archived (${formatBytes(bytesOffloaded)})`;
}

interface Row extends PartitionStatus {
  readonly region: string;
}

interface DeletionRow {
  readonly region: string;
  readonly topic: string;
  readonly partition: number;
  readonly from_offset: string;
  /** The first record that stays. */
  readonly to_offset: string;
  readonly bytes: number;
  /** What keeps the rest. */
  readonly limit: string;
  /** Why nothing goes; null when it does. */
  readonly refusal: string | null;
}

function deletionRow(region: string, deletion: LocalDeletion): DeletionRow {
  const { partition, fromOffset, toOffset, bytes, limit, refusal = null } = deletion;
  return {
    region,
    topic: partition.topic,
    partition: partition.partition,
    from_offset: String(fromOffset),
    to_offset: String(toOffset),
    bytes,
    limit: limit.kind === "group" ? `group ${limit.group}` : limit.kind,
    refusal,
  };
}

function lagOf({ archivedTo, clusterEnd, logStart }: Row): bigint | undefined {
  return clusterEnd === undefined ? undefined : clusterEnd - (archivedTo ?? logStart ?? 0n);
}

function rowJson(row: Row): object {
  const text = (offset: bigint | undefined): string | null => (offset === undefined ? null : String(offset));
  const { region, partition, store, archivedTo, clusterEnd, logStart, bytesOffloaded, bytesPerSecond, error } = row;
  return {
    ...{ region, topic: partition.topic, topic_id: partition.topicId, partition: partition.partition, store },
    ...{
      archived_to: text(archivedTo),
      log_start: text(logStart),
      cluster_end: text(clusterEnd),
      lag: text(lagOf(row)),
    },
    ...{ bytes_offloaded: bytesOffloaded, bytes_per_second: bytesPerSecond, error: error ?? null },
  };
}

const COLUMNS: readonly Column<Row>[] = [
  { title: "REGION", value: ({ region }) => region },
  { title: "TOPIC", value: ({ partition }) => partition.topic },
  { title: "PARTITION", align: "right", value: ({ partition }) => partition.partition },
  { title: "ARCHIVED TO", align: "right", value: ({ archivedTo }) => archivedTo ?? "" },
  { title: "END", align: "right", value: ({ clusterEnd }) => clusterEnd ?? "" },
  { title: "LAG", align: "right", value: (row) => lagOf(row) ?? "" },
  { title: "ERROR", value: ({ error }) => error ?? "" },
];

const DELETION_COLUMNS: readonly Column<DeletionRow>[] = [
  { title: "REGION", value: ({ region }) => region },
  { title: "TOPIC", value: ({ topic }) => topic },
  { title: "PARTITION", align: "right", value: ({ partition }) => partition },
  { title: "FROM", align: "right", value: ({ from_offset }) => from_offset },
  { title: "FIRST TO STAY", align: "right", value: ({ to_offset }) => to_offset },
  { title: "SIZE", align: "right", value: ({ bytes }) => formatBytes(bytes) },
  { title: "NO MORE, BECAUSE OF", value: ({ limit, refusal }) => refusal ?? limit },
];

function tables(rows: readonly Row[], deletions: readonly DeletionRow[], isDryRun: boolean): string {
  const parts = rows.length === 0 ? [] : [renderTable(COLUMNS, rows)];
  if (deletions.length > 0) {
    const title = isDryRun ? "would be deleted in the cluster:" : "deleted in the cluster:";
    parts.push(`${title}\n${renderTable(DELETION_COLUMNS, deletions)}`);
  } else if (isDryRun) parts.push("nothing would be deleted in the cluster");
  return parts.join("\n\n");
}
