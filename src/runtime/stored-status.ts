/** What mirrors have done, told without a worker: progress stored on the target, compared with the source's log ends. */

import { listTopics } from "../client/admin.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { logBounds } from "../client/list-offsets.ts";
import { toError } from "../core/errors.ts";
import type { LaneStateRecord } from "../mirror/offset-ports.ts";
import { targetName } from "../topology/checks.ts";
import type { Flow, Topology } from "../topology/model.ts";
import { selects } from "../topology/patterns.ts";
import { openClient, regionAddress } from "./connect.ts";
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

/** Clients of regions, opened once each. */
class Clients implements AsyncDisposable {
  readonly #world: StoredWorld;
  readonly #open = new Map<string, Promise<KafkaClient>>();
  readonly #states = new Map<string, Promise<readonly LaneStateRecord[]>>();

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

  /** States of all lanes that end in a region. */
  states(target: string): Promise<readonly LaneStateRecord[]> {
    const known = this.#states.get(target);
    if (known !== undefined) return known;
    const reading = this.of(target).then(storedStates);
    this.#states.set(target, reading);
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

async function storedStates(client: KafkaClient): Promise<readonly LaneStateRecord[]> {
  await using store = await storedProgress(client);
  return store === undefined ? [] : await store.list();
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
    const [client, states] = await Promise.all([clients.of(source), clients.states(target)]);
    return { ...facts, state: "stopped", failure: null, lanes: await lanesOf(flow, client, states) };
  } catch (error) {
    return { ...facts, state: "waiting", failure: toError(error).message, lanes: [] };
  }
}

async function lanesOf(
  flow: Flow,
  source: KafkaClient,
  states: readonly LaneStateRecord[],
): Promise<readonly LaneSnapshot[]> {
  const topics = (await listTopics(source)).filter((topic) => selects(flow.mirror.topics, topic.name));
  const partitions = topics.flatMap(({ name, partitions: all }) => all.map(({ index }) => ({ topic: name, index })));
  const bounds = await logBounds(source, partitions, { isolation: "read_committed" });
  const topicIds = new Map(topics.map((topic) => [topic.name, topic.topicId]));
  return bounds.map(({ topic, index, startOffset, endOffset }) => {
    const stored = states.find(
      ({ lane }) => lane.sourceTopicId === topicIds.get(topic) && lane.sourcePartition === index,
    );
    const next = stored?.progress.sourceNext ?? (flow.mirror.start === "earliest" ? startOffset : undefined);
    const lag = next === undefined ? undefined : endOffset - next;
    return {
      ...NOTHING_COUNTED,
      sourceTopic: topic,
      targetTopic: stored?.targetTopic ?? targetName(flow, topic),
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
