/** The options of a region and their defaults. */

import { brokerConfig } from "./configs/broker-configs.ts";
import { type ConfigValues, checkBrokerConfig, checkTopicConfig } from "./configs/resolver.ts";
import { topicConfig } from "./configs/topic-configs.ts";
import { RegionError } from "./errors.ts";

/** Brokers of a region: three, so that one may stop and two still agree. */
const DEFAULT_BROKERS = 3;
const DEFAULT_HOST = "127.0.0.1";
/** Replicas of a topic that does not say, as far as there are brokers. */
const DEFAULT_REPLICATION_FACTOR = 3;

/** Of a read-only region: no topic appears by being asked for, and nothing is ever too old or too much. */
const NOTHING_CHANGES: ConfigValues = {
  "auto.create.topics.enable": "false",
  "log.retention.ms": "-1",
  "log.retention.bytes": "-1",
};

/** What a region is. */
export interface RegionOptions {
  /** Where everything is kept; one region per directory, which the caller makes sure of. */
  readonly directory: string;
  /** Made up when the directory is new and none is given. */
  readonly clusterId?: string;
  /** Number of brokers, ids from 1 on. Default 3. */
  readonly brokers?: number;
  /** Where brokers listen and are advertised. Default 127.0.0.1. */
  readonly host?: string;
  /** One port per broker; 0, the default, takes any free one. */
  readonly ports?: readonly number[];
  /** Topic entries that differ from Kafka's defaults, by their topic names (`retention.ms`). */
  readonly topicDefaults?: ConfigValues;
  /** Broker entries that differ from Kafka's defaults (`auto.create.topics.enable`). */
  readonly brokerConfigs?: ConfigValues;
  /** How long a follower takes to fetch what its leader appended. Default 0: it has it at once. */
  readonly followDelayMs?: number;
  /** Give leadership back to a partition's first replica once it is in sync again. Default true. */
  readonly prefersFirstReplica?: boolean;
  /** Given: clients only read, and are told this sentence when they try anything else. Topics come by `showArchived`. */
  readonly readOnly?: string;
  /** Write everything to the disk this often. Absent: the operating system decides, as with Kafka. */
  readonly flushIntervalMs?: number;
}

/** Options with every default filled in. */
export interface ResolvedRegionOptions {
  readonly directory: string;
  readonly clusterId: string | undefined;
  readonly brokers: number;
  readonly host: string;
  readonly ports: readonly number[];
  readonly brokerConfigs: ConfigValues;
  readonly followDelayMs: number;
  readonly prefersFirstReplica: boolean;
  readonly readOnly: string | undefined;
  readonly flushIntervalMs: number | undefined;
}

/** Fills in defaults. @throws {RegionError} `REGION_BAD_SETTING` @throws {Refusal} for unknown or bad entries */
export function resolvedOptions(options: RegionOptions): ResolvedRegionOptions {
  const brokers = options.brokers ?? DEFAULT_BROKERS;
  if (!Number.isInteger(brokers) || brokers < 1)
    throw badSetting("brokers", String(brokers), "must be a whole number of at least 1");
  const ports = options.ports ?? Array.from({ length: brokers }, () => 0);
  if (ports.length !== brokers)
    throw badSetting("ports", ports.join(","), `must name one port for each of ${brokers} brokers`);
  return {
    directory: options.directory,
    clusterId: options.clusterId,
    brokers,
    host: options.host ?? DEFAULT_HOST,
    ports,
    brokerConfigs: brokerConfigs(options, brokers),
    followDelayMs: options.followDelayMs ?? 0,
    prefersFirstReplica: options.prefersFirstReplica ?? true,
    readOnly: options.readOnly,
    flushIntervalMs: options.flushIntervalMs,
  };
}

/** A topic's defaults are entries of the broker, under the broker's names for them. */
function brokerConfigs(options: RegionOptions, brokers: number): ConfigValues {
  const values: Record<string, string> = {
    "default.replication.factor": String(Math.min(DEFAULT_REPLICATION_FACTOR, brokers)),
    "log.dirs": `${options.directory}/logs`,
    ...(options.readOnly === undefined ? {} : NOTHING_CHANGES),
  };
  for (const [name, value] of Object.entries(options.topicDefaults ?? {})) {
    checkTopicConfig(name, value);
    const brokerName = topicConfig(name)?.brokerName;
    if (brokerName === undefined) throw badSetting(name, value, "cannot be a default for all topics");
    values[brokerName] = value;
  }
  for (const [name, value] of Object.entries(options.brokerConfigs ?? {})) {
    checkBrokerConfig(name, value);
    values[brokerConfig(name)?.name ?? name] = value;
  }
  return values;
}

function badSetting(name: string, value: string, reason: string): RegionError {
  return new RegionError({ code: "REGION_BAD_SETTING", name, value, reason });
}
