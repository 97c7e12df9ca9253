/** Worker threads that write segments as Parquet files side by side. */

import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { SegmentTask } from "../adapters/parquet/segment-to-parquet.ts";
import type { ParquetOutcome, ParquetPlace } from "../adapters/parquet/write-segment.ts";
import type { StoreDeclaration } from "../topology/store-schema.ts";

/** Each holds one row group and one part of a segment in memory, and what the collector has not freed yet. */
const WORKERS_MAX = 4;

/** What all segments of a run have in common. */
export interface ParquetJob extends ParquetPlace {
  readonly store: StoreDeclaration;
  readonly statePath: string;
}

/** What became of a segment. */
export type ParquetAnswer =
  | ParquetOutcome
  | { readonly kind: "failed"; readonly code: string; readonly message: string };

/** Hands out `tasks`, each to the next idle worker, and tells each answer. Resolves when all are done; a worker that dies ends it. */
export async function writeParquet(
  job: ParquetJob,
  tasks: readonly SegmentTask[],
  onAnswer: (task: SegmentTask, answer: ParquetAnswer) => void,
): Promise<void> {
  const rest = tasks.values();
  const count = Math.min(WORKERS_MAX, availableParallelism(), tasks.length);
  const workers = Array.from({ length: count }, () => runWorker(job, rest, onAnswer));
  await Promise.all(workers);
}

function runWorker(
  job: ParquetJob,
  rest: ArrayIterator<SegmentTask>,
  onAnswer: (task: SegmentTask, answer: ParquetAnswer) => void,
): Promise<void> {
  const worker = new Worker(new URL(`./parquet-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: job,
  });
  return new Promise<void>((resolve, reject) => {
    let task: SegmentTask | undefined;
    const next = (): void => {
      const step = rest.next();
      task = step.done === true ? undefined : step.value;
      if (task === undefined) void worker.terminate().then(() => resolve());
      else worker.postMessage(task);
    };
    worker.on("message", (answer: ParquetAnswer) => {
      if (task !== undefined) onAnswer(task, answer);
      next();
    });
    worker.once("error", reject);
    next();
  });
}
