/** How the files of a log are called: Kafka's names, so that Kafka's tools find them. */

/** Kinds of files that exist once per segment. */
export type SegmentSuffix = ".log" | ".index" | ".timeindex" | ".txnindex";

/** All files of a segment, the data last: whoever deletes in this order never leaves data without its right indexes. */
export const SEGMENT_SUFFIXES: readonly SegmentSuffix[] = [".txnindex", ".timeindex", ".index", ".log"];

/** Suffix of a producer state snapshot; its number is the offset at which it is valid. */
export const SNAPSHOT_SUFFIX = ".snapshot";

/** Epochs and where they start, in Kafka's checkpoint format. */
export const LEADER_EPOCHS_FILE = "leader-epoch-checkpoint";
/** The topic id (`PartitionMetadataFile` in Kafka). */
export const PARTITION_METADATA_FILE = "partition.metadata";
/** First offset of the log when it is not the base of the first segment. */
export const LOG_START_FILE = "log-start-offset-checkpoint";
/** Offset below which everything is known to be on the disk and sound. */
export const RECOVERY_POINT_FILE = "recovery-point-offset-checkpoint";

const DIGITS = 20;

/** `00000000000000000042.log` for 42 and `.log`. */
export function offsetFileName(offset: bigint, suffix: string): string {
  return `${offset.toString().padStart(DIGITS, "0")}${suffix}`;
}

/** The offset in a name made by `offsetFileName`, or undefined when it is another name. */
export function offsetInFileName(name: string, suffix: string): bigint | undefined {
  if (!name.endsWith(suffix)) return undefined;
  const digits = name.slice(0, -suffix.length);
  return /^\d{20}$/.test(digits) ? BigInt(digits) : undefined;
}
