/** The lanes of a flow: those that run, and those that must not. */

import type { Uuid } from "../core/brand.ts";
import { KnownLanes, type WantedLane } from "./discovery.ts";
import type { LaneFault } from "./errors.ts";
import { DEFAULT_OPEN_TRANSACTION_MS, type FlowDeps, type FlowOptions } from "./flow-options.ts";
import { KnownWriters } from "./history/known-writers.ts";
import { Lane } from "./lane.ts";
import { producerIdOf, reverseLane } from "./lane-id.ts";
import { type LaneIdentity, type LaneKey, laneKey } from "./offset-ports.ts";
import { compileFilter, type Filter } from "./record-filter.ts";
import { type LaneStatus, restingLane } from "./status.ts";

interface Running {
  readonly lane: Lane;
  readonly ended: Promise<void>;
  readonly stop: AbortController;
}

/** What lanes are considered by. */
interface Surroundings {
  readonly known: KnownLanes;
  /** Source topics that were not there when the flow began. */
  readonly appeared: ReadonlySet<string>;
}

/** See the file's comment. */
export class FlowLanes {
  readonly #options: FlowOptions;
  readonly #deps: FlowDeps;
  /** Ends all of them. */
  readonly #signal: AbortSignal;
  readonly #running = new Map<LaneKey, Running>();
  /** The newest lane of each source partition. */
  readonly #bySource = new Map<string, Lane>();
  /** Lanes that are not run: their source topic was made again, or another program filled the target. */
  readonly #resting = new Map<LaneKey, LaneStatus>();
  /** Lanes that were told to end because their topic is another one now, until they have. */
  readonly #leaving = new Map<LaneKey, Promise<void>>();
  readonly #writers: KnownWriters;
  readonly #filter: Filter | undefined;

  /** @throws {MirrorError} `FILTER_INVALID` */
  constructor(options: FlowOptions, deps: FlowDeps, signal: AbortSignal) {
    this.#options = options;
    this.#deps = deps;
    this.#signal = signal;
    this.#writers = new KnownWriters(deps.source);
    this.#filter = options.filter && compileFilter(options.filter);
  }

  /** Those that run. */
  get running(): readonly Lane[] {
    return [...this.#running.values()].map(({ lane }) => lane);
  }

  /** Those that do not. */
  get resting(): readonly LaneStatus[] {
    return [...this.#resting.values()];
  }

  /** The newest lane of each source partition. */
  get newest(): readonly Lane[] {
    return [...this.#bySource.values()];
  }

  /** The newest lane of one. */
  of(sourceTopic: string, sourcePartition: number): Lane | undefined {
    return this.#bySource.get(placeKey(sourceTopic, sourcePartition));
  }

  /** Resolves when all have ended. */
  get ended(): Promise<unknown> {
    return Promise.all([...this.#leaving.values(), ...[...this.#running.values()].map((running) => running.ended)]);
  }

  /** Lets lanes look for what they would not notice; whatever keeps the answer away is met, and told, by the lanes themselves. */
  async check(): Promise<void> {
    await Promise.allSettled(this.running.map((lane) => lane.check()));
  }

  /** Starts those that do not run yet and may, and ends those whose place they take. `appeared`: source topics that were not there
   *  when the flow began. @throws {MirrorError} `TARGET_UNAVAILABLE` */
  async take(wanted: readonly WantedLane[], appeared: ReadonlySet<string>): Promise<void> {
    // One that is leaving has its place wanted again by an old view of the cluster: the next round sees better.
    const isThere = (key: LaneKey): boolean => this.#running.has(key) || this.#leaving.has(key);
    const unknown = wanted.filter(({ lane }) => !isThere(laneKey(lane)));
    if (unknown.length === 0) return;
    const stored = await this.#deps.progress.list();
    const known = new KnownLanes([...stored, ...this.#names()]);
    for (const one of unknown) this.#makeRoom(one);

    await Promise.all(unknown.map((one) => this.#consider(one, { known, appeared })));
  }

  /** One of both topics was deleted and made again: whatever stood at this place is about topics that are no more. */
  #makeRoom({ lane, sourcePartition, targetPartition }: WantedLane): void {
    const { topic, partition } = sourcePartition;
    const before = this.of(topic, partition)?.options.lane;
    if (before !== undefined) {
      this.#end(laneKey(before));
      if (before.targetTopicId !== lane.targetTopicId) {
        const about = { flow: this.#options.name, topic, partition, targetTopic: targetPartition.topic };
        this.#deps.logger.warn("target topic was deleted and made again: it is filled from the beginning", about);
      }
    }
    for (const [key, { sourceTopic, partition: at }] of this.#resting)
      if (sourceTopic === topic && at === partition && key !== laneKey(lane)) this.#resting.delete(key);
  }

  /** Lets a lane settle what it has under way, and no longer speaks of it. */
  #end(key: LaneKey): void {
    const running = this.#running.get(key);
    if (running === undefined) return;
    const { lane, ended, stop } = running;
    stop.abort();
    this.#running.delete(key);
    const left = ended.finally(() => this.#leaving.delete(key));
    this.#leaving.set(key, left);
    const { topic, partition } = lane.options.sourcePartition;
    const place = placeKey(topic, partition);
    if (this.#bySource.get(place) === lane) this.#bySource.delete(place);
  }

  /** Ends the lanes into a topic that is gone for good, and no longer speaks of them. */
  forget(targetTopicId: Uuid): void {
    for (const [key, { lane }] of this.#running) if (lane.options.lane.targetTopicId === targetTopicId) this.#end(key);
  }

  #names() {
    return this.running.map(({ options }) => ({
      lane: options.lane,
      sourceTopic: options.sourcePartition.topic,
      targetTopic: options.targetPartition.topic,
    }));
  }

  async #consider(wanted: WantedLane, { known, appeared }: Surroundings): Promise<void> {
    const key = laneKey(wanted.lane);
    const predecessor = known.predecessorOf(wanted);
    const fault = known.has(wanted.lane) ? undefined : await this.#reasonAgainst(wanted, predecessor);
    if (fault === undefined) {
      this.#resting.delete(key);
      const isLater = predecessor !== undefined || appeared.has(wanted.sourcePartition.topic) || known.carries(wanted);
      this.#start(wanted, isLater ? "earliest" : this.#options.start);
      return;
    }
    if (this.#resting.has(key)) return;
    this.#deps.logger.error("lane not started", { flow: this.#options.name, ...fault });
    this.#resting.set(key, restingLane(wanted, fault, this.#options.delivery));
  }

  /** Why a lane must not begin; undefined when it may. */
  async #reasonAgainst(wanted: WantedLane, predecessor: LaneIdentity | undefined): Promise<LaneFault | undefined> {
    if (predecessor === undefined) return this.#deps.barred?.(wanted);
    if (this.#options.onRecreate === "restart") return undefined;
    const { topic, partition } = wanted.sourcePartition;
    const { sourceTopicId: topicId } = predecessor;
    return { code: "SOURCE_TOPIC_RECREATED", topic, partition, topicId, newTopicId: wanted.lane.sourceTopicId };
  }

  /** Whether what lanes wrote into the source can be among what is read and is not wanted. */
  get #canLoop(): boolean {
    const { provenance, naming } = this.#options;
    return provenance === "local" || naming.keepsNames;
  }

  #start(wanted: WantedLane, start: "earliest" | "latest"): void {
    const { delivery, onGap, provenance, name } = this.#options;
    const logger = this.#deps.logger.child({
      flow: name,
      topic: wanted.sourcePartition.topic,
      partition: wanted.sourcePartition.partition,
    });
    const lane = new Lane(
      {
        ...wanted,
        producerId: producerIdOf(wanted.lane),
        rules: {
          provenance,
          reverseProducerId: producerIdOf(reverseLane(wanted.lane)),
          history: this.#canLoop
            ? { reverseLane: laneKey(reverseLane(wanted.lane)), writers: this.#writers }
            : undefined,
          filter: this.#filter,
        },
        delivery,
        gapPolicy: onGap,
        divergencePolicy: this.#options.onDivergence ?? "stop",
        openTransactionMs: this.#options.openTransactionMs ?? DEFAULT_OPEN_TRANSACTION_MS,
        start,
      },
      { ...this.#deps, logger },
    );
    this.#bySource.set(placeKey(wanted.sourcePartition.topic, wanted.sourcePartition.partition), lane);
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#signal, stop.signal]);
    this.#running.set(laneKey(wanted.lane), { lane, ended: lane.run(signal), stop });
  }
}

function placeKey(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}
