/** Looks again and again which topics a flow has to copy, makes what the target lacks for that, and tells of lanes that do not run yet. */

import { backoffMs } from "../core/backoff.ts";
import { sleep } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import type { LogFields } from "../core/logger.ts";
import { lackingOn, type WantedLane, type WantedTopic, wantedLanes, wantedTopics } from "./discovery.ts";
import { MirrorError } from "./errors.ts";
import { DEFAULT_DISCOVER_EVERY_MS, type FlowDeps, type FlowOptions, type FlowTopics } from "./flow-options.ts";
import type { NewTopic, TopicInfo } from "./ports.ts";
import type { FlowStatus, TopicTrouble } from "./status.ts";

/** What the rounds have seen, as the flow's status tells it. */
export type DiscoveryStatus = Pick<FlowStatus, "troubles" | "discoveryFailure" | "discoveredMs" | "roundAgeMs">;

/** Is told of all lanes of each round, and of the source topics that were not there in the first one. */
export type TakeLanes = (wanted: readonly WantedLane[], appeared: ReadonlySet<string>) => Promise<void>;

/** One flow's rounds. */
export class DiscoveryRounds {
  readonly #options: FlowOptions;
  readonly #deps: FlowDeps;
  readonly #take: TakeLanes;
  /** Source topics of the first round that went well; what comes later has no records from before. */
  #first: ReadonlySet<string> | undefined;
  #troubles: readonly TopicTrouble[] = [];
  #seen: FlowTopics | undefined;
  #failure: string | undefined;
  #discoveredMs: number | undefined;
  #roundAtMs: number;

  constructor(options: FlowOptions, deps: FlowDeps, take: TakeLanes) {
    this.#options = options;
    this.#deps = deps;
    this.#take = take;
    this.#roundAtMs = deps.clock.monotonicMs();
  }

  /** The topics of both sides as the last round saw them; undefined when it failed. */
  get seen(): FlowTopics | undefined {
    return this.#seen;
  }

  get status(): DiscoveryStatus {
    return {
      troubles: this.#troubles,
      discoveryFailure: this.#failure,
      discoveredMs: this.#discoveredMs,
      roundAgeMs: this.#deps.clock.monotonicMs() - this.#roundAtMs,
    };
  }

  /** Until the signal aborts. Whatever keeps a round from being made is told and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#deps;
    const { name: flow, discoverEveryMs = DEFAULT_DISCOVER_EVERY_MS } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#round();
        failures = 0;
        if (this.#failure !== undefined) logger.info("discovery works again", { flow });
        this.#failure = undefined;
        this.#discoveredMs = clock.nowMs();
      } catch (error) {
        failures++;
        const what = toError(error).message;
        if (this.#failure !== what) logger.warn("discovery failed", { flow, ...factsOf(error) });
        this.#failure = what;
        this.#seen = undefined;
      }
      this.#roundAtMs = clock.monotonicMs();
      const waitMs = failures === 0 ? discoverEveryMs : Math.min(discoverEveryMs, backoffMs(failures, random));
      await sleep(clock, waitMs, signal).catch(() => undefined);
    }
  }

  async #round(): Promise<void> {
    const { source, target } = this.#deps;
    const [sources, targets] = await Promise.all([source.topics(), target.topics()]);
    const { topics, troubles } = wantedTopics(sources, this.#options.topics, this.#options.naming);
    const names = sources.map(({ topic }) => topic);
    this.#first ??= new Set(names);
    const appeared = new Set(names.filter((name) => this.#first?.has(name) === false));
    const made = await this.#make(targets, topics);
    this.#troubles = [...troubles, ...made.troubles];
    this.#seen = { sources, targets: made.targets };
    const clusters = { sourceClusterId: source.clusterId, targetClusterId: target.clusterId };
    await this.#take(wantedLanes(made.targets, topics, clusters), appeared);
  }

  /** Creates and grows topics on the target; one that cannot be made does not hold up the others. */
  async #make(targets: readonly TopicInfo[], topics: readonly WantedTopic[]) {
    const { target } = this.#deps;
    const { create, grow } = lackingOn(targets, topics, this.#options.replicationFactor);
    const troubles: TopicTrouble[] = [];
    const attempt = async (topic: string, work: Promise<void>): Promise<void> => {
      try {
        await work;
      } catch (error) {
        const sourceTopic = this.#options.naming.sourceOf(topic) ?? topic;
        troubles.push({ sourceTopic, targetTopic: topic, why: toError(error).message });
      }
    };
    await Promise.all([
      ...create.map((topic) => attempt(topic.topic, this.#create(topic, topics))),
      ...grow.map(({ topic, partitions }) => attempt(topic, target.growTopic(topic, partitions))),
    ]);
    return { troubles, targets: create.length + grow.length === 0 ? targets : await target.topics() };
  }

  async #create(topic: NewTopic, wanted: readonly WantedTopic[]): Promise<void> {
    const topicId = await this.#deps.target.createTopic(topic);
    const source = wanted.find(({ targetTopic }) => targetTopic === topic.topic)?.source;
    if (topicId !== undefined && source !== undefined)
      await this.#deps.onTopicMade?.({ source, target: { topic: topic.topic, topicId } });
  }
}

/** A failure's facts for the log; the partition of an unavailable side says nothing here. */
function factsOf(error: unknown): LogFields {
  if (!(error instanceof MirrorError)) return { cause: toError(error).message };
  const { code } = error.fault;
  return "why" in error.fault ? { code, why: error.fault.why } : { ...error.fault };
}
