/** Names of Parquet files: the same segment always has the same one, so that writing it again changes nothing. */

import type { ArchivedSegment } from "../../tier/manifest.ts";
import type { ArchivedPartition } from "../../tier/ports.ts";

/** Enough of the data's SHA-256 to tell apart what a broker may once have had at these offsets. */
const DIGEST_LETTERS = 12;

/** Hive's name for a partition without a value. */
const NO_DATE = "__HIVE_DEFAULT_PARTITION__";

/** `topic=<topic>/date=<UTC day of the newest record>/<topic id>-<partition>-<base>-<last>-<digest>.parquet`. The digest is of the
 *  segment's data: it outlives a repair, which gives objects new names. */
export function parquetName(partition: ArchivedPartition, segment: ArchivedSegment): string {
  const { maxTimestampMs, baseOffset, lastOffset, logSha256 } = segment;
  const day = new Date(maxTimestampMs);
  const isDay = maxTimestampMs >= 0 && !Number.isNaN(day.getTime());
  const date = isDay ? day.toISOString().slice(0, "YYYY-MM-DD".length) : NO_DATE;
  const file = `${partition.topicId}-${partition.partition}-${baseOffset}-${lastOffset}-${logSha256.slice(0, DIGEST_LETTERS)}`;
  return `topic=${partition.topic}/date=${date}/${file}.parquet`;
}
