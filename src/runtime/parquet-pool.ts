/** Worker threads that write segments as Parquet files side by side. */

import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { SegmentTask } from "../adapters/parquet/segment-to-parquet.ts";
import type { ParquetOutcome, ParquetPlace } from "../adapters/parquet/write-segment.ts";
import type { Manifest } from "../tier/manifest.ts";
import { decidingSegments } from "../tier/parquet/committed-records.ts";
import type { TierLimits } from "../tier/throttled-store.ts";
import type { StoreDeclaration } from "../topology/store-schema.ts";

/** Each holds one row group and one part of a segment in memory, and what the collector has not freed yet. */
const WORKERS_MAX = 4;

/** What all segments of a run have in common. */
export interface ParquetJob extends ParquetPlace {
  readonly store: StoreDeclaration;
  readonly statePath: string;
  /** Of all workers together. */
  readonly limits?: TierLimits | undefined;
  /** How many share them. */
  readonly workers: number;
}

/** What became of a segment. */
export type ParquetAnswer =
  | ParquetOutcome
  | { readonly kind: "failed"; readonly code: string; readonly message: string };

/** All segments of an archive, each with those that decide about its transactions. */
export function segmentTasks(manifest: Manifest | undefined): readonly SegmentTask[] {
  if (manifest === undefined) return [];
  const { partition, segments } = manifest;
  return segments.map((segment, at) => ({ partition, segment, later: decidingSegments(segments, at) }));
}

/** How a run goes. */
export interface ParquetRun {
  readonly onAnswer: (task: SegmentTask, answer: ParquetAnswer) => void;
  /** Default 4, and never more than there are processors. */
  readonly workersMax?: number;
  /** Ends the workers where they are: what is not whole is in the spool only. */
  readonly signal?: AbortSignal;
}

/** Hands out `tasks`, each to the next idle worker, and tells each answer. Resolves when all are done, or the run was ended; rejects
 *  when a worker dies. */
export async function writeParquet(
  job: Omit<ParquetJob, "workers">,
  tasks: readonly SegmentTask[],
  run: ParquetRun,
): Promise<void> {
  const rest = tasks.values();
  const workers = Math.min(run.workersMax ?? WORKERS_MAX, availableParallelism(), tasks.length);
  await Promise.all(Array.from({ length: workers }, () => runWorker({ ...job, workers }, rest, run)));
}

function runWorker(job: ParquetJob, rest: ArrayIterator<SegmentTask>, { onAnswer, signal }: ParquetRun): Promise<void> {
  const worker = new Worker(new URL(`./parquet-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: job,
  });
  return new Promise<void>((resolve, reject) => {
    const end = (): void => {
      signal?.removeEventListener("abort", end);
      void worker.terminate().then(() => resolve());
    };
    signal?.addEventListener("abort", end, { once: true });
    let task: SegmentTask | undefined;
    const next = (): void => {
      const step = rest.next();
      task = step.done === true ? undefined : step.value;
      if (task === undefined || signal?.aborted === true) end();
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
