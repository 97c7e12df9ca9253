/** `tier rm`: takes a topic out of the archives. */

import { nodeClock } from "../../../adapters/node-clock.ts";
import { readHead } from "../../../tier/archive.ts";
import { archiveFailure } from "../../../tier/archive-failure.ts";
import { removePartition } from "../../../tier/retention.ts";
import { formatBytes } from "../../../topology/units.ts";
import type { CliContext } from "../../context.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { type Column, renderTable } from "../../output.ts";
import { nothingSelected, storedArchives, type TierOptions } from "./archives.ts";

/** Options of `tier rm`. */
export interface TierRmOptions extends TierOptions {
  readonly partition?: number;
  readonly topicId?: string;
  /** Do it. */
  readonly yes?: boolean;
}

interface Row {
  readonly store: string;
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly segments: number;
  readonly bytes: number;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: "STORE", value: (row) => row.store },
  { title: "TOPIC", value: (row) => row.topic },
  { title: "TOPIC ID", value: (row) => row.topicId },
  { title: "PARTITION", align: "right", value: (row) => row.partition },
  { title: "SEGMENTS", align: "right", value: (row) => row.segments },
  { title: "SIZE", align: "right", value: (row) => formatBytes(row.bytes) },
];

/** Prints what was, or without `--yes` would be, taken out. @throws {ArchiveError} `ARCHIVE_UNKNOWN`, `ARCHIVE_CONTENDED` */
export async function tierRm(context: CliContext, options: TierRmOptions, topic: string): Promise<ExitCode> {
  const rows: Row[] = [];
  const { partition, topicId, yes = false } = options;
  let archives = 0;
  for await (const { store, entry } of storedArchives(
    context,
    options,
    { use: yes ? "write" : "read" },
    { topic, partition, topicId },
  )) {
    archives++;
    const segments = (await readHead(store, entry.partition))?.manifest.segments ?? [];
    if (segments.length === 0) continue;
    if (yes && (await removePartition(entry.partition, "command", { store, clock: nodeClock() })) === undefined)
      throw archiveFailure({ code: "ARCHIVE_CONTENDED", topic, partition: entry.partition.partition, attempts: 1 });
    const bytes = segments.reduce((sum, segment) => sum + segment.logBytes, 0);
    const { topicId, partition } = entry.partition;
    rows.push({ store: store.location, topic, topicId, partition, segments: segments.length, bytes });
  }
  if (archives === 0) throw nothingSelected({ topic, ...options });
  const json = rows.map(({ topicId, ...row }) => ({ ...row, topic_id: topicId }));
  context.data({ dry_run: !yes, partitions: json }, () => renderTable(COLUMNS, rows));
  context.talk(
    yes ? "tributary tier gc removes the objects after its grace period" : "nothing was changed; --yes does it",
  );
  return EXIT.ok;
}
