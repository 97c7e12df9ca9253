/** `tier ls`, `verify` and `gc`: what lies in the stores, whether it is whole, and what nobody needs any more. All of it from the
 *  bucket alone: no region has to run. */

import { nodeClock } from "../../adapters/node-clock.ts";
import { nodeRandom } from "../../adapters/node-random.ts";
import { declaredStores } from "../../runtime/declared-stores.ts";
import { type CatalogEntry, readCatalog } from "../../tier/catalog.ts";
import { collect } from "../../tier/gc.ts";
import { decodeManifest, type Manifest } from "../../tier/manifest.ts";
import type { ObjectStore } from "../../tier/ports.ts";
import { verifyPartition } from "../../tier/verify.ts";
import { formatBytes } from "../../topology/units.ts";
import type { CliContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { type Column, counted, renderTable } from "../output.ts";
import { topologyInUse } from "../topology-in-use.ts";

/** Options of all of them. */
export interface TierOptions {
  readonly region?: string;
}

/** Options of `tier verify`. */
export interface TierVerifyOptions extends TierOptions {
  /** Share of the segments to read, 0 to 1. */
  readonly sample: number;
}

/** Options of `tier gc`. */
export interface TierGcOptions extends TierOptions {
  readonly graceMs: number;
  readonly dryRun?: boolean;
}

interface Row {
  readonly store: string;
  readonly topic: string;
  readonly partition: number;
  readonly segments: number;
  readonly records: number;
  readonly bytes: number;
  readonly fromOffset: string;
  readonly nextOffset: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: "STORE", value: (row) => row.store },
  { title: "TOPIC", value: (row) => row.topic },
  { title: "PARTITION", align: "right", value: (row) => row.partition },
  { title: "SEGMENTS", align: "right", value: (row) => row.segments },
  { title: "RECORDS", align: "right", value: (row) => row.records },
  { title: "SIZE", align: "right", value: (row) => formatBytes(row.bytes) },
  { title: "FROM", align: "right", value: (row) => row.fromOffset },
  { title: "NEXT", align: "right", value: (row) => row.nextOffset },
];

/** Prints one row for each archived partition. */
export async function tierLs(context: CliContext, options: TierOptions): Promise<ExitCode> {
  const rows: Row[] = [];
  for await (const { store, entry } of entries(context, options)) {
    const newest = entry.manifestKeys.at(-1);
    if (newest === undefined) continue;
    rows.push(rowOf(store.location, decodeManifest(newest, await store.get(newest))));
  }
  const json = rows.map(({ fromOffset, nextOffset, ...rest }) => ({
    ...rest,
    from_offset: fromOffset,
    next_offset: nextOffset,
  }));
  context.data({ partitions: json }, () => renderTable(COLUMNS, rows));
  return EXIT.ok;
}

function rowOf(store: string, { partition, segments }: Manifest): Row {
  return {
    store,
    topic: partition.topic,
    partition: partition.partition,
    segments: segments.length,
    records: segments.reduce((sum, segment) => sum + segment.recordCount, 0),
    bytes: segments.reduce((sum, segment) => sum + segment.logBytes, 0),
    fromOffset: String(segments[0]?.baseOffset ?? ""),
    nextOffset: String(segments.at(-1)?.nextOffset ?? ""),
  };
}

/** Prints what is wrong; exit 2 when anything is. */
export async function tierVerify(context: CliContext, options: TierVerifyOptions): Promise<ExitCode> {
  const findings: { readonly store: string; readonly key: string; readonly kind: string; readonly what: string }[] = [];
  let [partitions, segments, segmentsRead, bytesRead] = [0, 0, 0, 0];
  for await (const { store, entry } of entries(context, options)) {
    const report = await verifyPartition(entry, { share: options.sample }, { store, random: nodeRandom() });
    partitions++;
    segments += report.segments;
    segmentsRead += report.segmentsRead;
    bytesRead += report.bytesRead;
    findings.push(...report.findings.map((finding) => ({ store: store.location, ...finding })));
    context.progress(`${counted(partitions, "partition")}, ${formatBytes(bytesRead)} read`);
  }
  const totals = { partitions, segments, segments_read: segmentsRead, bytes_read: bytesRead };
  const summary = `${counted(partitions, "partition")}, ${counted(segments, "segment")}, ${segmentsRead} read (${formatBytes(bytesRead)}): ${counted(findings.length, "finding")}`;
  context.data({ ...totals, findings }, () =>
    [...findings.map(({ kind, store, key, what }) => `${kind}  ${store} ${key}: ${what}`), summary].join("\n"),
  );
  return findings.length === 0 ? EXIT.ok : EXIT.finding;
}

/** Prints what was removed. */
export async function tierGc(context: CliContext, options: TierGcOptions): Promise<ExitCode> {
  const { graceMs, dryRun = false } = options;
  const removed: string[] = [];
  let [bytes, waiting] = [0, 0];
  for await (const { store, entry } of entries(context, options)) {
    const report = await collect(entry, { graceMs, dryRun }, { store, clock: nodeClock() });
    removed.push(...[...report.objects, ...report.manifests].map((key) => `${store.location} ${key}`));
    bytes += report.bytes;
    waiting += report.waiting;
  }
  const verb = dryRun ? "would be removed" : "removed";
  const summary = `${counted(removed.length, "object")} ${verb} (${formatBytes(bytes)}), ${waiting} still in their grace period`;
  context.data({ dry_run: dryRun, removed, bytes, waiting }, () => [...removed, summary].join("\n"));
  return EXIT.ok;
}

async function* entries(
  context: CliContext,
  { region }: TierOptions,
): AsyncGenerator<{ readonly store: ObjectStore; readonly entry: CatalogEntry }, void, undefined> {
  const { topology, state } = topologyInUse(context);
  let stores = 0;
  for await (const store of declaredStores(topology, state, region)) {
    stores++;
    for (const entry of await readCatalog(store)) yield { store, entry };
  }
  if (stores === 0)
    context.talk(region === undefined ? "no tiering is declared" : `no tiering of ${region} is declared`);
}
