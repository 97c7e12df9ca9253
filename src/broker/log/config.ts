/** The topic settings that a log obeys, under Kafka's meanings and with Kafka's defaults. */

/** Settings of one log; may be replaced while it runs. -1 means "no limit" for retention. */
export interface LogConfig {
  /** `segment.bytes`: a segment is closed before it would grow past this. */
  readonly segmentBytes: number;
  /** `segment.ms`: a segment is closed when a batch's time is this much later than that of its first batch. */
  readonly segmentMs: number;
  /** `segment.index.bytes`: a segment is closed when its offset index has this size. */
  readonly segmentIndexBytes: number;
  /** `index.interval.bytes`: bytes of log between two index entries. */
  readonly indexIntervalBytes: number;
  /** `retention.ms` */
  readonly retentionMs: number;
  /** `retention.bytes`, per partition. */
  readonly retentionBytes: number;
  /** `cleanup.policy` contains `delete`: time and size retention apply. */
  readonly deletes: boolean;
  /** `producer.id.expiration.ms`: how long a producer is remembered after the time of its last record. */
  readonly producerIdExpirationMs: number;
}

const HOUR_MS = 60 * 60 * 1_000;

/** Kafka's own defaults (`TopicConfig`, `TransactionLogConfig`). */
export const DEFAULT_LOG_CONFIG: LogConfig = {
  segmentBytes: 1024 * 1024 * 1024,
  segmentMs: 7 * 24 * HOUR_MS,
  segmentIndexBytes: 10 * 1024 * 1024,
  indexIntervalBytes: 4096,
  retentionMs: 7 * 24 * HOUR_MS,
  retentionBytes: -1,
  deletes: true,
  producerIdExpirationMs: 24 * HOUR_MS,
};
