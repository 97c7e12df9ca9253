/** A partition log in memory, on a clock that stands still, and batches to put into it. */

import { MemoryStorage } from "../../../../src/adapters/memory-storage.ts";
import { DEFAULT_LOG_CONFIG, type LogConfig } from "../../../../src/broker/log/config.ts";
import { PartitionLog } from "../../../../src/broker/log/partition-log.ts";
import type { Clock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import type { Storage } from "../../../../src/core/storage.ts";
import { type BatchView, batchesIn } from "../../../../src/wire/record-batch.ts";
import { type EncodeOptions, encodeBatch, type RecordInput } from "../../../../src/wire/records.ts";

export const DIRECTORY = "data/orders-0";
export const NOW_MS = 1_700_000_000_000;

/** A wall clock that moves when told. */
export class HandClock implements Clock {
  ms = NOW_MS;
  nowMs(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
  after(): { cancel(): void } {
    return { cancel: () => {} };
  }
}

/** What `batchOf` puts into a batch. */
export interface BatchSpec extends EncodeOptions {
  readonly count?: number;
  readonly timestampMs?: number;
  /** Milliseconds from one record to the next. */
  readonly stepMs?: number;
  readonly valueBytes?: number;
  readonly records?: readonly RecordInput[];
}

/** A batch of `count` equal records. */
export function batchOf(spec: BatchSpec = {}): BatchView {
  const { count = 1, timestampMs = NOW_MS, stepMs = 0, valueBytes = 10, records, ...options } = spec;
  const made = Array.from({ length: count }, (_, i) => ({
    timestampMs: BigInt(timestampMs + i * stepMs),
    key: Buffer.from(`key-${i}`),
    value: Buffer.alloc(valueBytes, i),
  }));
  return encodeBatch(records ?? made, options);
}

/** A log and what it stands on. */
export interface LogWorld {
  readonly storage: MemoryStorage;
  readonly clock: HandClock;
  readonly config: LogConfig;
  log: PartitionLog;
  /** Opens the directory again, as a new process would. */
  reopen(): PartitionLog;
}

/** A fresh log with these settings. */
export function openWorld(config: Partial<LogConfig> = {}): LogWorld {
  const storage = new MemoryStorage();
  const clock = new HandClock();
  const world: LogWorld = {
    storage,
    clock,
    config: { ...DEFAULT_LOG_CONFIG, ...config },
    log: openLog(storage, clock, config),
    reopen() {
      world.log = openLog(storage, clock, config);
      return world.log;
    },
  };
  return world;
}

/** Opens the log in any storage. */
export function openLog(storage: Storage, clock: Clock, config: Partial<LogConfig> = {}): PartitionLog {
  return PartitionLog.open(
    {
      directory: DIRECTORY,
      topic: "orders",
      topicId: "AAECAwQFBgcICQoLDA0ODw",
      partition: 0,
      config: { ...DEFAULT_LOG_CONFIG, ...config },
    },
    { storage, clock, logger: silentLogger },
  );
}

/** Appends batches under one epoch. */
export function appendAll(log: PartitionLog, batches: readonly BatchView[], leaderEpoch = 0): void {
  for (const batch of batches) log.append(batch, { leaderEpoch });
}

/** Base offsets of all batches that the log gives out, read with small fetches. */
export function readAll(log: PartitionLog, maxBytes = 200): bigint[] {
  const bases: bigint[] = [];
  for (let offset = log.localStartOffset; offset < log.endOffset; ) {
    const bytes = log.read({ fromOffset: offset, maxBytes });
    if (bytes.length === 0) return bases;
    for (const batch of batchesIn(bytes)) {
      batch.verifyCrc();
      bases.push(batch.baseOffset);
      offset = batch.nextOffset;
    }
  }
  return bases;
}
