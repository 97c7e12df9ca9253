/** `tier parquet`: archived segments as Parquet files, for DuckDB, pandas and the like. */

import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { nodeClock } from "../../../adapters/node-clock.ts";
import { nodeRandom } from "../../../adapters/node-random.ts";
import { nodeStorage } from "../../../adapters/node-storage.ts";
import type { SegmentTask } from "../../../adapters/parquet/segment-to-parquet.ts";
import { storeDeclarations } from "../../../runtime/declared-stores.ts";
import { openStore } from "../../../runtime/open-store.ts";
import { type ParquetAnswer, writeParquet } from "../../../runtime/parquet-pool.ts";
import { readHead } from "../../../tier/archive.ts";
import { isSelected, readCatalog } from "../../../tier/catalog.ts";
import { decidingSegments } from "../../../tier/parquet/committed-records.ts";
import type { JsonColumn } from "../../../tier/parquet/json-columns.ts";
import type { ObjectStore } from "../../../tier/ports.ts";
import { formatBytes } from "../../../topology/units.ts";
import type { CliContext } from "../../context.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { counted } from "../../output.ts";
import { topologyInUse } from "../../topology-in-use.ts";
import type { TierTopicOptions } from "./archives.ts";

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
    readonly base_offset: string;
    readonly message: string;
  }[];
}

/** Prints how many files were written; exit 1 when a segment failed. */
export async function tierParquet(context: CliContext, options: TierParquetOptions): Promise<ExitCode> {
  const { topology, state } = topologyInUse(context);
  const totals: Totals = { written: 0, rows: 0, bytes: 0, there: 0, waiting: 0, failures: [] };
  const directory = options.to === undefined ? undefined : resolve(options.to);
  const spoolDirectory = join(directory ?? tmpdir(), `.tributary-parquet-${process.pid}`);
  const storage = nodeStorage();
  storage.makeDirectory(spoolDirectory);
  try {
    for (const rule of storeDeclarations(topology, options.region)) {
      const declaration = { store: rule.store, s3: rule.s3 };
      const opened = await openStore(declaration, { clock: nodeClock(), random: nodeRandom(), statePath: state.path });
      const tasks = await segmentTasks(opened, options).finally(() => opened.close());
      const { text: isText = false, overwrite: isOverwriting = false, jsonColumns = [] } = options;
      const job = { store: declaration, statePath: state.path, directory, spoolDirectory, isOverwriting };
      await writeParquet({ ...job, options: { isText, jsonColumns } }, tasks, (task, answer) => {
        count(totals, task, answer);
        context.progress(`${counted(totals.written, "file")}, ${counted(totals.rows, "record")}`);
      });
    }
  } finally {
    storage.remove(spoolDirectory);
  }
  const { written, rows, bytes, there, waiting, failures } = totals;
  const summary = `${counted(written, "file")} written with ${counted(rows, "record")} (${formatBytes(bytes)}), ${there} there before, ${waiting} waiting for the end of a transaction`;
  context.data({ files: written, records: rows, bytes, there, waiting, failures }, () =>
    [
      ...failures.map((each) => `${each.topic}-${each.partition} at ${each.base_offset}: ${each.message}`),
      summary,
    ].join("\n"),
  );
  return failures.length === 0 ? EXIT.ok : EXIT.failure;
}

/** Every archived segment that is selected, with those behind it. @throws {ArchiveError | StoreError} */
async function segmentTasks(store: ObjectStore, options: TierParquetOptions): Promise<readonly SegmentTask[]> {
  const tasks: SegmentTask[] = [];
  for (const { partition } of await readCatalog(store)) {
    if (!isSelected(partition, options)) continue;
    const segments = (await readHead(store, partition))?.manifest.segments ?? [];
    for (const [at, segment] of segments.entries())
      tasks.push({ partition, segment, later: decidingSegments(segments, at) });
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
