/** Writes what a tiering rule archived as Parquet files, too, beside the passes of its offloader. */

import type { SegmentTask } from "../adapters/parquet/segment-to-parquet.ts";
import type { Clock } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Storage } from "../core/storage.ts";
import { readHead } from "../tier/archive.ts";
import { type CatalogEntry, readCatalog } from "../tier/catalog.ts";
import { partitionPrefix } from "../tier/manifest.ts";
import type { ObjectStore } from "../tier/ports.ts";
import type { TierLimits } from "../tier/throttled-store.ts";
import type { ParquetColumns } from "../topology/model.ts";
import type { StoreDeclaration } from "../topology/store-schema.ts";
import { RuntimeError } from "./errors.ts";
import { type ParquetAnswer, segmentTasks, writeParquet } from "./parquet-pool.ts";

/** Archiving and serving come first. */
const WORKERS_MAX = 2;
/** How often segments are looked at again that wait or failed, and those that somebody else archived. */
const EVERY_MS = 10 * 60_000;
/** No file of these bytes will ever be: they are not tried again. */
const REFUSED: ReadonlySet<string> = new Set(["PARQUET_NOT_TEXT"]);

/** What it works with. */
export interface TierParquetDeps {
  /** For looking; workers open their own. */
  readonly store: ObjectStore;
  readonly declaration: StoreDeclaration;
  readonly limits: TierLimits;
  /** Relative stores lie below it. */
  readonly statePath: string;
  /** Its own: what lies there is removed. */
  readonly spoolDirectory: string;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly wants: (topic: string) => boolean;
}

/** What was done since the start of the process. */
export interface ParquetStatus {
  readonly files: number;
  readonly rows: number;
  readonly bytes: number;
  /** Segments whose transactions have no end in the archive yet. */
  readonly waiting: number;
  /** Segments that were refused, or failed and are tried again. */
  readonly failing: number;
  /** What one of them met, or the last run as a whole. */
  readonly failure: string | undefined;
}

/** What became of a segment that has no file. */
type Open = "waiting" | "refused" | "failed";

interface Progress {
  manifestKey: string;
  /** Segments below it were looked at. */
  seenTo: bigint;
  /** Those of them that have no file, by their keys. */
  readonly open: Map<string, Open>;
}

/** One for each rule; one run at a time. */
export class TierParquet {
  readonly #columns: ParquetColumns;
  readonly #deps: TierParquetDeps;
  readonly #partitions = new Map<string, Progress>();
  readonly #end = new AbortController();
  #status = { files: 0, rows: 0, bytes: 0 };
  #failure: Error | undefined;
  #running: Promise<void> | undefined;
  #isWanted = false;
  #startedMs: number | undefined;

  constructor(columns: ParquetColumns, deps: TierParquetDeps) {
    this.#columns = columns;
    this.#deps = deps;
  }

  get status(): ParquetStatus {
    const open = [...this.#partitions.values()].flatMap((progress) => [...progress.open.values()]);
    const waiting = open.filter((state) => state === "waiting").length;
    return { ...this.#status, waiting, failing: open.length - waiting, failure: this.#failure?.message };
  }

  /** The same as an error. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Begins a run when segments were archived just now (`isNew`), or the last one is a while ago; after the one that runs now. */
  start(clusterId: string, isNew: boolean): void {
    const nowMs = this.#deps.clock.monotonicMs();
    const isDue = this.#startedMs === undefined || nowMs - this.#startedMs >= EVERY_MS;
    if (this.#end.signal.aborted || !(isNew || isDue)) return;
    this.#startedMs = nowMs;
    this.#isWanted = true;
    this.#running ??= this.#runAll(clusterId).finally(() => {
      this.#running = undefined;
    });
  }

  /** Waits for what was begun. Never rejects: what failed is in the status. */
  async settle(): Promise<void> {
    await this.#running;
  }

  /** Ends what is under way; a later process does it again. Idempotent. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#running;
  }

  async #runAll(clusterId: string): Promise<void> {
    while (this.#isWanted && !this.#end.signal.aborted) {
      this.#isWanted = false;
      try {
        this.#tell(await this.#run(clusterId));
      } catch (error) {
        this.#tell(toError(error));
      }
    }
  }

  /** Both ends of a trouble, and nothing while it stays the same. */
  #tell(failure: Error | undefined): void {
    const { logger, store } = this.#deps;
    const facts = { store: store.location };
    if (failure === undefined && this.#failure !== undefined) logger.info("Parquet files are written again", facts);
    if (failure !== undefined && failure.message !== this.#failure?.message)
      logger.warn("not every segment could be written as a Parquet file", { ...facts, cause: failure.message });
    this.#failure = failure;
  }

  async #run(clusterId: string): Promise<Error | undefined> {
    const { store, declaration, limits, statePath, spoolDirectory, storage, wants } = this.#deps;
    const tasks: SegmentTask[] = [];
    for (const entry of await readCatalog(store, `${clusterId}/`))
      if (wants(entry.partition.topic)) tasks.push(...(await this.#tasksOf(entry)));
    if (tasks.length === 0) return this.#failure;
    let failure: Error | undefined;
    const { text: isText, jsonColumns } = this.#columns;
    const place = { directory: undefined, spoolDirectory, isOverwriting: false, options: { isText, jsonColumns } };
    storage.remove(spoolDirectory);
    storage.makeDirectory(spoolDirectory);
    try {
      await writeParquet({ store: declaration, statePath, limits, ...place }, tasks, {
        workersMax: WORKERS_MAX,
        signal: this.#end.signal,
        onAnswer: (task, answer) => {
          this.#note(task, answer);
          if (answer.kind === "failed") failure ??= failed(task, answer);
        },
      });
    } finally {
      storage.remove(spoolDirectory);
    }
    return failure;
  }

  /** Segments that have come since the last look, and those that waited or failed then. */
  async #tasksOf({ prefix, partition, manifestKeys }: CatalogEntry): Promise<readonly SegmentTask[]> {
    const manifestKey = manifestKeys.at(-1);
    const progress = this.#partitions.get(prefix) ?? { manifestKey: "", seenTo: 0n, open: new Map<string, Open>() };
    this.#partitions.set(prefix, progress);
    const again = new Set([...progress.open].flatMap(([key, state]) => (state === "refused" ? [] : [key])));
    if (manifestKey === undefined || (manifestKey === progress.manifestKey && again.size === 0)) return [];
    const all = segmentTasks((await readHead(this.#deps.store, partition))?.manifest);
    progress.manifestKey = manifestKey;
    const named = new Set(all.map(({ segment }) => segment.key));
    for (const key of progress.open.keys()) if (!named.has(key)) progress.open.delete(key);
    const tasks = all.filter(({ segment }) => segment.baseOffset >= progress.seenTo || again.has(segment.key));
    // Until it is answered: a run that is ended leaves them for the next one.
    for (const { segment } of tasks) progress.open.set(segment.key, "waiting");
    progress.seenTo = all.at(-1)?.segment.nextOffset ?? progress.seenTo;
    return tasks;
  }

  #note({ partition, segment }: SegmentTask, answer: ParquetAnswer): void {
    const open = this.#partitions.get(partitionPrefix(partition))?.open;
    if (answer.kind === "waiting") return;
    if (answer.kind === "failed") open?.set(segment.key, REFUSED.has(answer.code) ? "refused" : "failed");
    else open?.delete(segment.key);
    if (answer.kind !== "written") return;
    this.#status.files++;
    this.#status.rows += answer.rows;
    this.#status.bytes += answer.bytes;
  }
}

function failed(
  { partition, segment }: SegmentTask,
  { message }: Extract<ParquetAnswer, { readonly kind: "failed" }>,
): Error {
  const { topic, partition: index } = partition;
  const fault = { code: "PARQUET_FAILED", topic, partition: index, baseOffset: segment.baseOffset } as const;
  return new RuntimeError(fault, {
    message: `${topic}-${index} at ${segment.baseOffset} has no Parquet file: ${message}`,
  });
}
