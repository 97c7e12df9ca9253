/** Where the fields of a record batch v2 lie, in bytes from its start.
 *
 *  ```
 *   0 baseOffset i64 | 8 length i32 (bytes after it) | 12 partitionLeaderEpoch i32 | 16 magic i8 | 17 crc u32
 *  21 attributes i16 | 23 lastOffsetDelta i32 | 27 baseTimestamp i64 | 35 maxTimestamp i64
 *  43 producerId i64 | 51 producerEpoch i16 | 53 baseSequence i32 | 57 recordCount i32 | 61 records
 *  ```
 *  Source: Kafka, `DefaultRecordBatch`. */

/** Bytes before the part that the length field counts. */
export const BATCH_PREFIX_BYTES = 12;
/** Bytes of a batch header; records begin here. */
export const BATCH_HEADER_BYTES = 61;

/** Of the length, which counts the bytes behind it. */
export const LENGTH_AT = 8;
/** Of the leader epoch. */
export const LEADER_EPOCH_AT = 12;
/** Of the format's version: 2. Older formats have theirs here too. */
export const MAGIC_AT = 16;
/** Of the CRC-32C. */
export const CRC_AT = 17;
/** Of the attributes, and of everything that the CRC covers. */
export const ATTRIBUTES_AT = 21;
/** Of the last offset, relative to the first. */
export const LAST_OFFSET_DELTA_AT = 23;
/** Of the time that records count theirs from. */
export const BASE_TIMESTAMP_AT = 27;
/** Of the greatest time of a record. */
export const MAX_TIMESTAMP_AT = 35;
/** Of the producer's id. */
export const PRODUCER_ID_AT = 43;
/** Of the producer's epoch. */
export const PRODUCER_EPOCH_AT = 51;
/** Of the first record's sequence number. */
export const BASE_SEQUENCE_AT = 53;
/** Of the number of records. */
export const RECORD_COUNT_AT = 57;
