/** MirrorMaker 2's replication policies as far as names go: which of them a naming template amounts to, and how its topics are
 *  called then (Kafka, `DefaultReplicationPolicy` and `IdentityReplicationPolicy`). */

/** The names of one policy. Clusters go by their alias, which is a region's name. */
export interface ReplicationPolicy {
  /** `default` puts the source's alias before every name, `identity` keeps names. */
  readonly kind: "default" | "identity";
  /** Between alias and name; identity policies use it for internal topics and heartbeats. */
  readonly separator: string;
}

/** Signs of life of every flow that ends in a cluster, as they are called where they are written. */
export const HEARTBEATS_TOPIC = "heartbeats";

const DEFAULT_TEMPLATE = /^\{source\}([A-Za-z0-9._-]+)\{topic\}$/;

/** The policy that a naming template amounts to; undefined when MirrorMaker 2 has none like it. */
export function policyOf(template: string): ReplicationPolicy | undefined {
  if (template === "{topic}") return { kind: "identity", separator: "." };
  const separator = DEFAULT_TEMPLATE.exec(template)?.[1];
  return separator === undefined ? undefined : { kind: "default", separator };
}

/** Positions of the source's groups, on the target. */
export function checkpointsTopic({ separator }: ReplicationPolicy, sourceAlias: string): string {
  return `${sourceAlias}${separator}checkpoints${separator}internal`;
}

/** Pairs of offsets. Named after the cluster at the other end: the target's alias where the topic lies on the source. */
export function offsetSyncsTopic({ separator }: ReplicationPolicy, otherAlias: string): string {
  return `mm2-offset-syncs${separator}${otherAlias}${separator}internal`;
}

/** Clusters through which a heartbeats topic has come, the nearest first; undefined when the topic is none. */
export function heartbeatHops({ separator }: ReplicationPolicy, topic: string): readonly string[] | undefined {
  const parts = topic.split(separator);
  return parts.at(-1) === HEARTBEATS_TOPIC && !parts.includes("") ? parts.slice(0, -1) : undefined;
}
