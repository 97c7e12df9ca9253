/** Two embedded regions, a producer and any number of mirror workers in one process, on virtual time and a network with
 *  faults: the real client, broker and mirror, only sockets, disks and clocks are replaced. */

import { type KafkaProgressStore, openKafkaProgress } from "../../src/adapters/kafka-progress.ts";
import { KafkaSource } from "../../src/adapters/kafka-source.ts";
import { KafkaTarget } from "../../src/adapters/kafka-target.ts";
import { MemoryNetwork } from "../../src/adapters/memory-network.ts";
import { MemoryStorage } from "../../src/adapters/memory-storage.ts";
import { createSimClock, type SimClock } from "../../src/adapters/sim-clock.ts";
import { EmbeddedRegion } from "../../src/broker/embedded-region.ts";
import { createTopics } from "../../src/client/admin.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { produceTo } from "../../src/client/produce.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { sleep } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { type Random, randomInt } from "../../src/core/random.ts";
import { Flow } from "../../src/mirror/flow.ts";
import type { LaneHooks } from "../../src/mirror/lane-options.ts";
import { namingOf } from "../../src/mirror/naming.ts";
import { OffsetMap } from "../../src/mirror/offset-map.ts";
import { compilePattern, type Pattern } from "../../src/topology/patterns.ts";
import { batchesIn } from "../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../src/wire/records.ts";
import { seededRandom } from "./seeded-random.ts";

const TOPIC = "flights";
const TARGET_TOPIC = "source.flights";
const PRODUCE_KEY = 0;
const REGIONS = ["source", "target"] as const;

/** What may be chosen of a race. */
export interface RaceOptions {
  readonly seed: number;
  readonly partitions?: number;
  readonly hooks?: LaneHooks;
}

/** What happened to cause trouble, so that a run without any is noticed. */
export type RaceTally = Record<
  "kills" | "lostAcks" | "lateReplies" | "lateRequests" | "lostRequests" | "brokerStops" | "holds" | "cuts",
  number
>;

/** A mirror worker as one process would be: everything behind one place of the network. */
interface Worker {
  readonly place: string;
  flow: Flow | undefined;
  readonly dead: AbortController;
}

/** Open one per seed; nothing outside it is touched. */
export class RaceWorld {
  readonly clock: SimClock = createSimClock();
  readonly random: Random;
  readonly tally: RaceTally = {
    kills: 0,
    lostAcks: 0,
    lateReplies: 0,
    lateRequests: 0,
    lostRequests: 0,
    brokerStops: 0,
    holds: 0,
    cuts: 0,
  };
  readonly #options: RaceOptions;
  readonly #network: MemoryNetwork;
  readonly #regions = new Map<(typeof REGIONS)[number], EmbeddedRegion>();
  #workers: Worker[] = [];
  #workersMade = 0;
  #producedBatches = 0;
  #isLoading = false;
  readonly #failures: unknown[] = [];

  private constructor(options: RaceOptions) {
    this.#options = options;
    this.random = seededRandom(options.seed);
    this.#network = new MemoryNetwork({}, { clock: this.clock, random: this.random });
  }

  /** Regions are up and the source topic exists. */
  static async open(options: RaceOptions): Promise<RaceWorld> {
    const world = new RaceWorld(options);
    await world.settled(world.#start());
    return world;
  }

  /** Lets time pass until the promise is settled; its result. */
  async settled<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    void work.then(
      () => {
        isSettled = true;
      },
      () => {
        isSettled = true;
      },
    );
    await this.clock.runUntil(() => isSettled, 120_000);
    if (!isSettled) throw new Error("nothing more happens, yet the work is not done");
    return work;
  }

  /** Runs workers and a producer among faults, then lets everything heal. False when the copy is not complete a minute later. */
  async race(workers: number, durationMs: number): Promise<boolean> {
    for (let i = 0; i < workers; i++) this.#startWorker();
    this.#isLoading = true;
    this.#watch(this.#load(durationMs));
    this.#watch(this.#trouble(durationMs));
    await this.clock.runUntil(() => false, durationMs);
    this.#isLoading = false;
    await this.settled(this.#heal());
    const isComplete = await this.clock.runUntil(() => this.#isComplete(), 60_000);
    // A repeat that comes late must still be seen.
    await this.clock.runUntil(() => false, 5_000);
    if (this.#failures[0] !== undefined) throw this.#failures[0];
    return isComplete;
  }

  /** Ends all workers and regions. */
  async close(): Promise<void> {
    for (const worker of this.#workers) {
      worker.dead.abort(new Error("closed"));
      if (worker.flow !== undefined) await this.settled(worker.flow.close());
    }
    for (const region of this.#regions.values()) await this.settled(region.close());
  }

  /** Values in order of offset, per partition, read from the logs themselves. */
  values(region: (typeof REGIONS)[number]): readonly (readonly string[])[] {
    const topic = region === "source" ? TOPIC : TARGET_TOPIC;
    return Array.from({ length: this.#partitions }, (_, partition) =>
      this.#read(region, topic, partition).map(({ value }) => value),
    );
  }

  /** Offsets whose translation by some worker's map differs from where the record really is; empty when all agree. */
  wrongTranslations(): readonly string[] {
    const wrong: string[] = [];
    for (const worker of this.#workers) {
      for (let partition = 0; partition < this.#partitions; partition++) {
        const map = worker.flow?.directory.find(TOPIC, partition)?.map;
        if (!(map instanceof OffsetMap)) continue;
        const targets = new Map(
          this.#read("target", TARGET_TOPIC, partition).map(({ value, offset }) => [value, offset]),
        );
        for (const { value, offset } of this.#read("source", TOPIC, partition)) {
          const expected = targets.get(value);
          const translated = map.translate(offset);
          if (translated.kind !== "exact" || translated.targetOffset !== expected)
            wrong.push(`${worker.place} ${partition}:${offset} -> ${translated.kind}, not ${expected}`);
          const reversed = expected === undefined ? undefined : map.reverse(expected);
          if (reversed?.kind !== "exact" || reversed.sourceOffset !== offset)
            wrong.push(`${worker.place} ${partition}:${expected} <- ${reversed?.kind}, not ${offset}`);
        }
      }
    }
    return wrong;
  }

  /** Why lanes are not moving, for a failed run's message. */
  get laneStates(): string {
    return this.#workers
      .flatMap((worker) =>
        (worker.flow?.status.lanes ?? []).map(
          (lane) =>
            `${worker.place}/${lane.partition} ${lane.state} ${lane.reason?.code ?? ""} next=${lane.sourceNext}`,
        ),
      )
      .join("; ");
  }

  get #partitions(): number {
    return this.#options.partitions ?? 2;
  }

  async #start(): Promise<void> {
    for (const name of REGIONS) {
      const deps = {
        storage: new MemoryStorage(),
        clock: this.clock,
        random: this.random,
        network: this.#network.at(name),
        logger: silentLogger,
      };
      const region = await EmbeddedRegion.open(
        { directory: `/${name}`, clusterId: name, brokers: name === "target" ? 3 : 1 },
        deps,
      );
      this.#regions.set(name, region);
    }
    const client = await this.#client("admin", "source");
    await createTopics(client, [{ name: TOPIC, partitions: this.#partitions }]);
    await client.close();
  }

  #region(name: (typeof REGIONS)[number]): EmbeddedRegion {
    const region = this.#regions.get(name);
    if (region === undefined) throw new Error(`no region ${name}`);
    return region;
  }

  #client(place: string, region: (typeof REGIONS)[number], signal?: AbortSignal): Promise<KafkaClient> {
    const deps = { clock: this.clock, random: this.random, network: this.#network.at(place), logger: silentLogger };
    return KafkaClient.open(
      {
        bootstrap: this.#region(region).endpoints,
        clientId: place,
        requestTimeoutMs: 2_000,
        connectTimeoutMs: 500,
        frames: { poison: true },
        signal,
      },
      deps,
    );
  }

  #startWorker(): void {
    const worker: Worker = { place: `worker-${++this.#workersMade}`, flow: undefined, dead: new AbortController() };
    this.#workers.push(worker);
    this.#watch(this.#openWorker(worker));
  }

  async #openWorker(worker: Worker): Promise<void> {
    const { signal } = worker.dead;
    const deps = { clock: this.clock, random: this.random, logger: silentLogger };
    while (!signal.aborted) {
      const opened: (KafkaClient | KafkaProgressStore)[] = [];
      try {
        const sourceClient = await this.#client(worker.place, "source", signal);
        opened.push(sourceClient);
        const targetClient = await this.#client(worker.place, "target", signal);
        opened.push(targetClient);
        const progress = await openKafkaProgress({}, { ...deps, client: targetClient });
        signal.throwIfAborted();
        worker.flow = Flow.open(
          {
            name: worker.place,
            topics: { include: [pattern(TOPIC)], exclude: [] },
            naming: namingOf("{source}.{topic}", { source: "source", target: "target", mirror: "race" }),
            delivery: "exactly-once",
            start: "earliest",
            onGap: "stop",
            onRecreate: "stop",
            provenance: "local",
          },
          {
            ...deps,
            source: new KafkaSource({}, { ...deps, client: sourceClient }),
            target: new KafkaTarget({ ...deps, client: targetClient }),
            progress,
            ...(this.#options.hooks === undefined ? {} : { hooks: this.#options.hooks }),
          },
        );
        return;
      } catch {
        for (const each of opened) await each.close();
        await sleep(this.clock, 50, signal).catch(() => undefined);
      }
    }
  }

  /** As SIGKILL: nothing gets out any more, whatever the rest of the code still tries. */
  #kill(worker: Worker): void {
    for (const region of REGIONS) this.#network.setLinks(worker.place, region, { mode: "cut" });
    worker.dead.abort(new Error("killed"));
    this.#workers = this.#workers.filter((other) => other !== worker);
    const { flow } = worker;
    if (flow !== undefined) this.#watch(flow.close());
  }

  async #load(durationMs: number): Promise<void> {
    const client = await this.#client("producer", "source");
    await client.metadata.refresh("load", { all: true });
    const endMs = this.clock.monotonicMs() + durationMs * 0.9;
    while (this.#isLoading && this.clock.monotonicMs() < endMs) {
      const index = randomInt(this.random, this.#partitions);
      const batch = ++this.#producedBatches;
      const records = Array.from({ length: 1 + randomInt(this.random, 6) }, (_, i) => ({
        timestampMs: BigInt(this.clock.nowMs()),
        key: Buffer.from(String(index)),
        value: Buffer.from(`${batch}.${i}`),
      }));
      const partition = { topic: TOPIC, topicId: ZERO_UUID, index, records: encodeBatch(records).bytes };
      const leader = client.metadata.leaderOf(TOPIC, index)?.leaderId ?? 1;
      const [outcome] = await produceTo(client, leader, { partitions: [partition], acks: -1 });
      if (outcome?.errorCode !== 0) throw new Error(`the source refused a batch: ${outcome?.errorCode}`);
      await sleep(this.clock, this.random.next() * 25);
    }
    await client.close();
  }

  async #trouble(durationMs: number): Promise<void> {
    const endMs = this.clock.monotonicMs() + durationMs;
    while (this.#isLoading && this.clock.monotonicMs() < endMs) {
      await sleep(this.clock, 20 + this.random.next() * 150);
      await this.#disturb();
    }
  }

  async #disturb(): Promise<void> {
    const { faults } = this.#region("target");
    const worker = this.#workers[randomInt(this.random, this.#workers.length)];
    const count = (what: keyof RaceTally): void => void this.tally[what]++;
    const onProduce = (what: keyof RaceTally, action: Parameters<typeof faults.control>[1]): void => {
      faults.control(PRODUCE_KEY, (request) => {
        // Only the mirror's own requests; its state records share the API but must not use up the fault.
        const decided = request.clientId?.startsWith("worker-") === true ? action(request) : undefined;
        if (decided !== undefined) count(what);
        return decided;
      });
    };
    const delayMs = Math.floor(this.random.next() * 600);
    switch (randomInt(this.random, 9)) {
      case 0:
        if (worker === undefined) return;
        this.#kill(worker);
        count("kills");
        this.#startWorker();
        return;
      case 1:
        return onProduce("lostAcks", () => ({ kind: "cut-reply" }));
      case 2:
        return onProduce("lostAcks", () => ({ kind: "swallow-reply" }));
      case 3:
        return onProduce("lateReplies", () => ({ kind: "delay-reply", delayMs }));
      case 4:
        return onProduce("lateRequests", () => ({ kind: "delay", delayMs }));
      case 5:
        return onProduce("lostRequests", () => ({ kind: "drop" }));
      case 6:
        return this.#bounceBroker();
      case 7:
        if (worker === undefined) return;
        count("holds");
        return this.#holdLink(worker.place, delayMs);
      default:
        if (worker === undefined) return;
        count("cuts");
        this.#network.setLinks(worker.place, "target", { mode: "cut" });
        if (!worker.dead.signal.aborted)
          this.#network.setLinks(worker.place, "target", {
            mode: "open",
            latencyMs: randomInt(this.random, 3),
            jitterMs: randomInt(this.random, 4),
          });
    }
  }

  async #bounceBroker(): Promise<void> {
    const region = this.#region("target");
    const id = 1 + randomInt(this.random, 3);
    this.tally.brokerStops++;
    await region.stopBroker(id);
    await sleep(this.clock, this.random.next() * 300);
    await region.startBroker(id);
  }

  /** What is sent meanwhile arrives late: a zombie's requests, seen from the target. */
  async #holdLink(place: string, durationMs: number): Promise<void> {
    this.#network.setLink(place, "target", { mode: "held" });
    await sleep(this.clock, durationMs);
    if (this.#workers.some((worker) => worker.place === place))
      this.#network.setLink(place, "target", { mode: "open" });
  }

  async #heal(): Promise<void> {
    const region = this.#region("target");
    region.faults.clear();
    for (let id = 1; id <= 3; id++) await region.startBroker(id);
    for (const worker of this.#workers)
      for (const name of REGIONS)
        this.#network.setLinks(worker.place, name, { mode: "open", latencyMs: 0, jitterMs: 0 });
  }

  /** Every worker knows itself at the end of every partition. */
  #isComplete(): boolean {
    return this.#workers.every((worker) => {
      const lanes = worker.flow?.status.lanes ?? [];
      return (
        lanes.length === this.#partitions &&
        lanes.every((lane) => lane.sourceNext === this.#region("source").partitionLog(TOPIC, lane.partition)?.endOffset)
      );
    });
  }

  #read(
    region: (typeof REGIONS)[number],
    topic: string,
    partition: number,
  ): readonly { readonly offset: bigint; readonly value: string }[] {
    const log = this.#region(region).partitionLog(topic, partition);
    if (log === undefined || log.endOffset === 0n) return [];
    return [...batchesIn(log.read({ fromOffset: 0n, maxBytes: 1 << 28 }))].flatMap((batch) =>
      decodeRecords(batch).map((record) => ({
        offset: batch.baseOffset + BigInt(record.offsetDelta),
        value: String(record.value),
      })),
    );
  }

  /** Programming errors anywhere in the world fail the run. */
  #watch(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#failures.push(error));
  }
}

function pattern(text: string): Pattern {
  const compiled = compilePattern(text);
  if ("problem" in compiled) throw new Error(compiled.problem);
  return compiled;
}
