/** `tier offload`: moves what is cold in the regions of the topology to their stores, once or until interrupted. */

import type { LocalDeletion } from "../../../adapters/kafka-local-deletion.ts";
import { nodeClock } from "../../../adapters/node-clock.ts";
import { openPinoLogger } from "../../../adapters/pino-logger.ts";
import { sleep } from "../../../core/clock.ts";
import type { Endpoint } from "../../../core/network.ts";
import { ClusterOffloader, type ClusterPass, type MissingTopicArchive } from "../../../runtime/cluster-offload.ts";
import { control } from "../../../runtime/control-client.ts";
import { boundHeap } from "../../../runtime/heap-bounds.ts";
import { regionNamed } from "../../../runtime/region-spec.ts";
import {
  type TierRow,
  type TierRuleRow,
  tierLag,
  tierRowJson,
  tierRuleJson,
} from "../../../runtime/tier-status-json.ts";
import type { OffloadReport } from "../../../tier/offload.ts";
import { formatBytes } from "../../../topology/units.ts";
import type { HttpServer } from "../../../web/http-server.ts";
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
  /** Where to serve metrics and status while it goes on; nowhere without it. */
  readonly http?: Endpoint;
}

/** Regions with tiering rules, apart by who moves their segments: their own process, or this one. */
interface Regions {
  readonly embedded: readonly string[];
  readonly existing: readonly string[];
}

/** What comes together for the output. */
interface Outcome {
  readonly passes: object[];
  readonly rows: TierRow[];
  readonly rules: TierRuleRow[];
  readonly deletions: DeletionRow[];
  /** Of a dry run. */
  readonly missing: MissingRow[];
  readonly failures: Error[];
}

interface Run {
  readonly context: CliContext;
  readonly options: TierOffloadOptions;
  readonly world: TopologyInUse;
  readonly signal: AbortSignal;
  readonly outcome: Outcome;
  /** Those at work now, by region. */
  readonly open: Map<string, ClusterOffloader>;
}

/** Prints what was moved and deleted, and how each partition of an existing cluster stands. Throws the first failure after that. */
export async function tierOffload(context: CliContext, options: TierOffloadOptions): Promise<ExitCode> {
  boundHeap();
  const world = topologyInUse(context);
  const regions = tieredRegions(world, options.region);
  using interrupted = interruption((name) => context.talk(`${name}: finishing what is under way; again quits at once`));
  const outcome: Outcome = { passes: [], rows: [], rules: [], deletions: [], missing: [], failures: [] };
  const failed = new AbortController();
  const signal = AbortSignal.any([interrupted.signal, failed.signal]);
  const run: Run = { context, options, world, signal, outcome, open: new Map() };
  await using _http = await served(run);
  for (const region of regions.embedded) if (options.dryRun !== true) await offloadEmbedded(region, run);
  if (options.follow === true) {
    // One that cannot begin ends the others, too: whoever watches this process starts it again.
    const started = regions.existing.map((region) => offloadExisting(region, run));
    for (const one of started) one.catch((error: unknown) => failed.abort(error));
    await Promise.allSettled(started);
    await Promise.all(started);
  } else for (const region of regions.existing) await offloadExisting(region, run);
  const { passes, rows, rules, deletions, missing, failures } = outcome;
  const json = {
    ...{ dry_run: options.dryRun ?? false, regions: passes, partitions: rows.map(tierRowJson) },
    ...{ rules: rules.map(tierRuleJson), deletions, missing_topics: missing },
  };
  context.data(json, () => tables(outcome, options.dryRun === true));
  if (failures[0] === undefined) return interrupted.exitCode;
  for (const { message } of failures.slice(1)) context.talk(message);
  throw failures[0];
}

async function offloadEmbedded(region: string, { context, world, outcome }: Run): Promise<void> {
  const report = await embeddedPass(world, region);
  outcome.passes.push(passJson(region, report));
  context.talk(`${region}: ${summary(report)}`);
}

async function offloadExisting(region: string, run: Run): Promise<void> {
  const { context, options, world, signal, outcome, open } = run;
  const { topology, state } = world;
  state.create();
  const fields = { role: "tier", region };
  const logger = await openPinoLogger({ level: context.logLevel, format: "pretty", fields });
  await using offloader = await ClusterOffloader.open(
    { topology, state, region, topic: options.topic, readOnly: options.dryRun === true },
    { logger, signal },
  );
  open.set(region, offloader);
  const pass = await passesOf(offloader, { context, options, region, signal });
  open.delete(region);
  // What a pass of many meets is logged when it begins and ends.
  if (options.follow !== true) outcome.failures.push(...pass.failures);
  outcome.passes.push(passJson(region, pass));
  outcome.deletions.push(...pass.deletions.map((deletion) => deletionRow(region, deletion)));
  if (options.dryRun === true)
    outcome.missing.push(...(await offloader.missing()).map((archive) => missingRow(region, archive)));
  outcome.rows.push(...(await rowsOf(region, offloader)));
  outcome.rules.push(...rulesOf(region, offloader));
}

function passJson(region: string, moved: Pick<ClusterPass, "segmentsOffloaded" | "bytesOffloaded">): object {
  return { region, segments_offloaded: moved.segmentsOffloaded, bytes_offloaded: moved.bytesOffloaded };
}

async function rowsOf(region: string, offloader: ClusterOffloader): Promise<readonly TierRow[]> {
  return (await offloader.status()).map((status) => ({ region, ...status }));
}

function rulesOf(region: string, { rules }: ClusterOffloader): readonly TierRuleRow[] {
  return rules.map((rule) => ({ region, ...rule }));
}

async function served({ options: { http, follow }, open }: Run): Promise<HttpServer | undefined> {
  if (http === undefined || follow !== true) return undefined;
  const { openTierHttp } = await import("../../../web/tier-http.ts");
  return openTierHttp(http, async () => {
    const rows = await Promise.all([...open].map(([region, offloader]) => rowsOf(region, offloader)));
    return { partitions: rows.flat(), rules: [...open].flatMap(([region, offloader]) => rulesOf(region, offloader)) };
  });
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
    if (options.follow !== true || signal.aborted) {
      const failures = [...pass.failures, ...(signal.aborted ? [] : await offloader.settle())];
      return { ...pass, failures, segmentsOffloaded, bytesOffloaded };
    }
    if (pass.segmentsOffloaded > 0) context.talk(`${region}: ${summary(pass)}`);
    await sleep(nodeClock(), offloader.everyMs, signal).catch(() => undefined);
  }
}

function summary({ segmentsOffloaded, bytesOffloaded }: Pick<ClusterPass, "segmentsOffloaded" | "bytesOffloaded">) {
  return `${counted(segmentsOffloaded, "segment")} archived (${formatBytes(bytesOffloaded)})`;
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

interface MissingRow {
  readonly region: string;
  readonly topic: string;
  readonly topic_id: string;
  readonly partition: number;
  readonly segments: number;
  readonly bytes: number;
  /** Times as ISO 8601, by the store's clock; null: the next pass notes that it is missing, and the grace begins. */
  readonly missing_since: string | null;
  readonly goes_at: string | null;
}

function missingRow(
  region: string,
  { partition, missingSinceMs, graceMs, segments, bytes }: MissingTopicArchive,
): MissingRow {
  const time = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  const goesAtMs = missingSinceMs === undefined ? undefined : missingSinceMs + graceMs;
  return {
    ...{ region, topic: partition.topic, topic_id: partition.topicId, partition: partition.partition, segments, bytes },
    ...{ missing_since: time(missingSinceMs), goes_at: time(goesAtMs) },
  };
}

const MISSING_COLUMNS: readonly Column<MissingRow>[] = [
  { title: "REGION", value: ({ region }) => region },
  { title: "TOPIC", value: ({ topic }) => topic },
  { title: "PARTITION", align: "right", value: ({ partition }) => partition },
  { title: "SEGMENTS", align: "right", value: ({ segments }) => segments },
  { title: "SIZE", align: "right", value: ({ bytes }) => formatBytes(bytes) },
  { title: "GOES AT", value: ({ goes_at }) => goes_at ?? "a grace period after the next pass" },
];

const COLUMNS: readonly Column<TierRow>[] = [
  { title: "REGION", value: ({ region }) => region },
  { title: "TOPIC", value: ({ partition }) => partition.topic },
  { title: "PARTITION", align: "right", value: ({ partition }) => partition.partition },
  { title: "ARCHIVED TO", align: "right", value: ({ archivedTo }) => archivedTo ?? "" },
  { title: "END", align: "right", value: ({ clusterEnd }) => clusterEnd ?? "" },
  { title: "LAG", align: "right", value: (row) => tierLag(row) ?? "" },
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

function tables({ rows, deletions, missing }: Outcome, isDryRun: boolean): string {
  const parts = rows.length === 0 ? [] : [renderTable(COLUMNS, rows)];
  if (deletions.length > 0) {
    const title = isDryRun ? "would be deleted in the cluster:" : "deleted in the cluster:";
    parts.push(`${title}\n${renderTable(DELETION_COLUMNS, deletions)}`);
  } else if (isDryRun) parts.push("nothing would be deleted in the cluster");
  if (missing.length > 0)
    parts.push(
      `archives that go because the cluster has their topics no more:\n${renderTable(MISSING_COLUMNS, missing)}`,
    );
  return parts.join("\n\n");
}
