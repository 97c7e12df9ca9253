/** The configuration entries of a broker that clients and tools ask for, with Kafka 4.0's names and defaults. */

import { bool, type ConfigDefinition, int, LONG_MAX, long, text } from "./definition.ts";
import { TOPIC_CONFIGS } from "./topic-configs.ts";

const fixed = { dynamic: false };

const OWN: readonly ConfigDefinition[] = [
  text("advertised.listeners", "", "Where clients reach the broker.", fixed),
  bool("auto.create.topics.enable", true, "Whether asking for a missing topic creates it.", fixed),
  int("broker.id", [-1, -1], "Id of the broker.", fixed),
  int("node.id", [-1, -1], "Id of the broker.", fixed),
  int("default.replication.factor", [1, 1], "Replicas of a topic that does not say.", fixed),
  bool("delete.topic.enable", true, "Whether topics may be deleted.", fixed),
  int(
    "group.initial.rebalance.delay.ms",
    [0, 0],
    "Wait for more members before the first rebalance of a group.",
    fixed,
  ),
  int("group.max.session.timeout.ms", [1_800_000, 0], "Longest session a member may ask for.", fixed),
  int("group.min.session.timeout.ms", [6_000, 0], "Shortest session a member may ask for.", fixed),
  int("group.max.size", [2_147_483_647, 1], "Members a group may have.", fixed),
  text("listeners", "", "Where the broker listens.", fixed),
  text("log.dirs", "", "Where the logs are.", fixed),
  long("log.retention.check.interval.ms", [300_000n, 1n], "Time between retention checks.", fixed),
  int("max.connections", [4_096, 1], "Connections a broker accepts.", fixed),
  int("num.partitions", [1, 1], "Partitions of a topic that does not say.", fixed),
  int("offset.metadata.max.bytes", [4_096, 0], "Longest metadata of a committed offset.", fixed),
  int("offsets.retention.minutes", [10_080, 1], "How long the offsets of an empty group are kept.", fixed),
  int("offsets.topic.num.partitions", [50, 1], "Slots over which groups are spread among brokers.", fixed),
  int(
    "producer.id.expiration.ms",
    [86_400_000, 1],
    "How long the state of a producer outlives its last record's time.",
  ),
  int("producer.id.expiration.check.interval.ms", [600_000, 1], "Time between the checks for it.", fixed),
  long("replica.lag.time.max.ms", [30_000n, 1n], "How long a replica may lag and count as in sync.", fixed),
  int("socket.request.max.bytes", [104_857_600, 1], "Largest request.", fixed),
  long(
    "connections.max.idle.ms",
    [600_000n, -1n],
    "Idle time after which a connection is closed; kept, not acted upon.",
    fixed,
  ),
  int("transactional.id.expiration.ms", [604_800_000, 1], "How long an unused transactional id is kept.", fixed),
  int("transaction.max.timeout.ms", [900_000, 1], "Longest transaction that a writer may ask for.", fixed),
  int(
    "transaction.state.log.num.partitions",
    [50, 1],
    "Slots over which transactional ids are spread among brokers.",
    fixed,
  ),
  int(
    "transaction.abort.timed.out.transaction.cleanup.interval.ms",
    [10_000, 1],
    "Time between looks for transactions that are open for too long.",
    fixed,
  ),
  int(
    "transaction.remove.expired.transaction.cleanup.interval.ms",
    [3_600_000, 1],
    "Time between looks for transactional ids that are not used any more.",
    fixed,
  ),
  long("log.flush.scheduler.interval.ms", [LONG_MAX, 1n], "Time between flush checks; kept, not acted upon.", fixed),
];

/** Broker entries of their own, and those that give topics their defaults. */
export const BROKER_CONFIGS: readonly ConfigDefinition[] = [
  ...OWN,
  ...TOPIC_CONFIGS.flatMap((topic) =>
    topic.brokerName === undefined ? [] : [{ ...topic, name: topic.brokerName, brokerName: topic.brokerName }],
  ),
].sort((a, b) => (a.name < b.name ? -1 : 1));

const BY_NAME = new Map(BROKER_CONFIGS.map((definition) => [definition.name, definition]));

/** The entry of that name. */
export function brokerConfig(name: string): ConfigDefinition | undefined {
  return BY_NAME.get(name);
}
