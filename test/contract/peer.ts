/** How Apache Kafka is set up for the contract suite. */

/** No automatic topics, so that a request for an unknown one shows its error and changes nothing. */
export const KAFKA_PROPERTIES: Readonly<Record<string, string>> = {
  "auto.create.topics.enable": "false",
  "delete.topic.enable": "true",
  "min.insync.replicas": "1",
};
