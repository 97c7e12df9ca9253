/** How both kinds of region are set up for the contract suite. */

/** No automatic topics, so that a request for an unknown one shows its error and changes nothing. */
const COMMON: Readonly<Record<string, string>> = {
  "auto.create.topics.enable": "false",
  "min.insync.replicas": "1",
  "transaction.abort.timed.out.transaction.cleanup.interval.ms": "100",
};

/** Settings of the embedded region; the number of partitions and copies is that of a lone broker of Apache Kafka. */
export const REGION_CONFIGS: Readonly<Record<string, string>> = {
  ...COMMON,
  "num.partitions": "1",
  "default.replication.factor": "1",
};

/** `server.properties` of Apache Kafka, over those of the test peer. */
export const KAFKA_PROPERTIES: Readonly<Record<string, string>> = { ...COMMON, "delete.topic.enable": "true" };
