/** A flow: one direction of a mirror. Finds topics, makes them on the target, runs a lane for each partition, and tells
 *  about all of it in one snapshot. */

import { backoffMs } from "../core/backoff.ts";
import type { Uuid } from "../core/brand.ts";
import { type Clock, sleep } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import type { LogFields, Logger } from "../core/logger.ts";
import type { Random } from "../core/random.ts";
import type { Selection } from "../topology/patterns.ts";
import type { RecordFilter } from "../topology/record-filter.ts";
import { KnownLanes, lackingOn, type WantedLane, type WantedTopic, wantedLanes, wantedTopics } from "./discovery.ts";
import { type LaneFault, MirrorError } from "./errors.ts";
import { KnownWriters } from "./history/known-writers.ts";
import { Lane } from "./lane.ts";
import { producerIdOf, reverseLane } from "./lane-id.ts";
import type { LaneHooks } from "./lane-options.ts";
import type { LoopWatch } from "./loop-watch.ts";
import type { Copy } from "./metadata/deletion-sync.ts";
import type { LaneMap } from "./mm2/ports.ts";
import type { Naming } from "./naming.ts";
import type { OffsetMap } from "./offset-map.ts";
import {
  type LaneDirectory,
  type LaneEntry,
  type LaneIdentity,
  type LaneKey,
  laneKey,
  type ProgressStore,
  type ReverseLane,
} from "./offset-ports.ts";
import type { Pace } from "./pace.ts";
import type { Provenance } from "./plan.ts";
import type { Delivery, NewTopic, Source, Target, TopicInfo, TopicPartition } from "./ports.ts";
import { compileFilter, type Filter } from "./record-filter.ts";
import { type FlowStatus, type LaneStatus, restingLane, type TopicTrouble } from "./status.ts";

/** New topics and partitions are copied this soon after they appear. */
export const DEFAULT_DISCOVER_EVERY_MS = 2_000;
/** Lanes look this often for what they would not notice by themselves: one small request per leader. */
export const DEFAULT_CHECK_EVERY_MS = 10_000;
/** A transaction of the source is told as trouble when it is open for longer: producers may not ask for more by default
 *  (`transaction.max.timeout.ms`), so its coordinator has forgotten it. */
export const DEFAULT_OPEN_TRANSACTION_MS = 15 * 60_000;
/** Time for lanes to settle what is in flight when the flow is asked to stop; with the final flush below 10 s in all. */
export const DEFAULT_DRAIN_MS = 7_000;
/** Time for the last flush of progress. */
const FLUSH_MS = 2_000;

/** One flow's rules. */
export interface FlowOptions {
  /** For status and logs, for example `mirror/us-west`. */
  readonly name: string;
  readonly topics: Selection;
  readonly naming: Naming;
  readonly delivery: Delivery;
  readonly start: "earliest" | "latest";
  readonly onGap: "stop" | "skip";
  readonly onDivergence?: "stop" | "continue";
  readonly onRecreate: "stop" | "restart";
  readonly provenance: Provenance;
  /** Records that are left out; default: none. */
  readonly filter?: RecordFilter | undefined;
  /** Replicas of topics that the flow makes; default: as many as on the source. Never more than the target has brokers. */
  readonly replicationFactor?: number | "source";
  readonly discoverEveryMs?: number;
  readonly checkEveryMs?: number;
  readonly openTransactionMs?: number;
  readonly drainMs?: number;
}

/** What a flow works with. */
export interface FlowDeps {
  readonly source: Source;
  readonly target: Target;
  readonly progress: ProgressStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Which other lanes write into a lane's target partition; only the one who knows all flows can say. Default: none. */
  readonly companyOf?: (lane: LaneIdentity, names: LaneNames) => LaneEntry["company"];
  /** Why a lane of which nothing is stored must not begin by itself; default: it may. */
  readonly barred?: (wanted: WantedLane) => Promise<LaneFault | undefined>;
  /** Shared by all flows of a mirror. */
  readonly pace?: Pace | undefined;
  /** See `LaneHooks`. */
  readonly hooks?: LaneHooks;
  /** Told of every topic that the flow itself made on the target; must not reject. */
  readonly onTopicMade?: (made: { readonly source: TopicInfo; readonly target: TopicRef }) => Promise<void>;
}

/** A topic incarnation. */
export type TopicRef = Pick<TopicPartition, "topic" | "topicId">;

/** What a lane's topic is called on both sides. */
export interface LaneNames {
  readonly sourceTopic: string;
  readonly targetTopic: string;
}

/** Topics of both sides. */
export interface FlowTopics {
  readonly sources: readonly TopicInfo[];
  readonly targets: readonly TopicInfo[];
}

interface Running {
  readonly lane: Lane;
  readonly ended: Promise<void>;
  readonly stop: AbortController;
}

/** Works from `open` to `close`. */
export class Flow implements AsyncDisposable {
  readonly #options: FlowOptions;
  readonly #deps: FlowDeps;
  readonly #lanes = new Map<LaneKey, Running>();
  /** The newest lane of each source partition. */
  readonly #bySource = new Map<string, Lane>();
  /** Lanes that are not run: their source topic was made again, or another program filled the target. */
  readonly #resting = new Map<LaneKey, LaneStatus>();
  readonly #stopping = new AbortController();
  readonly #writers: KnownWriters;
  readonly #filter: Filter | undefined;
  #troubles: readonly TopicTrouble[] = [];
  #seen: FlowTopics | undefined;
  #discoveryFailure: string | undefined;
  #discoveredMs: number | undefined;
  #roundAtMs: number;
  #discovering: Promise<void> = Promise.resolve();
  #checking: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  private constructor(options: FlowOptions, deps: FlowDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#writers = new KnownWriters(deps.source);
    this.#filter = options.filter && compileFilter(options.filter);
    this.#roundAtMs = deps.clock.monotonicMs();
  }

  /** Starts at once and does not wait for anything: an unreachable side shows in the status and is tried again.
   *  @throws {MirrorError} `LOOP_UNGUARDED` when copies could come back as new records for ever, `FILTER_INVALID` */
  static open(options: FlowOptions, deps: FlowDeps): Flow {
    if (options.delivery === "at-least-once" && options.naming.keepsNames && options.provenance === "local")
      throw new MirrorError({
        code: "LOOP_UNGUARDED",
        what: "at-least-once batches carry no producer id by which the other direction could tell them apart",
      });
    const flow = new Flow(options, deps);
    flow.#discovering = flow.#discoverForEver();
    flow.#checking = flow.#checkForEver();
    return flow;
  }

  /** A snapshot. */
  get status(): FlowStatus {
    const lanes = [...this.#resting.values(), ...[...this.#lanes.values()].map(({ lane }) => lane.status)];
    return {
      name: this.#options.name,
      sourceClusterId: this.#deps.source.clusterId,
      targetClusterId: this.#deps.target.clusterId,
      lanes: lanes.toSorted(byPlace),
      troubles: this.#troubles,
      lagRecords: lanes.reduce((sum, lane) => sum + (lane.lagRecords ?? 0n), 0n),
      discoveryFailure: this.#discoveryFailure,
      discoveredMs: this.#discoveredMs,
      roundAgeMs: this.#deps.clock.monotonicMs() - this.#roundAtMs,
    };
  }

  /** Snapshots of the lanes that are not at their source's end; much cheaper than `status` where all of them are. */
  get lanesBehind(): readonly LaneStatus[] {
    const behind = [...this.#lanes.values()].filter(({ lane }) => !lane.isAtEnd);
    return [...this.#resting.values(), ...behind.map(({ lane }) => lane.status)];
  }

  /** Offset maps of the running lanes, for group sync. */
  get directory(): LaneDirectory {
    return { find: (sourceTopic, sourcePartition) => this.#entry(sourceTopic, sourcePartition) };
  }

  /** The topics of both sides as the last round of discovery saw them; undefined when it failed. */
  get seen(): FlowTopics | undefined {
    return this.#seen;
  }

  /** Which incarnations the lanes copy, partition by partition. */
  get copies(): readonly Copy[] {
    return [...this.#lanes.values()].map(({ lane: { options } }) => ({
      sourceTopic: options.sourcePartition.topic,
      sourceTopicId: options.sourcePartition.topicId,
      targetTopic: options.targetPartition.topic,
      targetTopicId: options.targetPartition.topicId,
    }));
  }

  /** Offset maps of all lanes that know theirs. */
  get maps(): readonly LaneMap[] {
    return [...this.#bySource.values()].flatMap(({ map, options: { sourcePartition } }) => {
      const { topic: sourceTopic, partition } = sourcePartition;
      return map === undefined ? [] : [{ sourceTopic, partition, map }];
    });
  }

  #entry(sourceTopic: string, sourcePartition: number): LaneEntry | undefined {
    const lane = this.#bySource.get(placeKey(sourceTopic, sourcePartition));
    if (lane?.map === undefined) return undefined;
    const { topic: targetTopic, partition: targetPartition } = lane.options.targetPartition;
    const company = this.#deps.companyOf?.(lane.options.lane, { sourceTopic, targetTopic }) ?? { kind: "alone" };
    return { targetTopic, targetPartition, map: lane.map, asReverse: reverseOf(lane.map, lane.loops), company };
  }

  /** Ends the lanes into a topic that is gone for good, and no longer speaks of them. */
  forget(targetTopicId: Uuid): void {
    for (const [key, { lane, stop }] of this.#lanes) {
      if (lane.options.lane.targetTopicId !== targetTopicId) continue;
      stop.abort();
      this.#lanes.delete(key);
      const { topic, partition } = lane.options.sourcePartition;
      const place = placeKey(topic, partition);
      if (this.#bySource.get(place) === lane) this.#bySource.delete(place);
    }
  }

  /** Drains: reading stops, what is in flight is settled, progress is stored. Idempotent; takes less than 10 s. */
  close(): Promise<void> {
    this.#closed ??= this.#drain();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #drain(): Promise<void> {
    const { clock, progress, logger } = this.#deps;
    this.#stopping.abort();
    const ended = Promise.all([
      this.#discovering,
      this.#checking,
      ...[...this.#lanes.values()].map((running) => running.ended),
    ]);
    if (!(await within(ended, this.#options.drainMs ?? DEFAULT_DRAIN_MS, clock)))
      logger.warn("flow stopped with batches in flight", { flow: this.#options.name });
    const flushed = progress.flush().catch((error: unknown) => {
      logger.warn("progress not stored at the end", { cause: toError(error).message });
    });
    await within(flushed, FLUSH_MS, clock);
  }

  async #discoverForEver(): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#discover();
        failures = 0;
        if (this.#discoveryFailure !== undefined)
          this.#deps.logger.info("discovery works again", { flow: this.#options.name });
        this.#discoveryFailure = undefined;
        this.#discoveredMs = this.#deps.clock.nowMs();
      } catch (error) {
        failures++;
        const what = toError(error).message;
        if (this.#discoveryFailure !== what)
          this.#deps.logger.warn("discovery failed", { flow: this.#options.name, ...factsOf(error) });
        this.#discoveryFailure = what;
        this.#seen = undefined;
      }
      this.#roundAtMs = this.#deps.clock.monotonicMs();
      const everyMs = this.#options.discoverEveryMs ?? DEFAULT_DISCOVER_EVERY_MS;
      const waitMs = failures === 0 ? everyMs : Math.min(everyMs, backoffMs(failures, this.#deps.random));
      await sleep(this.#deps.clock, waitMs, signal).catch(() => undefined);
    }
  }

  async #checkForEver(): Promise<void> {
    const { signal } = this.#stopping;
    const everyMs = this.#options.checkEveryMs ?? DEFAULT_CHECK_EVERY_MS;
    for (;;) {
      await sleep(this.#deps.clock, everyMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      // Whatever keeps the answer away is met, and told, by the lanes themselves.
      await Promise.allSettled([...this.#lanes.values()].map(({ lane }) => lane.check()));
    }
  }

  /** One round. */
  async #discover(): Promise<void> {
    const { source, target, progress } = this.#deps;
    const [sources, targets] = await Promise.all([source.topics(), target.topics()]);
    const { topics, troubles } = wantedTopics(sources, this.#options.topics, this.#options.naming);
    const made = await this.#make(targets, topics);
    this.#troubles = [...troubles, ...made.troubles];
    this.#seen = { sources, targets: made.targets };
    const clusters = { sourceClusterId: source.clusterId, targetClusterId: target.clusterId };
    const unknown = wantedLanes(made.targets, topics, clusters).filter(({ lane }) => !this.#lanes.has(laneKey(lane)));
    if (unknown.length === 0) return;
    const stored = await progress.list();
    const known = new KnownLanes([...stored, ...this.#known()]);
    await Promise.all(unknown.map((wanted) => this.#consider(wanted, known)));
  }

  /** Creates and grows topics on the target; one that cannot be made does not hold up the others. */
  async #make(targets: readonly TopicInfo[], topics: Parameters<typeof lackingOn>[1]) {
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

  #known() {
    return [...this.#lanes.values()].map(({ lane: { options } }) => ({
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
    const { source, target, progress, clock, random, pace, hooks } = this.#deps;
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
      { source, target, progress, clock, random, logger, pace, ...(hooks === undefined ? {} : { hooks }) },
    );
    this.#bySource.set(placeKey(wanted.sourcePartition.topic, wanted.sourcePartition.partition), lane);
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, stop.signal]);
    this.#lanes.set(laneKey(wanted.lane), { lane, ended: lane.run(signal), stop });
  }
}

/** A failure's facts for the log; the partition of an unavailable side says nothing here. */
function factsOf(error: unknown): LogFields {
  if (!(error instanceof MirrorError)) return { cause: toError(error).message };
  const { code } = error.fault;
  return "why" in error.fault ? { code, why: error.fault.why } : { ...error.fault };
}

function reverseOf(map: OffsetMap, loops: LoopWatch): ReverseLane {
  return {
    reverse: (targetOffset) => map.reverse(targetOffset),
    foreignFrom: (offset) => loops.foreignFrom(offset, map),
  };
}

function placeKey(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

function byPlace(a: LaneStatus, b: LaneStatus): number {
  return a.sourceTopic === b.sourceTopic ? a.partition - b.partition : a.sourceTopic < b.sourceTopic ? -1 : 1;
}

/** True when the work ended in time. */
async function within(work: Promise<unknown>, limitMs: number, clock: Clock): Promise<boolean> {
  const late = new AbortController();
  const result = await Promise.race([
    work.then(() => true),
    sleep(clock, limitMs, late.signal).then(
      () => false,
      () => true,
    ),
  ]);
  late.abort();
  return result;
}
