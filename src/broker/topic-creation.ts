/** Creating topics: from a request or by itself, with the checks and defaults of Kafka's controller. */

import { ErrorCode } from "../wire/error-codes.ts";
import type { Cluster, Topic } from "./cluster.ts";
import { type ConfigValues, checkTopicConfig } from "./configs/resolver.ts";
import { refusal } from "./errors.ts";
import { checkedAssignment, placedReplicas } from "./placement.ts";
import { checkTopicName } from "./topic-names.ts";

/** Partitions that one request may create: enough for any rehearsal, few enough that a typo does not fill the disk. */
const PARTITIONS_MAX = 10_000;

/** What is asked for; -1 leaves partitions or replication factor to the broker. */
export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Replicas by hand; then the two numbers above must be -1. */
  readonly assignments: readonly { readonly index: number; readonly brokerIds: readonly number[] }[];
  readonly configs: readonly { readonly name: string; readonly value: string | null }[];
}

/** A spec that has passed all checks. */
export interface PlannedTopic {
  readonly name: string;
  readonly replicas: readonly (readonly number[])[];
  readonly configs: ConfigValues;
}

/** Checks a spec and decides where its replicas go, without creating anything.
 *  @throws {Refusal} with the code of Kafka's controller */
export function plannedTopic(cluster: Cluster, spec: TopicSpec): PlannedTopic {
  checkTopicName(spec.name);
  cluster.checkTopicIsNew(spec.name);
  const configs = checkedConfigs(spec.configs);
  const replicas = spec.assignments.length > 0 ? assigned(cluster, spec) : placed(cluster, spec);
  return { name: spec.name, replicas, configs };
}

/** The topic of this name, created with the broker's defaults when it does not exist.
 *  @throws {Refusal} when the name is not valid */
export function autoCreated(cluster: Cluster, name: string): Topic {
  const known = cluster.topic(name);
  if (known !== undefined) return known;
  const spec = { name, partitions: -1, replicationFactor: -1, assignments: [], configs: [] };
  const planned = plannedTopic(cluster, spec);
  return cluster.createTopic(planned.name, planned.replicas, planned.configs);
}

/** Replicas of partitions that a topic is to get, from number `firstPartition` on. @throws {Refusal} */
export function placedGrowth(
  cluster: Cluster,
  growth: {
    readonly partitions: number;
    readonly replicationFactor: number;
    readonly firstPartition: number;
    readonly startAt: number;
  },
): readonly (readonly number[])[] {
  if (growth.firstPartition + growth.partitions > PARTITIONS_MAX)
    throw refusal(ErrorCode.INVALID_PARTITIONS, `A topic may have at most ${PARTITIONS_MAX} partitions`);
  return placedReplicas(growth, [...cluster.brokers.values()]);
}

function placed(cluster: Cluster, spec: TopicSpec): readonly (readonly number[])[] {
  const partitions = spec.partitions === -1 ? cluster.brokerNumber("num.partitions") : spec.partitions;
  const replicationFactor =
    spec.replicationFactor === -1 ? cluster.brokerNumber("default.replication.factor") : spec.replicationFactor;
  return placedGrowth(cluster, { partitions, replicationFactor, startAt: cluster.nextStart(), firstPartition: 0 });
}

function assigned(cluster: Cluster, spec: TopicSpec): readonly (readonly number[])[] {
  if (spec.replicationFactor !== -1)
    throw refusal(
      ErrorCode.INVALID_REQUEST,
      "A manual partition assignment was specified, but replication factor was not set to -1.",
    );
  if (spec.partitions !== -1)
    throw refusal(
      ErrorCode.INVALID_REQUEST,
      "A manual partition assignment was specified, but numPartitions was not set to -1.",
    );
  return checkedAssignment(spec.assignments, (id) => cluster.brokers.has(id));
}

function checkedConfigs(configs: TopicSpec["configs"]): ConfigValues {
  const values: Record<string, string> = {};
  for (const { name, value } of configs) {
    checkTopicConfig(name, value);
    values[name] = (value ?? "").trim();
  }
  return values;
}
