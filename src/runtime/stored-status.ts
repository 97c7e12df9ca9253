/** What mirrors have done, told without a worker: progress stored on the target, compared with the source's log ends. */

import { listTopics } from "../client/admin.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { logBounds } from "../client/list-offsets.ts";
import type { Uuid } from "../core/brand.ts";
import { toError } from "../core/errors.ts";
import { targetName } from "../topology/checks.ts";
import type { Flow, Topology } from "../topology/model.ts";
import { selects } from "../topology/patterns.ts";
import { openClient, regionAddress } from "./connect.ts";
import { LaneRecords } from "./lane-records.ts";
import type { StateDirectory } from "./state-directory.ts";
import { storedProgress } from "./stored-progress.ts";
import {
  type FlowSnapshot,
  type LaneSnapshot,
  NO_GROUPS,
  NO_LATENCY,
  NO_METADATA,
  NOTHING_COUNTED,
} from "./worker-status.ts";

/** Where to look. */
export interface StoredWorld {
  readonly topology: Topology;
  readonly state: StateDirectory;
}

/** One snapshot for each flow; a flow whose side cannot be reached has that as its failure and no lanes. */
export async function storedStatus(world: StoredWorld, flows: readonly Flow[]): Promise<readonly FlowSnapshot[]> {
  await using clients = new Clients(world);
  return await Promise.all(flows.map((flow) => flowStatus(flow, clients)));
}

/** What a target holds. */
interface Stored {
  /** Of all lanes that end there. */
  readonly records: LaneRecords;
  /** Its topics as they are now. */
  readonly topicIds: ReadonlyMap<string, Uuid>;
}

/** Clients of regions, opened once each. */
class Clients implements AsyncDisposable {
  readonly #world: StoredWorld;
  readonly #open = new Map<string, Promise<KafkaClient>>();
  readonly #stored = new Map<string, Promise<Stored>>();

  constructor(world: StoredWorld) {
    this.#world = world;
  }

  of(region: string): Promise<KafkaClient> {
    const { topology, state } = this.#world;
    const known = this.#open.get(region);
    if (known !== undefined) return known;
    const opening = (async () =>
      openClient(regionAddress(topology, state, region), { clientId: "tributary-status" }))();
    this.#open.set(region, opening);
    return opening;
  }

  /** What is stored in a region. */
  stored(target: string): Promise<Stored> {
    const known = this.#stored.get(target);
    if (known !== undefined) return known;
    const reading = this.of(target).then(storedIn);
    this.#stored.set(target, reading);
    return reading;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opening of this.#open.values()) {
      await opening.then(
        (client) => client.close(),
        () => undefined, // it was never open; whoever asked for it was told
      );
    }
  }
}

async function storedIn(client: KafkaClient): Promise<Stored> {
  await using store = await storedProgress(client);
  const topics = await listTopics(client);
  const topicIds = new Map(topics.map(({ name, topicId }) => [name, topicId]));
  return { records: new LaneRecords(store === undefined ? [] : await store.list()), topicIds };
}

async function flowStatus(flow: Flow, clients: Clients): Promise<FlowSnapshot> {
  const { mirror, source, target } = flow;
  const unknown = {
    troubles: [],
    groups: NO_GROUPS,
    metadata: NO_METADATA,
    latency: NO_LATENCY,
    discoveredMs: null,
    roundAgeMs: 0,
  };
  const facts = { mirror: mirror.name, source, target, ...unknown };
  try {
    const [client, stored] = await Promise.all([clients.of(source), clients.stored(target)]);
    return { ...facts, state: "stopped", failure: null, lanes: await lanesOf(flow, client, stored) };
  } catch (error) {
    return { ...facts, state: "waiting", failure: toError(error).message, lanes: [] };
  }
}

async function lanesOf(
  flow: Flow,
  source: KafkaClient,
  { records, topicIds: targetTopicIds }: Stored,
): Promise<readonly LaneSnapshot[]> {
  const topics = (await listTopics(source)).filter((topic) => selects(flow.mirror.topics, topic.name));
  const partitions = topics.flatMap(({ name, partitions: all }) => all.map(({ index }) => ({ topic: name, index })));
  const bounds = await logBounds(source, partitions, { isolation: "read_committed" });
  const topicIds = new Map(topics.map((topic) => [topic.name, topic.topicId]));
  return bounds.map(({ topic, index, startOffset, endOffset }) => {
    const targetTopic = targetName(flow, topic);
    const targetTopicId = targetTopicIds.get(targetTopic);
    const place = { sourceTopic: topic, targetTopic, targetTopicId, partition: index };
    const known = targetTopicId === undefined ? [] : records.at(place);
    const stored = known.find(({ lane }) => lane.sourceTopicId === topicIds.get(topic));
    const next = stored?.progress.sourceNext ?? (flow.mirror.start === "earliest" ? startOffset : undefined);
    const lag = next === undefined ? undefined : endOffset - next;
    return {
      ...NOTHING_COUNTED,
      sourceTopic: topic,
      targetTopic,
      partition: index,
      state: "drained",
      reason: null,
      delivery: flow.mirror.delivery,
      sourceNext: numberOf(next),
      targetNext: numberOf(stored?.progress.targetNext),
      sourceEnd: Number(endOffset),
      lagRecords: lag === undefined ? null : Math.max(0, Number(lag)),
      behindMs: null,
      records: numberOf(stored?.progress.count),
      gaps: stored?.gapCount ?? 0,
    };
  });
}

function numberOf(value: bigint | undefined): number | null {
  return value === undefined ? null : Number(value);
}
