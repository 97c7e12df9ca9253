/** `tier export`: archived partitions as plain segment files, such as `kafka-dump-log` reads. */

import { resolve } from "node:path";
import { nodeStorage } from "../../../adapters/node-storage.ts";
import { readHead } from "../../../tier/archive.ts";
import { archiveFailure } from "../../../tier/archive-failure.ts";
import { type ExportReport, exportPartition } from "../../../tier/export.ts";
import { formatBytes } from "../../../topology/units.ts";
import type { CliContext } from "../../context.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { type Column, counted, renderTable } from "../../output.ts";
import { isDamage, nothingSelected, storedArchives, type TierTopicOptions, tellLostNames } from "./archives.ts";

/** Options of `tier export`. */
export interface TierExportOptions extends TierTopicOptions {
  readonly to: string;
}

const COLUMNS: readonly Column<ExportReport>[] = [
  { title: "DIRECTORY", value: (row) => row.directory },
  { title: "SEGMENTS", align: "right", value: (row) => row.segments },
  { title: "SIZE", align: "right", value: (row) => formatBytes(row.bytes) },
  { title: "THERE BEFORE", align: "right", value: (row) => row.segmentsKept },
];

/** Prints one row for each directory; exit 1 when a partition is damaged, of which it is said, and the others are written. @throws {ArchiveError} `ARCHIVE_AMBIGUOUS`, `ARCHIVE_UNKNOWN`, and of `exportPartition` */
export async function tierExport(context: CliContext, options: TierExportOptions): Promise<ExitCode> {
  const directory = resolve(options.to);
  const from = new Map<string, string>();
  const rows: ExportReport[] = [];
  const failures: { readonly topic: string; readonly partition: number; readonly message: string }[] = [];
  for await (const { store, entry } of storedArchives(context, options, { use: "read" }, options)) {
    const { topic, topicId, partition } = entry.partition;
    const name = `${topic}-${partition}`;
    const before = from.get(name);
    if (before !== undefined) {
      const candidates = [before, `${store.location} ${entry.prefix}`];
      throw archiveFailure({ code: "ARCHIVE_AMBIGUOUS", topic, candidates });
    }
    from.set(name, `${store.location} ${entry.prefix}`);
    try {
      await tellLostNames(context, store, [entry]);
      const head = await readHead(store, entry.partition);
      if (head === undefined || head.manifest.segments.length === 0) continue;
      context.progress(`${name} (${topicId}): ${counted(head.manifest.segments.length, "segment")}`);
      rows.push(await exportPartition(head.manifest, { storage: nodeStorage(), directory }, store));
    } catch (error) {
      // What is damaged keeps nobody from the rest; a store or disk that fails does.
      if (!isDamage(error)) throw error;
      failures.push({ topic, partition, message: error.message });
      context.talk(`${name}: ${error.message}`);
    }
  }
  if (rows.length === 0 && failures.length === 0) throw nothingSelected(options);
  const json = rows.map(({ segmentsKept, ...row }) => ({ ...row, segments_kept: segmentsKept }));
  context.data({ partitions: json, failures }, () => renderTable(COLUMNS, rows));
  return failures.length === 0 ? EXIT.ok : EXIT.failure;
}
