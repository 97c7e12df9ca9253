/** Several scripted brokers that agree about who they are, which topics there are and who leads. */

import { KafkaClient, type KafkaClientOptions } from "../../../src/client/kafka-client.ts";
import type { Uuid } from "../../../src/core/brand.ts";
import { metadata } from "../../../src/wire/apis/03-metadata.ts";
import { findCoordinator } from "../../../src/wire/apis/10-find-coordinator.ts";
import { FakeBroker, type Handler, openWorld, type Received } from "./fake-broker.ts";

/** A topic of the fake; leaders by partition. */
export interface FakeTopic {
  topicId: Uuid;
  leaders: { leaderId: number; leaderEpoch: number }[];
  errorCode?: number;
}

export const TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid;

export class FakeCluster implements AsyncDisposable {
  readonly world: ReturnType<typeof openWorld>;
  readonly brokers = new Map<number, FakeBroker>();
  readonly topics = new Map<string, FakeTopic>();
  clusterId = "fake-cluster";
  controllerId = 1;
  /** Coordinator of every group. */
  coordinatorId = 1;

  private constructor(world: ReturnType<typeof openWorld>) {
    this.world = world;
  }

  static async open(nodes = 3): Promise<FakeCluster> {
    const cluster = new FakeCluster(openWorld());
    for (let nodeId = 1; nodeId <= nodes; nodeId++) {
      const broker = await FakeBroker.listen({ host: `b${nodeId}`, port: 9092 }, cluster.world);
      cluster.brokers.set(nodeId, broker);
    }
    cluster.topics.set("t", {
      topicId: TOPIC_ID,
      leaders: [0, 1, 2].map((index) => ({ leaderId: (index % nodes) + 1, leaderEpoch: 5 })),
    });
    cluster.onAll(metadata, (request) => cluster.metadataAnswer(request));
    cluster.onAll(findCoordinator, ({ header, body }) => {
      const found = { nodeId: cluster.coordinatorId, host: "", port: 0, errorCode: 0, errorMessage: null };
      if (header.apiVersion < 4) return { throttleMs: 0, ...found };
      return { throttleMs: 0, coordinators: body.coordinatorKeys.map((key: string) => ({ key, ...found })) };
    });
    return cluster;
  }

  get bootstrap() {
    return [...this.brokers.values()].map(({ endpoint }) => endpoint);
  }

  broker(nodeId: number): FakeBroker {
    const broker = this.brokers.get(nodeId);
    if (broker === undefined) throw new Error(`no broker ${nodeId}`);
    return broker;
  }

  topic(name: string): FakeTopic {
    const topic = this.topics.get(name);
    if (topic === undefined) throw new Error(`no topic ${name}`);
    return topic;
  }

  /** Answers an API on every broker; the handler is told which one was asked. */
  onAll(api: { readonly key: number }, handler: (request: Received, nodeId: number) => unknown): void {
    for (const [nodeId, broker] of this.brokers) {
      const own: Handler = (request) => handler(request, nodeId);
      broker.on(api, own);
    }
  }

  /** Requests of one API on all brokers. */
  received(api: { readonly key: number }): readonly Received[] {
    return [...this.brokers.values()].flatMap((broker) => broker.received(api)).sort((a, b) => a.atMs - b.atMs);
  }

  async client(options: Partial<KafkaClientOptions> = {}): Promise<KafkaClient> {
    const opening = KafkaClient.open({ bootstrap: this.bootstrap, clientId: "test", ...options }, this.world);
    return this.world.clock.until(opening);
  }

  /** What every broker answers to Metadata. */
  metadataAnswer({ header, body }: Received) {
    const names: readonly string[] = body.topics?.map(({ name }: { name: string }) => name) ?? [...this.topics.keys()];
    return {
      throttleMs: 0,
      brokers: [...this.brokers].map(([nodeId, { endpoint }]) => ({ nodeId, ...endpoint, rack: null })),
      clusterId: this.clusterId,
      controllerId: this.controllerId,
      topics: names.map((name) => topicAnswer(name, this.topics.get(name), header.apiVersion)),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const broker of this.brokers.values()) await broker.stop();
  }
}

function topicAnswer(name: string, topic: FakeTopic | undefined, version: number) {
  const partitions = topic?.leaders.map(({ leaderId, leaderEpoch }, index) => ({
    errorCode: leaderId < 0 ? 5 : 0,
    index,
    leaderId,
    leaderEpoch,
    replicaNodes: [1, 2, 3],
    isrNodes: [1, 2, 3],
  }));
  return {
    errorCode: topic === undefined ? 3 : (topic.errorCode ?? 0),
    name,
    ...(version >= 10 && topic !== undefined ? { topicId: topic.topicId } : {}),
    partitions: partitions ?? [],
  };
}
