/** A topic's resolved configuration as typed values, computed when it changes and read on every append. */

import { type BrokerLayers, type ConfigValues, resolveTopic } from "./resolver.ts";

/** What the region acts upon. Times in milliseconds; -1 = no limit where Kafka says so. */
export interface TopicSettings {
  readonly deletes: boolean;
  readonly compacts: boolean;
  readonly compressionType: string;
  readonly deleteRetentionMs: bigint;
  readonly indexIntervalBytes: number;
  readonly logAppendTime: boolean;
  readonly maxMessageBytes: number;
  readonly timestampAfterMaxMs: bigint;
  readonly timestampBeforeMaxMs: bigint;
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
    compressionType: text("compression.type"),
    deleteRetentionMs: BigInt(text("delete.retention.ms")),
    indexIntervalBytes: Number(text("index.interval.bytes")),
    logAppendTime: text("message.timestamp.type") === "LogAppendTime",
    maxMessageBytes: Number(text("max.message.bytes")),
    timestampAfterMaxMs: BigInt(text("message.timestamp.after.max.ms")),
    timestampBeforeMaxMs: BigInt(text("message.timestamp.before.max.ms")),
    minInsyncReplicas: Number(text("min.insync.replicas")),
    retentionBytes: BigInt(text("retention.bytes")),
    retentionMs: BigInt(text("retention.ms")),
    segmentBytes: Number(text("segment.bytes")),
    segmentIndexBytes: Number(text("segment.index.bytes")),
    segmentMs: BigInt(text("segment.ms")),
    uncleanElection: text("unclean.leader.election.enable").toLowerCase() === "true",
  };
}
