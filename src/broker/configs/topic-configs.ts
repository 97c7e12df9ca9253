/** The configuration entries of a topic with Kafka 4.0's names, types and defaults (`TopicConfig`, `LogConfig`). */

import { bool, type ConfigDefinition, int, LONG_MAX, list, long, ratio, word } from "./definition.ts";

const DAY_MS = 86_400_000n;
const CODECS = ["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
const from = (brokerName: string) => ({ brokerName });

/** All of them. What this region stores but does not act upon says so in its documentation. */
export const TOPIC_CONFIGS: readonly ConfigDefinition[] = [
  list(
    "cleanup.policy",
    ["delete", ["delete", "compact"]],
    "What becomes of old segments: delete, compact, or both.",
    from("log.cleanup.policy"),
  ),
  int(
    "compression.gzip.level",
    [-1, -1],
    "Level when the broker compresses with gzip.",
    from("compression.gzip.level"),
  ),
  int("compression.lz4.level", [9, 1], "Level when the broker compresses with lz4.", from("compression.lz4.level")),
  word(
    "compression.type",
    ["producer", CODECS],
    "Codec of stored batches; producer keeps theirs.",
    from("compression.type"),
  ),
  int(
    "compression.zstd.level",
    [3, -131_072],
    "Level when the broker compresses with zstd.",
    from("compression.zstd.level"),
  ),
  long(
    "delete.retention.ms",
    [DAY_MS, 0n],
    "How long tombstones stay in a compacted topic.",
    from("log.cleaner.delete.retention.ms"),
  ),
  long(
    "file.delete.delay.ms",
    [60_000n, 0n],
    "Wait before a deleted segment's file goes.",
    from("log.segment.delete.delay.ms"),
  ),
  long("flush.messages", [LONG_MAX, 1n], "Records between forced flushes.", from("log.flush.interval.messages")),
  long("flush.ms", [LONG_MAX, 0n], "Time between forced flushes.", from("log.flush.interval.ms")),
  list(
    "follower.replication.throttled.replicas",
    ["", undefined],
    "Replicas throttled as followers; kept, not acted upon.",
  ),
  int("index.interval.bytes", [4096, 0], "Bytes of log between index entries.", from("log.index.interval.bytes")),
  list(
    "leader.replication.throttled.replicas",
    ["", undefined],
    "Replicas throttled as leaders; kept, not acted upon.",
  ),
  long(
    "local.retention.bytes",
    [-2n, -2n],
    "Bytes kept locally of a tiered topic; -2 = retention.bytes.",
    from("log.local.retention.bytes"),
  ),
  long(
    "local.retention.ms",
    [-2n, -2n],
    "Time kept locally of a tiered topic; -2 = retention.ms.",
    from("log.local.retention.ms"),
  ),
  long(
    "max.compaction.lag.ms",
    [LONG_MAX, 1n],
    "Longest a record stays uncompacted.",
    from("log.cleaner.max.compaction.lag.ms"),
  ),
  int("max.message.bytes", [1_048_588, 0], "Largest record batch, header included.", from("message.max.bytes")),
  long(
    "message.timestamp.after.max.ms",
    [3_600_000n, 0n],
    "How far in the future a record may lie.",
    from("log.message.timestamp.after.max.ms"),
  ),
  long(
    "message.timestamp.before.max.ms",
    [LONG_MAX, 0n],
    "How far in the past a record may lie.",
    from("log.message.timestamp.before.max.ms"),
  ),
  word(
    "message.timestamp.type",
    ["CreateTime", ["CreateTime", "LogAppendTime"]],
    "Whose clock stamps records.",
    from("log.message.timestamp.type"),
  ),
  ratio(
    "min.cleanable.dirty.ratio",
    0.5,
    "Share of dirty bytes at which compaction starts.",
    from("log.cleaner.min.cleanable.ratio"),
  ),
  long(
    "min.compaction.lag.ms",
    [0n, 0n],
    "Least time a record stays uncompacted.",
    from("log.cleaner.min.compaction.lag.ms"),
  ),
  int(
    "min.insync.replicas",
    [1, 1],
    "Replicas that must be in sync for an append with acks=all.",
    from("min.insync.replicas"),
  ),
  bool("preallocate", false, "Preallocates segment files; kept, not acted upon.", from("log.preallocate")),
  bool("remote.log.copy.disable", false, "Stops copying to the remote tier; kept, not acted upon."),
  bool("remote.log.delete.on.disable", false, "Deletes remote data when tiering ends; kept, not acted upon."),
  bool("remote.storage.enable", false, "Marks a topic as tiered; kept, not acted upon."),
  long("retention.bytes", [-1n, -1n], "Bytes kept per partition; -1 = no limit.", from("log.retention.bytes")),
  long("retention.ms", [7n * DAY_MS, -1n], "Time kept; -1 = no limit.", from("log.retention.ms")),
  int("segment.bytes", [1_073_741_824, 14], "Size at which a segment is closed.", from("log.segment.bytes")),
  int("segment.index.bytes", [10_485_760, 4], "Size of a segment's index.", from("log.index.size.max.bytes")),
  long("segment.jitter.ms", [0n, 0n], "Random part of segment.ms; kept, not acted upon.", from("log.roll.jitter.ms")),
  long("segment.ms", [7n * DAY_MS, 1n], "Record time after which a segment is closed.", from("log.roll.ms")),
  bool(
    "unclean.leader.election.enable",
    false,
    "Whether a replica out of sync may become leader and lose data.",
    from("unclean.leader.election.enable"),
  ),
];

const BY_NAME = new Map(TOPIC_CONFIGS.map((definition) => [definition.name, definition]));

/** The entry of that name. */
export function topicConfig(name: string): ConfigDefinition | undefined {
  return BY_NAME.get(name);
}
