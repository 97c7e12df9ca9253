/** Restores a partition so that every record has its own offset again: into a partition that is empty, by one writer, in order. The end
 *  of the log is then the position, so a later call finds out from the target alone where to go on.
 *
 *  "An exact restore writes every record at its own offset": each acknowledgement tells where the batch landed, and the first that
 *  differs ends the restore. Repeats and changes of order are kept out by sequence numbers; each attempt writes in an epoch of its
 *  own, which shuts out what an earlier one still has on its way. */

import { backoffMs } from "../../core/backoff.ts";
import { sleep } from "../../core/clock.ts";
import { toError } from "../../core/errors.ts";
import { AbortedTransactions } from "../../mirror/aborted.ts";
import { AckWindow, IN_FLIGHT_MAX } from "../../mirror/ack-window.ts";
import { MirrorError } from "../../mirror/errors.ts";
import { PRODUCER_ID_PREFIX, producerIdOf } from "../../mirror/lane-id.ts";
import { planBatch } from "../../mirror/plan.ts";
import type { PartitionBounds, TopicPartition } from "../../mirror/ports.ts";
import { rewriteBatch, selectRecords } from "../../mirror/rewrite.ts";
import { sequenceOf } from "../../mirror/target-scan.ts";
import { StoreError } from "../../tier/errors.ts";
import type { ObjectStore } from "../../tier/ports.ts";
import { type ArchiveChunk, RangeReader } from "../../tier/restore/range-reader.ts";
import { type RestoreError, restoreError } from "../../tier/restore/restore-error.ts";
import { type BatchView, batchesIn, stampBatch } from "../../wire/record-batch.ts";
import { type DecodedRecord, decodeRecords } from "../../wire/records.ts";
import { deleteBelow, fillerBatches, isFiller } from "./filler.ts";
import { identityMap } from "./identity-map.ts";
import { restoreLane } from "./mapped-copy.ts";
import { type PartitionResult, type PartitionTask, STALL_MS_MAX } from "./partition-task.ts";
import type { RestoreTarget } from "./restore-target.ts";

/** Bytes in flight; a larger batch goes alone. */
const IN_FLIGHT_BYTES_MAX = 4 * 1024 * 1024;
/** Epochs are 16 bits wide; one is taken by each attempt. */
const EPOCH_MAX = 32_766;

/** What the copying stands on. */
export interface ExactDeps {
  readonly archiveClusterId: string;
  readonly store: ObjectStore;
  readonly to: RestoreTarget;
}

/** Copies until the range is restored. @throws {RestoreError} @throws the signal's reason */
export async function copyExact(task: PartitionTask, deps: ExactDeps): Promise<PartitionResult> {
  const { plan, target, signal } = task;
  const { clock, random } = deps.to;
  const { fromOffset, endOffset } = plan.range;
  let best = -1n;
  let movedMs = clock.monotonicMs();
  let startedAt: bigint | undefined;
  for (let attempt = 1; ; attempt++) {
    let next = best;
    try {
      next = await findPlace(task, deps);
      startedAt ??= next;
      if (next >= endOffset) break;
      await new ExactRun(task, deps, next).run();
    } catch (error) {
      if (!isPassing(error)) throw error;
      if (next > best) [best, movedMs, attempt] = [next, clock.monotonicMs(), 1];
      if (clock.monotonicMs() - movedMs > STALL_MS_MAX) throw stopped(target, toError(error).message);
      await sleep(clock, backoffMs(attempt, random), signal);
    }
  }
  const wasDone = startedAt === endOffset;
  const recordsWritten = endOffset - (startedAt ?? endOffset);
  return { offsets: "exact", map: identityMap(fromOffset, endOffset), wasDone, recordsWritten };
}

/** Where to go on, once the target's log is found to be the beginning of the archive's.
 *  @throws {RestoreError} `RESTORE_TARGET_NOT_EMPTY`, `RESTORE_TARGET_CUT` */
async function findPlace(task: PartitionTask, deps: ExactDeps): Promise<bigint> {
  const { plan, target, onProgress } = task;
  const { fromOffset, endOffset } = plan.range;
  const bounds = await deps.to.target.bounds(target);
  if (bounds.endOffset > fromOffset && bounds.endOffset <= endOffset) {
    await demandSameTail(task, deps, bounds);
    // The topic that was archived itself, whose old records were let go, or a restored one that retention has cut since.
    if (bounds.startOffset > fromOffset) {
      const { topic, partition } = target;
      throw restoreError({ code: "RESTORE_TARGET_CUT", topic, partition, fromOffset, startOffset: bounds.startOffset });
    }
    onProgress(bounds.endOffset);
    return bounds.endOffset;
  }
  if (bounds.endOffset > endOffset && endOffset > fromOffset) throw notEmpty(target, bounds);
  if (bounds.startOffset < bounds.endOffset) {
    const last = await lastRecord(target, bounds, deps.to);
    if (last === undefined || !isFiller(last)) throw notEmpty(target, bounds);
  }
  if (endOffset === fromOffset) return endOffset;
  if (bounds.endOffset < fromOffset) await new ExactRun(task, deps, bounds.endOffset).fill();
  if (bounds.startOffset < fromOffset) await deleteBelow(target, fromOffset, deps.to);
  return fromOffset;
}

/** The last record of the target must be the archive's at that offset: time, key and value. */
async function demandSameTail(task: PartitionTask, deps: ExactDeps, bounds: PartitionBounds): Promise<void> {
  const { plan, target } = task;
  const there = await lastRecord(target, bounds, deps.to);
  const reader = new RangeReader({ ...plan.range, fromOffset: bounds.endOffset - 1n }, deps.store);
  const chunk = await reader.next();
  const [batch] = chunk === undefined ? [] : batchesIn(chunk.records);
  const here = batch === undefined ? undefined : decodeRecords(batch)[0];
  if (there === undefined || here === undefined || !isSame(there, here)) throw notEmpty(target, bounds);
}

async function lastRecord(
  target: TopicPartition,
  { startOffset, endOffset }: PartitionBounds,
  to: RestoreTarget,
): Promise<DecodedRecord | undefined> {
  let last: DecodedRecord | undefined;
  if (startOffset === endOffset) return undefined;
  for await (const chunk of to.target.scan(target, endOffset - 1n, endOffset))
    for (const batch of batchesIn(chunk)) if (!batch.isControl) last = decodeRecords(batch).at(-1) ?? last;
  return last;
}

function isSame(a: DecodedRecord, b: DecodedRecord): boolean {
  const isEqual = (x: Buffer | null, y: Buffer | null): boolean => (x === null || y === null ? x === y : x.equals(y));
  return a.timestampMs === b.timestampMs && isEqual(a.key, b.key) && isEqual(a.value, b.value);
}

interface Sent {
  readonly offset: bigint;
  readonly nextOffset: bigint;
}

/** One attempt: from a place that was just found to the first trouble. */
class ExactRun {
  readonly #task: PartitionTask;
  readonly #deps: ExactDeps;
  readonly #start: bigint;
  #next: bigint;
  readonly #window: AckWindow<Sent>;
  #inFlightBytes = 0;
  #isAlone = true;
  #stamp: { readonly producerId: bigint; readonly producerEpoch: number } | undefined;

  constructor(task: PartitionTask, deps: ExactDeps, start: bigint) {
    this.#task = task;
    this.#deps = deps;
    this.#start = start;
    this.#next = start;
    this.#window = new AckWindow<Sent>({
      onAck: (sent, baseOffset) => this.#acknowledge(sent, baseOffset),
      onFault: () => {},
    });
  }

  /** @throws {MirrorError | StoreError} what may pass @throws {RestoreError} */
  async run(): Promise<void> {
    const { plan, signal } = this.#task;
    const reader = new RangeReader({ ...plan.range, fromOffset: this.#start }, this.#deps.store);
    const read = (): Promise<ArchiveChunk | undefined | Error> => reader.next().catch(toError);
    let ahead = read();
    for (;;) {
      const chunk = await ahead;
      if (chunk instanceof Error) throw chunk;
      if (chunk === undefined) break;
      ahead = read();
      const aborted = new AbortedTransactions(chunk.aborted);
      for (const batch of batchesIn(chunk.records)) {
        signal.throwIfAborted();
        if (aborted.covers(batch)) throw this.#hole(batch.nextOffset);
        await this.#forward(batch);
      }
    }
    await this.#settled();
    if (this.#next !== plan.range.endOffset) throw this.#hole(this.#next);
  }

  /** @throws as `run` */
  async fill(): Promise<void> {
    const { plan, signal } = this.#task;
    const oldestMs = BigInt(Math.max(plan.oldestMs, 0));
    for (const batch of fillerBatches(plan.range.fromOffset - this.#start, oldestMs)) {
      signal.throwIfAborted();
      await this.#send(batch, this.#next, this.#next + BigInt(batch.recordCount));
    }
    await this.#settled();
  }

  async #forward(batch: BatchView): Promise<void> {
    const { maxBatchBytes } = await this.#deps.to.target.limits(this.#task.target.topic);
    const rules = { provenance: "all", reverseProducerId: -1n, filter: undefined, maxBatchBytes } as const;
    const plan = planBatch(batch, rules, this.#next, false);
    if (plan.kind === "skip" && plan.reason === "behind") return;
    if (plan.kind === "skip" || batch.baseOffset > this.#next) throw this.#hole(batch.baseOffset);
    if (plan.kind === "forward") return this.#send(batch, batch.baseOffset, batch.nextOffset);
    const { deltas } = selectRecords(batch, this.#next, undefined);
    for (const { batch: part, runs, nextOffset } of rewriteBatch(batch, deltas, rules)) {
      const offset = runs[0]?.sourceStart ?? this.#next;
      if (runs.length !== 1 || offset !== this.#next) throw this.#hole(offset);
      await this.#send(part, offset, nextOffset);
    }
  }

  async #send(batch: BatchView, offset: bigint, nextOffset: bigint): Promise<void> {
    const window = this.#window;
    const max = this.#isAlone ? 1 : IN_FLIGHT_MAX;
    while (window.fault === undefined && this.#isFullFor(batch, max)) await window.below(Math.min(max, window.size));
    if (window.fault !== undefined) throw new MirrorError(window.fault);
    this.#stamp ??= await this.#newEpoch();
    const era = { epoch: this.#stamp.producerEpoch, base: this.#start };
    const bytes = batch.sizeBytes;
    stampBatch(batch, { ...this.#stamp, baseSequence: sequenceOf(offset, era) });
    this.#next = nextOffset;
    this.#inFlightBytes += bytes;
    const outcome = this.#deps.to.target.append(this.#task.target, batch);
    window.push({ offset, nextOffset }, outcome);
    void outcome.then(() => {
      this.#inFlightBytes -= bytes;
    });
  }

  #isFullFor({ sizeBytes }: BatchView, max: number): boolean {
    const { size } = this.#window;
    return size >= max || (size > 0 && this.#inFlightBytes + sizeBytes > IN_FLIGHT_BYTES_MAX);
  }

  async #settled(): Promise<void> {
    await this.#window.below(1);
    if (this.#window.fault !== undefined) throw new MirrorError(this.#window.fault);
  }

  #acknowledge({ offset, nextOffset }: Sent, baseOffset: bigint): undefined {
    const { topic, partition } = this.#task.target;
    if (baseOffset !== offset)
      throw restoreError({ code: "RESTORE_OFFSET_MOVED", topic, partition, expected: offset, actual: baseOffset });
    this.#isAlone = false;
    if (nextOffset > this.#task.plan.range.fromOffset) this.#task.onProgress(nextOffset);
  }

  /** The one after the latest that the partition remembers. */
  async #newEpoch(): Promise<{ readonly producerId: bigint; readonly producerEpoch: number }> {
    const { to, archiveClusterId } = this.#deps;
    const { source, target } = this.#task;
    const lane = restoreLane(archiveClusterId, source, to.target.clusterId, target);
    const producerId = producerIdOf(lane) ^ OTHER_PREFIX;
    const known = await to.target.producer(target, producerId);
    const producerEpoch = (known?.epoch ?? -1) + 1;
    if (producerEpoch > EPOCH_MAX) throw stopped(target, "too many attempts");
    return { producerId, producerEpoch };
  }

  #hole(offset: bigint): RestoreError {
    return stopped(
      this.#task.target,
      `the archive has no record at ${this.#next} but at ${offset}, which its manifest does not tell`,
    );
  }
}

/** "RS" instead of "TR" in front: mirrors that carry on only what is at home in a cluster take these records for that. */
const OTHER_PREFIX = BigInt(PRODUCER_ID_PREFIX ^ 0x5253) << 47n;

/** Another attempt may help. */
function isPassing(error: unknown): boolean {
  if (error instanceof StoreError) return error.fault.code !== "STORE_MISSING" && error.fault.code !== "STORE_DENIED";
  return error instanceof MirrorError && PASSING.has(error.fault.code);
}

const PASSING: ReadonlySet<string> = new Set(["TARGET_UNAVAILABLE", "TARGET_DOUBT"]);

function notEmpty({ topic, partition }: TopicPartition, { startOffset, endOffset }: PartitionBounds): RestoreError {
  const records = endOffset - startOffset;
  return restoreError({ code: "RESTORE_TARGET_NOT_EMPTY", topic, partition, records });
}

function stopped({ topic, partition }: TopicPartition, why: string): RestoreError {
  return restoreError({ code: "RESTORE_STOPPED", topic, partition, why });
}
