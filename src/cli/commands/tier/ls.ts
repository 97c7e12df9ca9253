/** `tier ls`: what is archived. */

import { ArchiveError } from "../../../tier/errors.ts";
import { decodeManifest, type Manifest } from "../../../tier/manifest.ts";
import { formatBytes } from "../../../topology/units.ts";
import type { CliContext } from "../../context.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { type Column, renderTable } from "../../output.ts";
import { storedArchives, type TierOptions } from "./archives.ts";

interface Row {
  readonly store: string;
  readonly topic: string;
  readonly topicId: string;
  readonly clusterId: string;
  readonly partition: number;
  readonly segments: number;
  readonly records: number;
  readonly bytes: number;
  readonly fromOffset: string;
  readonly nextOffset: string;
  /** Of the newest record; null where none has a time. */
  readonly newestTimestampMs: number | null;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: "STORE", value: (row) => row.store },
  { title: "TOPIC", value: (row) => row.topic },
  { title: "TOPIC ID", value: (row) => row.topicId },
  { title: "PARTITION", align: "right", value: (row) => row.partition },
  { title: "SEGMENTS", align: "right", value: (row) => row.segments },
  { title: "RECORDS", align: "right", value: (row) => row.records },
  { title: "SIZE", align: "right", value: (row) => formatBytes(row.bytes) },
  { title: "FROM", align: "right", value: (row) => row.fromOffset },
  { title: "NEXT", align: "right", value: (row) => row.nextOffset },
];

/** Prints one row for each archived partition; exit 2 when the manifest of one cannot be read, of which it is said and the others are
 *  listed. */
export async function tierLs(context: CliContext, options: TierOptions): Promise<ExitCode> {
  const rows: Row[] = [];
  const damaged: { readonly store: string; readonly key: string }[] = [];
  for await (const { store, entry } of storedArchives(context, options, { use: "read" })) {
    const newest = entry.manifestKeys.at(-1);
    if (newest === undefined) continue;
    try {
      rows.push(rowOf(store.location, decodeManifest(newest, await store.get(newest))));
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw error;
      damaged.push({ store: store.location, key: newest });
      context.talk(error.message);
    }
  }
  const json = rows.map(({ topicId, clusterId, fromOffset, nextOffset, newestTimestampMs, ...rest }) => ({
    ...rest,
    topic_id: topicId,
    cluster_id: clusterId,
    from_offset: fromOffset,
    next_offset: nextOffset,
    newest_timestamp_ms: newestTimestampMs,
  }));
  context.data({ partitions: json, damaged }, () => renderTable(COLUMNS, rows));
  return damaged.length === 0 ? EXIT.ok : EXIT.finding;
}

function rowOf(store: string, { partition: { topic, topicId, clusterId, partition }, segments }: Manifest): Row {
  const newest = segments.reduce((max, { maxTimestampMs }) => Math.max(max, maxTimestampMs), -1);
  return {
    store,
    ...{ topic, topicId, clusterId, partition },
    segments: segments.length,
    records: segments.reduce((sum, segment) => sum + segment.recordCount, 0),
    bytes: segments.reduce((sum, segment) => sum + segment.logBytes, 0),
    fromOffset: String(segments[0]?.baseOffset ?? ""),
    nextOffset: String(segments.at(-1)?.nextOffset ?? ""),
    newestTimestampMs: newest < 0 ? null : newest,
  };
}
