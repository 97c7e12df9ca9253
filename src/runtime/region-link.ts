/** A worker's link to one region: one client, and what mirrors need of the region made from it. */

import { KafkaAcls } from "../adapters/kafka-acls.ts";
import { KafkaCompactedTopics } from "../adapters/kafka-compacted-topics.ts";
import { KafkaDeletions } from "../adapters/kafka-deletions.ts";
import { CHANNELS } from "../adapters/kafka-fetcher.ts";
import { KafkaGroups } from "../adapters/kafka-groups.ts";
import { type KafkaMadeStore, openKafkaMade } from "../adapters/kafka-made.ts";
import { KafkaSettings } from "../adapters/kafka-metadata.ts";
import { dedicatedOffsetsTopic, readMm2Positions } from "../adapters/kafka-mm2-positions.ts";
import { type KafkaProgressStore, openKafkaProgress } from "../adapters/kafka-progress.ts";
import { KafkaSource } from "../adapters/kafka-source.ts";
import { KafkaTarget } from "../adapters/kafka-target.ts";
import { nodeClock } from "../adapters/node-clock.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import type { PrefetchBudget } from "../adapters/prefetch-budget.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { sleep } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { FlowDeps } from "../mirror/flow-options.ts";
import { openClient, regionAddress } from "./connect.ts";
import type { StoredWorld } from "./stored-status.ts";
import type { LinkSnapshot } from "./worker-status.ts";

/** Flows have stored their progress when they closed; what is left is worth no longer wait when the region is away. */
const LAST_STORE_MS = 500;

type Bar = NonNullable<FlowDeps["barred"]>;

/** What a link stands on. */
export interface RegionLinkDeps {
  readonly world: StoredWorld;
  readonly logger: Logger;
  /** Of the worker. */
  readonly budget: PrefetchBudget;
}

/** Shared by all flows of a worker that begin or end in the region: batches of many lanes then share requests. */
export class RegionLink implements AsyncDisposable {
  readonly region: string;
  readonly #client: KafkaClient;
  readonly #logger: Logger;
  readonly #budget: PrefetchBudget;
  readonly #rackId: string | undefined;
  readonly #worker: string;
  readonly #sources = new Map<string, KafkaSource>();
  #target: KafkaTarget | undefined;
  #groups: KafkaGroups | undefined;
  #progress: Promise<KafkaProgressStore> | undefined;
  #made: Promise<KafkaMadeStore> | undefined;

  private constructor(region: string, client: KafkaClient, deps: RegionLinkDeps) {
    this.region = region;
    this.#client = client;
    this.#logger = deps.logger;
    this.#budget = deps.budget;
    this.#worker = deps.world.state.workerName(nodeRandom());
    this.#rackId = deps.world.topology.regions.find(({ name }) => name === region)?.rack;
  }

  /** Reaches the region once. @throws {RuntimeError} `REGION_DOWN`, `REGION_UNREACHABLE` @throws {TopologyError} */
  static async open(region: string, deps: RegionLinkDeps, signal: AbortSignal): Promise<RegionLink> {
    const address = regionAddress(deps.world.topology, deps.world.state, region);
    const logger = deps.logger.child({ region });
    const client = await openClient(address, { clientId: "tributary-mirror", logger, signal });
    return new RegionLink(region, client, { ...deps, logger });
  }

  /** What it holds in memory now. */
  get snapshot(): LinkSnapshot {
    const fetchedBytes = [...this.#sources.values()].reduce((sum, source) => sum + source.fetchedBytes, 0);
    const [fetch, produce] = [this.#client.throttledMs("fetch"), this.#client.throttledMs("produce")];
    const inFlightBytes = this.#target?.inFlightBytes ?? 0;
    return { region: this.region, fetchedBytes, inFlightBytes, throttledMs: { fetch, produce } };
  }

  /** The region as a flow reads it: flows that carry the same topic to several targets do not wait for each other. */
  sourceOf(flow: string): KafkaSource {
    const known = this.#sources.get(flow);
    if (known !== undefined) return known;
    const deps = { client: this.#client, clock: nodeClock(), random: nodeRandom(), budget: this.#budget };
    const source = new KafkaSource({ firstChannel: this.#sources.size * CHANNELS, rackId: this.#rackId }, deps);
    this.#sources.set(flow, source);
    return source;
  }

  /** For questions about the region. */
  get source(): KafkaSource {
    return this.sourceOf("");
  }

  get target(): KafkaTarget {
    this.#target ??= new KafkaTarget({ client: this.#client, clock: nodeClock(), worker: this.#worker });
    return this.#target;
  }

  /** Settings of the region's topics. */
  get settings(): KafkaSettings {
    return new KafkaSettings({ client: this.#client });
  }

  /** Topics of MirrorMaker 2 in the region. */
  get compactedTopics(): KafkaCompactedTopics {
    return new KafkaCompactedTopics({ client: this.#client, clock: nodeClock() });
  }

  /** Which topics there are, and the deletion of one. */
  get deletions(): KafkaDeletions {
    return new KafkaDeletions({ client: this.#client });
  }

  /** Rules about the region's topics. */
  get acls(): KafkaAcls {
    return new KafkaAcls({ client: this.#client });
  }

  /** Says which lanes from a source MirrorMaker 2 filled in this region: without adoption they would be copied a second time. Where its
   *  positions are kept here, that is any lane whose target holds records: a position may never have been stored. @throws {ClientError} */
  async mm2Bar(sourceAlias: string, offsetsTopic = dedicatedOffsetsTopic(sourceAlias)): Promise<Bar> {
    const client = this.#client;
    const positions = await readMm2Positions({ sourceAlias, offsetsTopic }, { client, clock: nodeClock() });
    const isMirrorMakers = client.metadata.topic(offsetsTopic) !== undefined;
    return async ({ sourcePartition: { topic, partition }, targetPartition }) => {
      if (!isMirrorMakers || (await this.target.bounds(targetPartition)).endOffset === 0n) return undefined;
      const [position] = positions.at(topic, partition);
      return { code: "ADOPTION_NEEDED", topic, partition, copiedOffset: position?.offset ?? -1n };
    };
  }

  get groups(): KafkaGroups {
    this.#groups ??= new KafkaGroups({ client: this.#client, logger: this.#logger });
    return this.#groups;
  }

  /** Progress stored in this region; a failed attempt is forgotten, so that the next call tries again. @throws {ClientError} */
  progress(): Promise<KafkaProgressStore> {
    if (this.#progress === undefined) {
      const deps = { client: this.#client, clock: nodeClock(), random: nodeRandom(), logger: this.#logger };
      const opening = openKafkaProgress({}, deps);
      this.#progress = opening;
      opening.catch(() => {
        this.#progress = undefined;
      });
    }
    return this.#progress;
  }

  /** Progress stored in this region, to look at: unlike `progress` it may load lanes that run. The caller closes it. @throws {ClientError} */
  stored(): Promise<KafkaProgressStore> {
    const deps = { client: this.#client, clock: nodeClock(), random: nodeRandom(), logger: this.#logger };
    return openKafkaProgress({ readOnly: true }, deps);
  }

  /** What mirrors have made in this region; a failed attempt is forgotten. @throws {ClientError} */
  made(): Promise<KafkaMadeStore> {
    if (this.#made === undefined) {
      const opening = openKafkaMade({}, { client: this.#client, clock: nodeClock() });
      this.#made = opening;
      opening.catch(() => {
        this.#made = undefined;
      });
    }
    return this.#made;
  }

  /** Stores what is marked, if the region still takes it, then closes the client. Call once all flows are closed. Idempotent. */
  async close(): Promise<void> {
    const stored = this.#progress?.then((store) => store.close()).catch(() => undefined);
    await Promise.race([stored, sleep(nodeClock(), LAST_STORE_MS)]);
    await this.#client.close();
    await stored;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
