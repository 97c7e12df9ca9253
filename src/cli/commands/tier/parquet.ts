/** `tier parquet`: archived segments as Parquet files, for DuckDB, pandas and the like. */

import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { nodeStorage } from "../../../adapters/node-storage.ts";
import type { SegmentTask } from "../../../adapters/parquet/segment-to-parquet.ts";
import type { JsonColumn } from "../../../core/json-column.ts";
import { type ParquetAnswer, segmentTasks, writeParquet } from "../../../runtime/parquet-pool.ts";
import { readHead } from "../../../tier/archive.ts";
import { isSelected, readCatalog } from "../../../tier/catalog.ts";
import type { ObjectStore } from "../../../tier/ports.ts";
import { formatBytes } from "../../../topology/units.ts";
import type { CliContext } from "../../context.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { counted } from "../../output.ts";
import { cleanedWhenInterrupted } from "../../signals.ts";
import { isDamage, nothingSelected, type TierTopicOptions } from "./archives.ts";
import { chosenStores, openedStores } from "./stores.ts";

/** Options of `tier parquet`. */
export interface TierParquetOptions extends TierTopicOptions {
  /** A directory; absent: the store itself. */
  readonly to?: string;
  readonly jsonColumns?: readonly JsonColumn[];
  readonly text?: boolean;
  readonly overwrite?: boolean;
}

interface Totals {
  written: number;
  rows: number;
  bytes: number;
  there: number;
  waiting: number;
  readonly failures: {
    readonly topic: string;
    readonly partition: number;
    /** Null where the whole partition cannot be read. */
    readonly base_offset: string | null;
    readonly message: string;
  }[];
}

/** Prints how many files were written; exit 1 when a segment failed. */
export async function tierParquet(context: CliContext, options: TierParquetOptions): Promise<ExitCode> {
  const use = options.to === undefined ? "write" : "read";
  const { statePath } = chosenStores(context, options);
  let segments = 0;
  const totals: Totals = { written: 0, rows: 0, bytes: 0, there: 0, waiting: 0, failures: [] };
  const directory = options.to === undefined ? undefined : resolve(options.to);
  const spoolDirectory = join(directory ?? tmpdir(), `.tributary-parquet-${process.pid}`);
  const storage = nodeStorage();
  using _cleaned = cleanedWhenInterrupted(() => storage.remove(spoolDirectory));
  try {
    for await (const { store, declaration } of openedStores(context, options, use)) {
      const tasks = await selectedTasks(store, options, totals);
      segments += tasks.length;
      if (tasks.length > 0) storage.makeDirectory(spoolDirectory);
      const { text: isText = false, overwrite: isOverwriting = false, jsonColumns = [] } = options;
      const job = {
        store: { store: declaration.store, s3: declaration.s3 },
        statePath,
        directory,
        spoolDirectory,
        isOverwriting,
      };
      await writeParquet({ ...job, options: { isText, jsonColumns } }, tasks, {
        onAnswer: (task, answer) => {
          count(totals, task, answer);
          context.progress(`${counted(totals.written, "file")}, ${counted(totals.rows, "record")}`);
        },
      });
    }
  } finally {
    storage.remove(spoolDirectory);
  }
  if (segments === 0 && totals.failures.length === 0) throw nothingSelected(options);
  const { written, rows, bytes, there, waiting, failures } = totals;
  const summary = `${counted(written, "file")} written with ${counted(rows, "record")} (${formatBytes(bytes)}), ${there} there before, ${waiting} waiting for the end of a transaction`;
  context.data({ files: written, records: rows, bytes, there, waiting, failures }, () =>
    [
      ...failures.map(
        (each) =>
          `${each.topic}-${each.partition}${each.base_offset === null ? "" : ` at ${each.base_offset}`}: ${each.message}`,
      ),
      summary,
    ].join("\n"),
  );
  return failures.length === 0 ? EXIT.ok : EXIT.failure;
}

/** Every archived segment that is selected, with those behind it; a partition whose manifest is damaged is a failure of its own.
 *  @throws {StoreError} */
async function selectedTasks(
  store: ObjectStore,
  options: TierParquetOptions,
  { failures }: Totals,
): Promise<readonly SegmentTask[]> {
  const tasks: SegmentTask[] = [];
  for (const { partition } of await readCatalog(store)) {
    if (!isSelected(partition, options)) continue;
    try {
      tasks.push(...segmentTasks((await readHead(store, partition))?.manifest));
    } catch (error) {
      if (!isDamage(error)) throw error;
      const { topic, partition: index } = partition;
      failures.push({ topic, partition: index, base_offset: null, message: error.message });
    }
  }
  return tasks;
}

function count(totals: Totals, { partition, segment }: SegmentTask, answer: ParquetAnswer): void {
  switch (answer.kind) {
    case "written":
      totals.written++;
      totals.rows += answer.rows;
      totals.bytes += answer.bytes;
      return;
    case "there":
      totals.there++;
      return;
    case "waiting":
      totals.waiting++;
      return;
    case "failed":
      totals.failures.push({
        topic: partition.topic,
        partition: partition.partition,
        base_offset: String(segment.baseOffset),
        message: answer.message,
      });
  }
}
