/** A topic's resolved configuration as typed values, computed when it changes and read on every append. */

import { codecNamed } from "../../wire/compression/codecs.ts";
import type { ProduceRules } from "../log/validate.ts";
import { type BrokerLayers, type ConfigValues, resolveTopic } from "./resolver.ts";

/** What the region acts upon. Times in milliseconds; -1 = no limit where Kafka says so. */
export interface TopicSettings {
  readonly deletes: boolean;
  readonly compacts: boolean;
  readonly deleteRetentionMs: bigint;
  readonly indexIntervalBytes: number;
  /** What produced batches must obey. */
  readonly produceRules: ProduceRules;
  readonly minInsyncReplicas: number;
  readonly retentionBytes: bigint;
  readonly retentionMs: bigint;
  readonly segmentBytes: number;
  readonly segmentIndexBytes: number;
  readonly segmentMs: bigint;
  readonly uncleanElection: boolean;
}

/** Resolves and parses; the values have been checked when they were set. */
export function topicSettings(own: ConfigValues, layers: BrokerLayers): TopicSettings {
  const values = new Map(resolveTopic(own, layers).map((entry) => [entry.definition.name, entry.value.trim()]));
  const text = (name: string): string => values.get(name) ?? "";
  const policies = text("cleanup.policy")
    .split(",")
    .map((policy) => policy.trim());
  return {
    deletes: policies.includes("delete"),
    compacts: policies.includes("compact"),
    deleteRetentionMs: BigInt(text("delete.retention.ms")),
    indexIntervalBytes: Number(text("index.interval.bytes")),
    produceRules: {
      maxMessageBytes: Number(text("max.message.bytes")),
      segmentBytes: Number(text("segment.bytes")),
      logAppendTime: text("message.timestamp.type") === "LogAppendTime",
      // int64 values beyond 2^53 mean "any time" and lose nothing as numbers.
      timestampBeforeMaxMs: Number(text("message.timestamp.before.max.ms")),
      timestampAfterMaxMs: Number(text("message.timestamp.after.max.ms")),
      compression: compressionRule(text("compression.type")),
      compacted: policies.includes("compact"),
    },
    minInsyncReplicas: Number(text("min.insync.replicas")),
    retentionBytes: BigInt(text("retention.bytes")),
    retentionMs: BigInt(text("retention.ms")),
    segmentBytes: Number(text("segment.bytes")),
    segmentIndexBytes: Number(text("segment.index.bytes")),
    segmentMs: BigInt(text("segment.ms")),
    uncleanElection: text("unclean.leader.election.enable").toLowerCase() === "true",
  };
}

/** Kafka calls "uncompressed" here what it calls "none" elsewhere. */
function compressionRule(value: string): ProduceRules["compression"] {
  return value === "uncompressed" ? "none" : (codecNamed(value)?.name ?? "producer");
}
