/** The two Apache Kafka clusters of a run, their topics, and the topology file that mirrors one into the other. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stockClient } from "../../src/quickstart/region-access.ts";
import { ApacheKafka } from "../peers/kafka.ts";

/** Partitions of the mirrored topic. */
export const PARTITIONS = 12;
/** The mirrored topic, and what it is called on the target. */
export const TOPIC = "chaos";
export const TARGET_TOPIC = "east.chaos";

/** Producer state that is looked at every second and soon forgotten: what hides mistakes for a day shows within a run. */
const EXPIRATION_MS = 20_000;
const TARGET_PROPERTIES = {
  "producer.id.expiration.check.interval.ms": "1000",
  "producer.id.expiration.ms": String(EXPIRATION_MS),
};
/** Records of 2001 are older than any retention by time. */
const KEPT = [{ name: "retention.ms", value: "-1" }];

/** Everything that a run stands on; disposing of it stops both clusters and removes what they wrote. */
export interface Clusters extends AsyncDisposable {
  readonly source: ApacheKafka;
  readonly target: ApacheKafka;
  /** Absolute path of the topology file. */
  readonly topologyFile: string;
  /** An empty directory for workers' state and logs. */
  readonly directory: string;
}

/** Starts a source of one broker and a target of three, with the topic on both. */
export async function startClusters(delivery: string): Promise<Clusters> {
  await using stack = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), "chaos-"));
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const source = stack.use(await ApacheKafka.start({ heapMiB: 384 }));
  const target = stack.use(await ApacheKafka.start({ nodes: 3, heapMiB: 320, properties: TARGET_PROPERTIES }));
  await createTopic(source, TOPIC);
  await createTopic(target, TARGET_TOPIC);
  const topologyFile = writeTopology(directory, { source, target, delivery });
  const owned = stack.move();
  return { source, target, topologyFile, directory, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function createTopic(cluster: ApacheKafka, topic: string): Promise<void> {
  const admin = stockClient({ region: "chaos", bootstrap: cluster.bootstrap }).admin();
  await admin.connect();
  try {
    const topics = [{ topic, numPartitions: PARTITIONS, replicationFactor: -1, configEntries: KEPT }];
    await admin.createTopics({ topics, waitForLeaders: true });
  } finally {
    await admin.disconnect();
  }
}

interface TopologyParts {
  readonly source: ApacheKafka;
  readonly target: ApacheKafka;
  readonly delivery: string;
}

function writeTopology(directory: string, { source, target, delivery }: TopologyParts): string {
  mkdirSync(join(directory, "regions"));
  for (const [region, { bootstrap }] of [["east", source] as const, ["central", target] as const]) {
    const brokers = bootstrap.map((one) => `"${one}"`).join(", ");
    writeFileSync(join(directory, "regions", `${region}.yaml`), `brokers: [${brokers}]\n`);
  }
  const file = join(directory, "chaos.yaml");
  const lines = [
    "version: 1",
    "name: chaos",
    "regions: [east, central]",
    "mirrors:",
    "  - name: east-to-central",
    "    from: east",
    "    to: central",
    `    topics: { include: ["${TOPIC}"] }`,
    '    rename: "{source}.{topic}"',
    `    delivery: ${delivery}`,
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}
