/** Source and target: one Apache Kafka broker each, with the JVM settings that Kafka's own scripts use, and a client for both. */

import { nodeClock } from "../../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../../src/adapters/node-network.ts";
import { nodeRandom } from "../../../src/adapters/node-random.ts";
import { createTopics, deleteTopics } from "../../../src/client/admin.ts";
import { KafkaClient } from "../../../src/client/kafka-client.ts";
import { AT_END, listOffsets } from "../../../src/client/list-offsets.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { ApacheKafka } from "../../peers/kafka.ts";

/** `KAFKA_JVM_PERFORMANCE_OPTS` of `kafka-run-class.sh`. */
export const KAFKA_JVM = [
  "-server",
  "-XX:+UseG1GC",
  "-XX:MaxGCPauseMillis=20",
  "-XX:InitiatingHeapOccupancyPercent=35",
  "-XX:+ExplicitGCInvokesConcurrent",
];
/** As in `kafka-server-start.sh`. */
const HEAP_MIB = 1_024;
/** Records of 2001 stay; deleted topics go at once. */
const PROPERTIES = { "log.retention.ms": "-1", "log.segment.delete.delay.ms": "1000", "num.io.threads": "8" };

/** What clients need. */
export const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };

/** One end. */
export interface Side extends AsyncDisposable {
  readonly kafka: ApacheKafka;
  readonly client: KafkaClient;
}

/** Starts a broker and connects to it. */
export async function openSide(): Promise<Side> {
  await using stack = new AsyncDisposableStack();
  const kafka = stack.use(await ApacheKafka.start({ heapMiB: HEAP_MIB, jvm: KAFKA_JVM, properties: PROPERTIES }));
  const bootstrap = [...kafka.endpoints.values()];
  const client = stack.use(await KafkaClient.open({ bootstrap, clientId: "bench" }, deps));
  const owned = stack.move();
  return { kafka, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Makes a topic that keeps what it gets. */
export async function makeTopic({ client }: Side, name: string, partitions: number): Promise<void> {
  const spec = { name, partitions, replicationFactor: 1, configs: { "retention.ms": "-1" } };
  const [outcome] = await createTopics(client, [spec]);
  if (outcome?.errorCode !== 0) throw new Error(`topic ${name} cannot be made: error ${outcome?.errorCode}`);
}

/** Deletes a topic, whether it is there or not. */
export async function dropTopic({ client }: Side, name: string): Promise<void> {
  await deleteTopics(client, [name]).catch(() => undefined);
}

/** The stable ends of all partitions together: what readers of committed data see. 0 before the topic is there. */
export async function stableEnd({ client }: Side, topic: string, partitions: number): Promise<bigint> {
  const questions = Array.from({ length: partitions }, (_, index) => ({ topic, index, timestampMs: AT_END }));
  const answers = await listOffsets(client, questions, { isolation: "read_committed" }).catch(() => []);
  return answers.reduce((sum, { offset }) => sum + (offset > 0n ? offset : 0n), 0n);
}
