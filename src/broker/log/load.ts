/** How a log is taken from its directory, whatever state a crash left it in. */

import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type { Storage } from "../../core/storage.ts";
import type { BatchView } from "../../wire/record-batch.ts";
import { lowerOffset } from "../offset-order.ts";
import { claimPartitionMetadata, readOffsetCheckpoint } from "./checkpoint-file.ts";
import type { LogConfig } from "./config.ts";
import {
  LEADER_EPOCHS_FILE,
  LOG_START_FILE,
  offsetInFileName,
  PARTITION_METADATA_FILE,
  RECOVERY_POINT_FILE,
  SEGMENT_SUFFIXES,
} from "./file-names.ts";
import { LeaderEpochs } from "./leader-epochs.ts";
import { rebuildProducers, removeSnapshotsAbove, removeStraySnapshots } from "./producer-recovery.ts";
import { ProducerStates } from "./producer-states.ts";
import { Segment } from "./segment.ts";

/** Which partition, where, and under which settings. */
export interface LogOptions {
  /** Directory of this partition alone; made when missing. */
  readonly directory: string;
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly config: LogConfig;
}

/** What a log needs from outside. */
export interface LogDeps {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A log's parts as found on disk; the last segment is the active one. */
export interface LoadedLog {
  readonly segments: Segment[];
  readonly epochs: LeaderEpochs;
  readonly producers: ProducerStates;
  readonly startOffset: bigint;
  readonly recoveryPoint: bigint;
}

/** Names under which the storage prepares files; a crash may leave them. */
const LEFTOVER_SUFFIX = ".tmp";

/** Opens, checks and repairs everything. @throws {LogError} `LOG_WRONG_TOPIC`, `LOG_BAD_FILE` @throws {StorageError} */
export function loadLog(options: LogOptions, deps: LogDeps): LoadedLog {
  const { directory, config } = options;
  const { storage } = deps;
  storage.makeDirectory(directory);
  claimPartitionMetadata(storage, `${directory}/${PARTITION_METADATA_FILE}`, options.topicId);
  const checkpointStart = readOffsetCheckpoint(storage, `${directory}/${LOG_START_FILE}`);
  removeLeftovers(storage, directory, checkpointStart ?? 0n);
  const recoveryPoint = readOffsetCheckpoint(storage, `${directory}/${RECOVERY_POINT_FILE}`) ?? 0n;

  const epochs = new LeaderEpochs(`${directory}/${LEADER_EPOCHS_FILE}`, { storage });
  const hasEpochs = epochs.load();
  const noteEpoch = (batch: BatchView): void => {
    if (batch.leaderEpoch > epochs.latest) epochs.assign(batch.leaderEpoch, batch.baseOffset);
  };
  const { segments, indexedTo } = loadSegments(options, deps, {
    trustedOffset: recoveryPoint,
    // Without the epochs' file they are found in the batches, so nothing may be skipped.
    walkAll: !hasEpochs,
    startOffset: checkpointStart ?? 0n,
    noteEpoch,
  });

  let end = segments.at(-1)?.nextOffset;
  if (end === undefined || end < (checkpointStart ?? 0n)) {
    // Everything that was readable is gone: go on where the log is known to have reached.
    for (const segment of segments.splice(0)) segment.remove();
    const first = new Segment(checkpointStart ?? 0n, { directory, storage });
    first.create();
    segments.push(first);
    end = first.nextOffset;
  }
  epochs.truncateFromEnd(end);
  removeSnapshotsAbove({ storage, directory }, end);
  const producers = new ProducerStates();
  const expiry = { nowMs: deps.clock.nowMs(), expirationMs: config.producerIdExpirationMs };
  rebuildProducers({ storage, directory }, producers, { segments, endOffset: end, indexedTo, ...expiry });
  // Kafka's snapshots hold one batch per producer, so after a start it knows no more; clients meet the same here.
  producers.keepLastBatches();
  removeStraySnapshots({ storage, directory }, segments);
  const startOffset = checkpointStart ?? segments[0]?.baseOffset ?? 0n;
  return { segments, epochs, producers, startOffset, recoveryPoint: recoveryPoint < end ? recoveryPoint : end };
}

function loadSegments(
  options: LogOptions,
  deps: LogDeps,
  known: {
    readonly trustedOffset: bigint;
    readonly walkAll: boolean;
    readonly startOffset: bigint;
    readonly noteEpoch: (batch: BatchView) => void;
  },
): { readonly segments: Segment[]; readonly indexedTo: bigint } {
  const { directory, config } = options;
  const bases = deps.storage.list(directory).flatMap((name) => offsetInFileName(name, ".log") ?? []);
  const segments: Segment[] = [];
  let indexedTo = known.trustedOffset;
  for (const [i, base] of bases.entries()) {
    const segment = new Segment(base, { directory, storage: deps.storage });
    const nextBase = bases[i + 1];
    if (nextBase !== undefined && nextBase <= known.startOffset) {
      segment.remove();
      continue;
    }
    segments.push(segment);
    if (!segment.dropDamagedAborted()) indexedTo = lowerOffset(indexedTo, base);
    const isTrusted = nextBase !== undefined && nextBase <= known.trustedOffset;
    if (isTrusted && !known.walkAll && segment.openSealed(nextBase)) continue;
    const cutBytes = segment.recover({
      trustedOffset: known.trustedOffset,
      walkAll: known.walkAll,
      indexIntervalBytes: config.indexIntervalBytes,
      seen: known.noteEpoch,
    });
    if (cutBytes > 0) deps.logger.warn("torn end of a segment cut off", { path: segment.path(".log"), cutBytes });
    if (nextBase === undefined) break;
    // Compaction may end a segment early, but only below the recovery point; above it a gap is lost data.
    if (segment.nextOffset === nextBase || (cutBytes === 0 && isTrusted)) {
      segment.seal();
      segment.release();
      continue;
    }
    const lost = bases.slice(i + 1);
    deps.logger.warn("segments after damage removed", { directory, segments: lost.length });
    for (const later of lost.toReversed()) new Segment(later, { directory, storage: deps.storage }).remove();
    break;
  }
  return { segments, indexedTo };
}

/** Removes prepared files that never got their name, and indexes whose data is gone; those of aborted transactions stay when
 *  the data was moved to a cold store. */
function removeLeftovers(storage: Storage, directory: string, startOffset: bigint): void {
  const firstLocal = storage.list(directory).flatMap((name) => offsetInFileName(name, ".log") ?? [])[0] ?? 0n;
  const isCold = startOffset < firstLocal;
  for (const name of storage.list(directory)) {
    const isLeftover = name.endsWith(LEFTOVER_SUFFIX);
    const indexBase = offsetInFileName(name, ".txnindex");
    if (isCold && indexBase !== undefined && indexBase < firstLocal) continue;
    const orphanOf = SEGMENT_SUFFIXES.find((suffix) => suffix !== ".log" && name.endsWith(suffix));
    const dataName = orphanOf === undefined ? undefined : `${name.slice(0, -orphanOf.length)}.log`;
    const isOrphan = dataName !== undefined && !storage.exists(`${directory}/${dataName}`);
    if (isLeftover || isOrphan) storage.remove(`${directory}/${name}`);
  }
}
