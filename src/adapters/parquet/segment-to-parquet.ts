/** One archived segment as one Parquet file. */

import { isUtf8 } from "node:buffer";
import type { JsonColumn } from "../../core/json-column.ts";
import type { Storage } from "../../core/storage.ts";
import { ArchiveError } from "../../tier/errors.ts";
import type { ArchivedSegment } from "../../tier/manifest.ts";
import { CommittedFilter, outcomeOf } from "../../tier/parquet/committed-records.ts";
import type { ArchivedPartition, ObjectStore } from "../../tier/ports.ts";
import { walkSegment } from "../../tier/segment-walk.ts";
import type { DecodedRecord } from "../../wire/records.ts";
import { ParquetFile } from "./parquet-file.ts";

/** The segment, and what is needed to know which of its records count. */
export interface SegmentTask {
  readonly partition: ArchivedPartition;
  readonly segment: ArchivedSegment;
  /** The segments after it, for the markers of its transactions. */
  readonly later: readonly ArchivedSegment[];
}

/** How it is written. */
export interface ParquetOptions {
  readonly jsonColumns: readonly JsonColumn[];
  readonly isText: boolean;
}

/** Writes `path`, which must not exist. Undefined while a transaction of the segment has no end in the archive: nothing is written.
 *  @throws {ArchiveError} `ARCHIVE_READ_BACK_DIFFERS`, or `PARQUET_NOT_TEXT` when text was asked for
 *  @throws {StoreError | StorageError | WireError} */
export async function segmentToParquet(
  task: SegmentTask,
  options: ParquetOptions,
  deps: { readonly store: ObjectStore; readonly storage: Storage; readonly path: string },
): Promise<{ readonly rows: number; readonly bytes: number } | undefined> {
  const { partition, segment, later } = task;
  const { store, storage, path } = deps;
  const outcome = await outcomeOf(segment, later, store);
  if (outcome.kind === "undecided") return undefined;
  const filter = new CommittedFilter(outcome.aborted);
  const file = storage.open(path, { create: true });
  try {
    const parquet = new ParquetFile({ ...options, partition: partition.partition, metadata: metadataOf(task) }, file);
    const key = `${segment.key}.log`;
    const read = (start: number, endExclusive: number) => store.get(key, { start, endExclusive });
    const walked = await walkSegment({ sizeBytes: segment.logBytes, read }, (batch) => {
      const { baseOffset } = batch;
      for (const record of filter.recordsOf(batch)) {
        const offset = baseOffset + BigInt(record.offsetDelta);
        if (options.isText) demandText(partition, offset, record);
        parquet.add(offset, record);
      }
    });
    if (walked.sha256 !== segment.logSha256)
      throw new ArchiveError({
        code: "ARCHIVE_READ_BACK_DIFFERS",
        key,
        expectedSha256: segment.logSha256,
        actualSha256: walked.sha256,
      });
    parquet.finish();
    // It gets its name next: what has it must be on the disk, or a file that lost power would be taken for whole ever after.
    await file.sync();
    return { rows: parquet.rows, bytes: file.sizeBytes };
  } finally {
    file.close();
  }
}

function metadataOf({ partition, segment }: SegmentTask): Readonly<Record<string, string>> {
  return {
    "kafka.cluster_id": partition.clusterId,
    "kafka.topic": partition.topic,
    "kafka.topic_id": partition.topicId,
    "kafka.partition": String(partition.partition),
    "kafka.base_offset": String(segment.baseOffset),
    "kafka.last_offset": String(segment.lastOffset),
    "segment.sha256": segment.logSha256,
  };
}

function demandText({ topic, partition }: ArchivedPartition, offset: bigint, { key, value }: DecodedRecord): void {
  if ((key === null || isUtf8(key)) && (value === null || isUtf8(value))) return;
  const message = `${topic}-${partition}: the record at offset ${offset} is no UTF-8 text; leave --text out to write bytes`;
  throw new ArchiveError({ code: "PARQUET_NOT_TEXT", topic, partition, offset }, { message });
}
