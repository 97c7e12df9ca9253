/** How much to ask for at once: on a long way one answer has to last for a round trip. */

/** For one answer nearby: little enough to stay in the processor's cache until it is sent on; with the answer's own fields it
 *  fills a frame of the pool. */
const ANSWER_BYTES_MIN = 2 * 1024 * 1024 - 64 * 1024;
/** For one answer from afar; with its fields it fills a frame of the pool, too. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024 - 64 * 1024;
/** For one partition alone: its next answer cannot be asked for before this one has come. */
const ALONE_BYTES_MAX = 16 * 1024 * 1024 - 64 * 1024;
/** What should be on its way, however long that is: 16 MiB where there and back takes 80 ms. A third of it is enough for
 *  30 MB/s; the rest covers what answers take besides. */
const BYTES_PER_MS = 200 * 1024;
/** For one partition that is asked for alone nearby. A single batch may be larger. */
const PARTITION_BYTES_MAX = 1024 * 1024 - 64 * 1024;
/** For one of many partitions: an answer with many lanes makes produce requests with many lanes, but a few batches of each are
 *  needed to keep them going. */
const PARTITION_BYTES_MIN = 128 * 1024;
/** For one answer when the memory that readers share is used up: those who wait get a little, so that none starves. */
const SCARCE_ANSWER_BYTES = 512 * 1024;
/** For one partition of it: two batches of a stock producer. */
const SCARCE_PARTITION_BYTES = 32 * 1024;

/** Limits of one request. */
export interface FetchSize {
  readonly answerBytesMax: number;
  /** For each partition. */
  readonly partitionBytesMax: number;
}

/** Whether more than usual has to be under way to a leader so far away (infinite: not known yet). */
export function isFar(roundTripMs: number): boolean {
  return Number.isFinite(roundTripMs) && roundTripMs * BYTES_PER_MS > ANSWER_BYTES_MIN;
}

/** The limits for so many partitions whose leader is so far away, while there is room for so much. */
export function fetchSize(partitions: number, roundTripMs: number, roomBytes: number): FetchSize {
  if (roomBytes < SCARCE_ANSWER_BYTES)
    return { answerBytesMax: SCARCE_ANSWER_BYTES, partitionBytesMax: SCARCE_PARTITION_BYTES };
  const most = partitions === 1 ? ALONE_BYTES_MAX : ANSWER_BYTES_MAX;
  const wantedBytes = isFar(roundTripMs) ? Math.min(most, Math.floor(roundTripMs * BYTES_PER_MS)) : ANSWER_BYTES_MIN;
  const answerBytesMax = Math.min(wantedBytes, roomBytes);
  const aloneBytesMax = wantedBytes > ANSWER_BYTES_MIN ? answerBytesMax : PARTITION_BYTES_MAX;
  const shareBytes = Math.max(PARTITION_BYTES_MIN, Math.floor(answerBytesMax / Math.max(1, partitions)));
  return { answerBytesMax, partitionBytesMax: Math.min(aloneBytesMax, shareBytes) };
}
