/** `tier ls`: what is archived. */

import { decodeManifest, type Manifest } from "../../../tier/manifest.ts";
import { formatBytes } from "../../../topology/units.ts";
import type { CliContext } from "../../context.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { type Column, renderTable } from "../../output.ts";
import { storedArchives, type TierOptions } from "./archives.ts";

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
  for await (const { store, entry } of storedArchives(context, options, { use: "read" })) {
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
