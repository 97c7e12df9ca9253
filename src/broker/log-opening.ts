/** Where a partition's log lies, and the log's settings from the topic's. */

import type { Uuid } from "../core/brand.ts";
import type { TopicSettings } from "./configs/topic-settings.ts";
import type { LogConfig } from "./log/config.ts";
import type { LogDeps } from "./log/load.ts";
import { PartitionLog } from "./log/partition-log.ts";

/** Which log to open. */
export interface LogPlace {
  /** Directory of all logs. */
  readonly directory: string;
  readonly topic: string;
  readonly topicId: Uuid;
  readonly index: number;
  readonly settings: TopicSettings;
  readonly producerIdExpirationMs: number;
}

/** The directory of one partition, named as Kafka names it. */
export function partitionDirectory(directory: string, topic: string, index: number): string {
  return `${directory}/${topic}-${index}`;
}

/** Opens or creates the log. @throws {LogError} @throws {StorageError} */
export function openPartitionLog(place: LogPlace, deps: LogDeps): PartitionLog {
  return PartitionLog.open(
    {
      directory: partitionDirectory(place.directory, place.topic, place.index),
      topic: place.topic,
      topicId: place.topicId,
      partition: place.index,
      config: logConfig(place.settings, place.producerIdExpirationMs),
    },
    deps,
  );
}

/** The settings that a log obeys; int64 values beyond 2^53 mean "never" and lose nothing as numbers. */
export function logConfig(settings: TopicSettings, producerIdExpirationMs: number): LogConfig {
  return {
    segmentBytes: settings.segmentBytes,
    segmentMs: Number(settings.segmentMs),
    segmentIndexBytes: settings.segmentIndexBytes,
    indexIntervalBytes: settings.indexIntervalBytes,
    retentionMs: Number(settings.retentionMs),
    retentionBytes: Number(settings.retentionBytes),
    deletes: settings.deletes,
    producerIdExpirationMs,
  };
}
