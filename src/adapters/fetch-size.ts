/** How much to ask for at once: on a long way one answer has to last for a round trip. */

/** For one answer nearby: little enough to stay in the processor's cache until it is sent on; with the answer's own fields it
 *  fills a frame of the pool. */
const ANSWER_BYTES_MIN = 2 * 1024 * 1024 - 64 * 1024;
/** For one answer from afar; with its fields it fills a frame of the pool, too. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024 - 64 * 1024;
/** What a reader should be able to get, however far away: 8 MiB where the way there and back takes 80 ms. */
const BYTES_PER_MS = 100 * 1024;
/** For one partition that is asked for alone nearby. A single batch may be larger. */
const PARTITION_BYTES_MAX = 1024 * 1024 - 64 * 1024;
/** For one of many partitions: an answer with many lanes makes produce requests with many lanes, but a few batches of each are
 *  needed to keep them going. */
const PARTITION_BYTES_MIN = 128 * 1024;

/** Limits of one request. */
export interface FetchSize {
  readonly answerBytesMax: number;
  /** For each partition. */
  readonly partitionBytesMax: number;
}

/** The limits for so many partitions whose leader is so far away (infinite: not known yet). */
export function fetchSize(partitions: number, roundTripMs: number): FetchSize {
  const wantedBytes = Number.isFinite(roundTripMs) ? Math.floor(roundTripMs * BYTES_PER_MS) : 0;
  const answerBytesMax = Math.min(ANSWER_BYTES_MAX, Math.max(ANSWER_BYTES_MIN, wantedBytes));
  const aloneBytesMax = answerBytesMax > ANSWER_BYTES_MIN ? answerBytesMax : PARTITION_BYTES_MAX;
  const shareBytes = Math.max(PARTITION_BYTES_MIN, Math.floor(answerBytesMax / Math.max(1, partitions)));
  return { answerBytesMax, partitionBytesMax: Math.min(aloneBytesMax, shareBytes) };
}
