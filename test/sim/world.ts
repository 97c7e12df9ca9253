/** The world of one run: two embedded regions, producers, groups and mirror workers in one process, on virtual time and a
 *  network and disks with faults. The real client, broker and mirror; only sockets, disks, clocks and chance are replaced. */

import { MemoryNetwork } from "../../src/adapters/memory-network.ts";
import { createSimClock, type SimClock } from "../../src/adapters/sim-clock.ts";
import { createTopics, deleteTopics } from "../../src/client/admin.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { TributaryError } from "../../src/core/errors.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { settledOn } from "../support/settled-on.ts";
import { injectFault } from "./faults.ts";
import { Ledger } from "./ledger.ts";
import { Links } from "./links.ts";
import { Load } from "./load.ts";
import type { Marks } from "./marks.ts";
import type { Mutation } from "./mutant.ts";
import { REGIONS, type RegionName, type Shape, type SimPlan } from "./plan.ts";
import { Readers } from "./readers.ts";
import { SimRegion } from "./sim-region.ts";
import { directionsOf, SimWorker, targetTopicOf } from "./sim-worker.ts";
import { type Streams, streamsOf } from "./streams.ts";
import type { Trace } from "./trace.ts";

/** Records on a target per record ever sent, beyond which copies go round in circles: the run is stopped. */
const LOOP_FACTOR = 3;
const LOOP_RECORDS_MIN = 500;
const LOOP_CHECK_MS = 250;

/** What a world is made of. */
export interface WorldOptions {
  readonly plan: SimPlan;
  readonly mutation: Mutation;
  readonly marks: Marks;
  readonly trace: Trace;
}

/** Open one per run; nothing outside it is touched. */
export class SimWorld {
  readonly clock: SimClock = createSimClock();
  readonly ledger = new Ledger();
  readonly links: Links;
  readonly marks: Marks;
  readonly regions: Readonly<Record<RegionName, SimRegion>>;
  readonly readers: readonly Readers[];
  readonly #options: WorldOptions;
  readonly #streams: Streams;
  readonly #network: MemoryNetwork;
  readonly #workers = new Map<number, SimWorker>();
  readonly #ended: Promise<void>[] = [];
  readonly #acknowledged = new Set<string>();
  readonly #failures: unknown[] = [];
  readonly #schedule: { isPaused: boolean; endMs: number };
  #workersMade = 0;
  #loopCheckMs = 0;
  #isLooping = false;

  private constructor(options: WorldOptions) {
    const { plan, trace } = options;
    const { clock } = this;
    this.#options = options;
    this.marks = options.marks;
    this.#streams = streamsOf(plan.seed);
    this.#schedule = { isPaused: false, endMs: plan.shape.loadMs };
    this.#network = new MemoryNetwork(
      { randomPieces: plan.shape.randomPieces },
      {
        clock,
        random: this.#streams("network"),
        randomOf: (from, to) => this.#streams(`network ${from} ${to}`),
        onDelivered: (from, to, bytes) => trace.delivered(clock.monotonicMs(), { from, to }, bytes),
      },
    );
    this.links = new Links(this.#network);
    this.regions = { east: this.#region("east"), west: this.#region("west") };
    this.readers = directionsOf(plan.shape).map(({ from }) => this.#readers(from));
  }

  /** Regions are up and the topics exist. */
  static async open(options: WorldOptions): Promise<SimWorld> {
    const world = new SimWorld(options);
    await world.settled(world.#start());
    return world;
  }

  get shape(): Shape {
    return this.#options.plan.shape;
  }

  /** Workers that live, in order of their slots. */
  get workers(): readonly SimWorker[] {
    return [...this.#workers.values()];
  }

  worker(slot: number): SimWorker | undefined {
    return this.#workers.get(slot);
  }

  /** The place on the network that a plan means: a slot's present worker. */
  placeOf(name: string): string {
    const slot = /^worker-(\d+)$/.exec(name)?.[1];
    return slot === undefined ? name : (this.worker(Number(slot))?.place ?? name);
  }

  /** Safety phase: load and faults together, until the plan is carried out and every fault is healed. */
  async disturb(): Promise<void> {
    const { plan } = this.#options;
    for (let slot = 1; slot <= plan.shape.workers; slot++) this.startWorker(slot);
    const over = new AbortController();
    const loads = directionsOf(plan.shape).map(({ from }) => this.#load(from).run(over.signal));
    const reading = this.readers.map((readers) => readers.run(over.signal));
    const faults = plan.faults.map((fault) => this.#at(fault.atMs, () => injectFault(this, fault, over.signal)));
    for (const work of [...loads, ...reading, ...faults]) this.#watch(work);
    const isOver = (): boolean => this.clock.monotonicMs() >= this.#schedule.endMs || this.isBroken;
    while (!isOver()) await this.clock.runUntil(isOver, this.#schedule.endMs - this.clock.monotonicMs());
    over.abort(new Error("the plan is carried out"));
    if (!this.isBroken) await this.settled(Promise.all([...loads, ...reading, ...faults]));
    await this.#heal();
  }

  /** Lets time pass until `isDone` holds; false when it does not within the limit, or everything has come to rest. */
  async until(isDone: () => boolean, limitMs: number): Promise<boolean> {
    const isReached = await this.clock.runUntil(() => this.isBroken || isDone(), limitMs);
    this.#throwFailure();
    return isReached && !this.isBroken;
  }

  /** Lets time pass until the promise is settled; its result. */
  settled<T>(work: Promise<T>): Promise<T> {
    return settledOn(this.clock, work);
  }

  /** Ends all workers and regions. */
  async close(): Promise<void> {
    for (const slot of [...this.#workers.keys()]) this.#end(slot, (worker) => worker.close());
    await this.settled(Promise.all(this.#ended));
    for (const region of REGIONS) await this.settled(this.regions[region].close());
    this.#throwFailure();
  }

  /** Something is so wrong that going on shows nothing new. */
  get isBroken(): boolean {
    return this.#failures.length > 0 || this.isLooping;
  }

  /** Copies multiply. Looked at now and then only. */
  get isLooping(): boolean {
    const nowMs = this.clock.monotonicMs();
    if (this.#isLooping || nowMs < this.#loopCheckMs) return this.#isLooping;
    this.#loopCheckMs = nowMs + LOOP_CHECK_MS;
    this.#isLooping = this.#multiplies();
    return this.#isLooping;
  }

  #multiplies(): boolean {
    const limit = BigInt(LOOP_RECORDS_MIN + LOOP_FACTOR * this.ledger.size);
    return directionsOf(this.shape).some(({ to }) =>
      this.shape.topics.some(({ name }) => {
        const end = this.regions[to].up?.partitionLog(targetTopicOf(this.shape, name), 0)?.endOffset ?? 0n;
        return end > limit;
      }),
    );
  }

  /** Starts a worker in an empty slot. */
  startWorker(slot: number): void {
    const { plan, mutation, marks } = this.#options;
    const place = `worker-${slot}.${++this.#workersMade}`;
    for (const region of REGIONS) this.links.setBase(place, region, plan.shape.link);
    const worker = SimWorker.start(place, {
      name: `worker-${slot}`,
      clock: this.clock,
      random: this.#streams(place),
      network: this.#network.at(place),
      logger: silentLogger,
      regions: this.regions,
      shape: plan.shape,
      mutation,
      marks,
      acknowledged: this.#acknowledged,
    });
    this.#watch(worker.ended);
    this.#workers.set(slot, worker);
  }

  /** As SIGKILL: nothing gets out any more, whatever the rest of the code still tries. False when the slot is empty. */
  killWorker(slot: number): boolean {
    const worker = this.#workers.get(slot);
    if (worker === undefined) return false;
    if (worker.inFlightBytes > 0) this.marks.hit("worker-killed");
    for (const region of REGIONS) {
      this.links.add(worker.place, region, { mode: "cut" });
      this.links.add(region, worker.place, { mode: "cut" });
    }
    this.#end(slot, (dying) => dying.kill());
    return true;
  }

  /** Opens a region on what is on its disk. */
  async startRegion(name: RegionName): Promise<void> {
    const region = this.regions[name];
    await region.start();
    this.#options.mutation.region?.(region.embedded);
  }

  /** Deletes a topic of the east and makes it again at once, as far as the region is able to now. */
  async recreateTopic(name: string): Promise<void> {
    const region = this.regions.east.up;
    if (region === undefined || region.runningBrokers.length === 0) return;
    const client = await this.admin("east");
    try {
      await deleteTopics(client, [name]);
      await createTopics(client, [this.#topicSpec(name)]);
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
    } finally {
      await client.close();
    }
  }

  /** Producers rest; the load lasts longer by as much. The result ends the rest. */
  pauseLoad(forMs: number): () => void {
    this.#schedule.isPaused = true;
    this.#schedule.endMs += forMs;
    return () => {
      this.#schedule.isPaused = false;
    };
  }

  async #start(): Promise<void> {
    for (const name of REGIONS) await this.startRegion(name);
    await this.#makeTopics();
  }

  /** Those that are there already stay as they are. Targets with a limit of their own are made beforehand, with it. */
  async #makeTopics(): Promise<void> {
    const { directions, topics, targetBytesMax } = this.shape;
    await this.#make(
      "east",
      topics.map(({ name }) => this.#topicSpec(name)),
    );
    if (directions === "one-way" && targetBytesMax === 0) return;
    const configs = targetBytesMax === 0 ? {} : { "max.message.bytes": String(targetBytesMax) };
    await this.#make(
      "west",
      topics.map(({ name, partitions }) => ({ name: targetTopicOf(this.shape, name), partitions, configs })),
    );
  }

  async #make(region: RegionName, specs: Parameters<typeof createTopics>[1]): Promise<void> {
    const client = await this.admin(region);
    await createTopics(client, specs);
    await client.close();
  }

  #topicSpec(name: string) {
    const topic = this.shape.topics.find((each) => each.name === name);
    const configs = topic?.appendTime === true ? { "message.timestamp.type": "LogAppendTime" } : undefined;
    return { name, partitions: topic?.partitions ?? 1, configs };
  }

  #end(slot: number, how: (worker: SimWorker) => Promise<void>): void {
    const worker = this.#workers.get(slot);
    if (worker === undefined) return;
    this.#workers.delete(slot);
    this.#markLanes(worker);
    worker.clock.thaw();
    this.#ended.push(how(worker));
  }

  async #heal(): Promise<void> {
    if (this.isBroken) return;
    for (const name of REGIONS) {
      const { disk, embedded } = this.regions[name];
      disk.freeDisk();
      embedded.faults.clear();
      for (const { brokerId } of embedded.endpoints) {
        embedded.setFollowing(brokerId, { isHeld: false });
        await this.settled(embedded.startBroker(brokerId));
      }
    }
    await this.settled(this.#makeTopics());
    await this.settled(Promise.all(this.readers.map((readers) => readers.finish())));
  }

  async #at(atMs: number, work: () => Promise<void>): Promise<void> {
    await new Promise<void>((resolve) => this.clock.after(atMs, resolve));
    await work();
  }

  #region(name: RegionName): SimRegion {
    return new SimRegion(name, this.shape, {
      clock: this.clock,
      random: this.#streams(`region ${name}`),
      crashRandom: this.#streams(`crash ${name}`),
      network: this.#network.at(name),
      logger: silentLogger,
    });
  }

  #load(from: RegionName): Load {
    return new Load({
      ...this.#clientDeps(`producer-${from}`),
      random: this.#streams(`load ${from}`),
      region: this.regions[from],
      shape: this.shape,
      ledger: this.ledger,
      marks: this.marks,
      schedule: this.#schedule,
    });
  }

  #readers(from: RegionName): Readers {
    return new Readers({
      ...this.#clientDeps(`readers-${from}`),
      random: this.#streams(`readers ${from}`),
      region: this.regions[from],
      shape: this.shape,
    });
  }

  #clientDeps(place: string) {
    const { clock } = this;
    const network = this.#network.at(place);
    return { clock, clientRandom: this.#streams(place), network, logger: silentLogger };
  }

  /** A client without faults of its own; the caller closes it. */
  admin(region: RegionName): Promise<KafkaClient> {
    const { clock, clientRandom: random, network, logger } = this.#clientDeps("admin");
    const options = { bootstrap: this.regions[region].endpoints, clientId: "admin" };
    return KafkaClient.open(options, { clock, random, network, logger });
  }

  /** Programming errors anywhere in the world fail the run. */
  #watch(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#failures.push(error));
  }

  #throwFailure(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  /** Notes what the lanes of a worker tell of themselves, before they are gone. */
  #markLanes(worker: SimWorker): void {
    for (const { flow } of worker.flows) {
      for (const { takeovers, counts, faults, gapCount, modes } of flow.status.lanes) {
        const { rewrittenBatches, skippedBatches } = counts;
        this.marks.hit("takeover-unchanged", takeovers.unchanged);
        this.marks.hit("takeover-walked", takeovers.walked);
        this.marks.hit("takeover-truncated", takeovers.truncated);
        this.marks.hit("lane-merged", counts.mergedBatches);
        this.marks.hit("lane-rewrote-gaps", rewrittenBatches["offset-gaps"]);
        this.marks.hit("lane-rewrote-time", rewrittenBatches["append-time"]);
        this.marks.hit("lane-split", rewrittenBatches["too-large"]);
        this.marks.hit("lane-skipped-loop", skippedBatches.loop);
        this.marks.hit("gap-skipped", gapCount);
        this.marks.hit("gap-stopped", faults.SOURCE_GAP ?? 0);
        this.marks.hit("source-diverged", faults.SOURCE_DIVERGED ?? 0);
        this.marks.hit("recreated-stopped", faults.SOURCE_TOPIC_RECREATED ?? 0);
        this.marks.hit("history-mode", modes.entries);
      }
    }
  }
}
