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
    return Promise.all([...this.#running.values()].map((running) => running.ended));
  }

  /** Lets lanes look for what they would not notice; whatever keeps the answer away is met, and told, by the lanes themselves. */
  async check(): Promise<void> {
    await Promise.allSettled(this.running.map((lane) => lane.check()));
  }

  /** Starts those that do not run yet and may. @throws {MirrorError} `TARGET_UNAVAILABLE` */
  async take(wanted: readonly WantedLane[]): Promise<void> {
    const unknown = wanted.filter(({ lane }) => !this.#running.has(laneKey(lane)));
    if (unknown.length === 0) return;
    const stored = await this.#deps.progress.list();
    const known = new KnownLanes([...stored, ...this.#names()]);
    await Promise.all(unknown.map((one) => this.#consider(one, known)));
  }

  /** Ends the lanes into a topic that is gone for good, and no longer speaks of them. */
  forget(targetTopicId: Uuid): void {
    for (const [key, { lane, stop }] of this.#running) {
      if (lane.options.lane.targetTopicId !== targetTopicId) continue;
      stop.abort();
      this.#running.delete(key);
      const { topic, partition } = lane.options.sourcePartition;
      const place = placeKey(topic, partition);
      if (this.#bySource.get(place) === lane) this.#bySource.delete(place);
    }
  }

  #names() {
    return this.running.map(({ options }) => ({
      lane: options.lane,
      sourceTopic: options.sourcePartition.topic,
      targetTopic: options.targetPartition.topic,
    }));
  }

  async #consider(wanted: WantedLane, known: KnownLanes): Promise<void> {
    const key = laneKey(wanted.lane);
    const predecessor = known.predecessorOf(wanted);
    const fault = known.has(wanted.lane) ? undefined : await this.#reasonAgainst(wanted, predecessor);
    if (fault === undefined) {
      this.#resting.delete(key);
      this.#start(wanted, predecessor === undefined ? this.#options.start : "earliest");
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
    const { source, target, progress, clock, random, pace, backfill, hooks } = this.#deps;
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
      { source, target, progress, clock, random, logger, pace, backfill, ...(hooks === undefined ? {} : { hooks }) },
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
