/** One run: clusters, load, faults, and then the comparison of both sides. */

import { setTimeout as delay } from "node:timers/promises";
import { nodeStorage } from "../../src/adapters/node-storage.ts";
import { laneTranslators } from "../../src/quickstart/lane-translators.ts";
import { boundsOf, stockClient } from "../../src/quickstart/region-access.ts";
import { StateDirectory } from "../../src/runtime/state-directory.ts";
import { loadTopology } from "../../src/runtime/topology-files.ts";
import { check, type Findings, type LaneRead } from "./check.ts";
import { type Clusters, PARTITIONS, startClusters, TARGET_TOPIC, TOPIC } from "./clusters.ts";
import { type Fault, planFaults, WORKERS } from "./faults.ts";
import { Ledger } from "./ledger.ts";
import { type Load, startLoad } from "./load.ts";
import { firstOf, type Kill, MovingAgain } from "./moving.ts";
import type { ChaosOptions } from "./options.ts";
import { readTopic, type Tail, type TopicPlace, tailTopic } from "./reader.ts";
import type { Said } from "./worker-log.ts";
import { Workers } from "./workers.ts";

/** What a run brought. */
export interface ChaosResult {
  readonly seed: number;
  readonly seconds: number;
  readonly sent: { readonly acknowledged: number; readonly aborted: number; readonly unknown: number };
  readonly kills: readonly Kill[];
  /** When the load began, as `Date.now()`. */
  readonly startedMs: number;
  readonly said: readonly Said[];
  readonly freezes: number;
  readonly bounces: number;
  readonly findings: Findings;
  /** Workers that ended by themselves, lanes that did not catch up, a reader that stopped. */
  readonly troubles: readonly string[];
}

/** What is said while it runs. */
export type Say = (text: string) => void;

/** Elections, replicas that catch up and leaders that move back take this long after a broker's return. */
const SETTLING_MS = 6_000;
const PROGRESS_EVERY_MS = 3_000;
const POLL_MS = 50;
/** With nothing in the way the rest is copied within a second or two. */
const CATCH_UP_MS = 60_000;

/** Runs load and faults for the time, then compares. */
export async function runChaos(options: Omit<ChaosOptions, "output">, say: Say): Promise<ChaosResult> {
  say(`seed ${options.seed}; starting two Apache Kafka clusters`);
  await using clusters = await startClusters(options.delivery);
  await using workers = new Workers(clusters);
  for (const worker of WORKERS) workers.start(worker);
  const ledger = new Ledger();
  const startedMs = Date.now();
  const run = new Run({
    clusters,
    workers,
    ledger,
    moving: new MovingAgain({ startedMs, partitions: PARTITIONS }),
    startedMs,
    say,
  });
  await using tail = tailTopic(run.target, (record) => run.saw(record.partition, record));
  await using sourceTail = tailTopic(run.source, (record) => run.appeared(record));
  using load = startLoad({ place: run.source, partitions: PARTITIONS, seed: options.seed, ledger });
  const durationMs = options.minutes * 60_000;
  await run.faults(planFaults(options.seed, durationMs), durationMs, load);
  say("load ends; waiting until all of it is on the target");
  await load.stop();
  return await run.result(options.seed, [tail, sourceTail]);
}

interface RunParts {
  readonly clusters: Clusters;
  readonly workers: Workers;
  readonly ledger: Ledger;
  readonly moving: MovingAgain;
  readonly startedMs: number;
  readonly say: Say;
}

class Run {
  readonly source: TopicPlace;
  readonly target: TopicPlace;
  readonly #parts: RunParts;
  readonly #lastSeen = new Map<number, number>();
  readonly #bounces: Promise<void>[] = [];
  /** Why a broker did not come back. */
  #bounceFailure: unknown;
  #seen = 0;
  #freezes = 0;
  /** Until then a broker of the target counts as away. */
  #brokerAwayUntilMs = 0;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.source = { bootstrap: parts.clusters.source.bootstrap, topic: TOPIC };
    this.target = { bootstrap: parts.clusters.target.bootstrap, topic: TARGET_TOPIC };
  }

  saw(partition: number, record: { readonly id: number } & Parameters<MovingAgain["saw"]>[0]): void {
    this.#seen++;
    this.#lastSeen.set(partition, Math.max(record.id, this.#lastSeen.get(partition) ?? -1));
    this.#parts.moving.saw(record, Date.now());
  }

  appeared(record: Parameters<MovingAgain["appeared"]>[0]): void {
    this.#parts.moving.appeared(record, Date.now());
  }

  /** Lets every fault happen in its time. @throws what the load failed with */
  async faults(plan: readonly Fault[], durationMs: number, load: Load): Promise<void> {
    const { startedMs } = this.#parts;
    const waiting = [...plan];
    let nextProgressMs = PROGRESS_EVERY_MS;
    for (let nowMs = 0; nowMs < durationMs; nowMs = Date.now() - startedMs) {
      const failure = load.failure ?? this.#bounceFailure;
      if (failure !== undefined) throw failure;
      while (waiting[0] !== undefined && waiting[0].atMs <= nowMs) {
        const fault = waiting.shift();
        if (fault !== undefined) await this.#happen(fault);
      }
      if (nowMs >= nextProgressMs) {
        nextProgressMs += PROGRESS_EVERY_MS;
        this.#progress(nowMs);
      }
      await delay(POLL_MS);
    }
    await Promise.all(this.#bounces);
  }

  async #happen(fault: Fault): Promise<void> {
    const { workers, moving, ledger } = this.#parts;
    if (fault.kind === "kill") {
      const nowMs = Date.now();
      const brokerAway = nowMs < this.#brokerAwayUntilMs;
      moving.killed({ workers: fault.workers, brokerAway, fromId: ledger.sent }, nowMs);
      await workers.kill(fault.workers);
      for (const worker of fault.workers) workers.start(worker);
    } else if (fault.kind === "freeze") {
      this.#freezes++;
      moving.disturbed(Date.now());
      workers.freeze(fault.worker, fault.forMs);
    } else {
      // One after the other: on a busy machine a broker takes longer to come back than the plan thinks.
      const bounce = Promise.all(this.#bounces).then(() => this.#bounce(fault));
      bounce.catch((error: unknown) => (this.#bounceFailure ??= error));
      this.#bounces.push(bounce);
    }
  }

  async #bounce({ broker, how, forMs }: Fault & { readonly kind: "bounce" }): Promise<void> {
    const { clusters, moving } = this.#parts;
    const { target } = clusters;
    moving.brokerGoes(Date.now());
    this.#brokerAwayUntilMs = Number.POSITIVE_INFINITY;
    await target.stopBroker(broker, how);
    await delay(forMs);
    await target.startBroker(broker);
    this.#brokerAwayUntilMs = Date.now() + SETTLING_MS;
  }

  #progress(nowMs: number): void {
    const { ledger, moving, say } = this.#parts;
    const { kills } = moving;
    const lastMs = kills.findLast((kill) => firstOf(kill) !== undefined);
    const firstMs = lastMs && firstOf(lastMs);
    const moved = firstMs === undefined ? "" : `, moved again after ${(firstMs / 1_000).toFixed(2)} s`;
    const broker = Date.now() < this.#brokerAwayUntilMs ? "  a broker is away" : "";
    say(
      `${String(Math.round(nowMs / 1_000)).padStart(4)} s  sent ${number(ledger.sent)}  on the target ${number(this.#seen)}  ` +
        `kills ${kills.length}${moved}${broker}`,
    );
  }

  /** Waits until the copy is complete, ends the workers, and compares. */
  async result(seed: number, tails: readonly Tail[]): Promise<ChaosResult> {
    const { clusters, workers, ledger, moving, startedMs, say } = this.#parts;
    const seconds = (Date.now() - startedMs) / 1_000;
    const source = await readTopic(this.source, PARTITIONS);
    const behind = await this.#caughtUp(source);
    say("comparing both sides");
    // While the workers run: one that ends may leave the map of its last transaction to whoever comes next.
    const topology = loadTopology(clusters.topologyFile);
    const state = new StateDirectory({ root: clusters.directory, topology: topology.name }, { storage: nodeStorage() });
    const places = (await this.#lanes(source, [])).map(placeOf);
    const translators = await laneTranslators({ topology, state, target: "central" }, places);
    await workers.stop();
    const target = await readTopic(this.target, PARTITIONS);
    const lanes = await this.#lanes(source, target);
    const findings = check(lanes, ledger, (lane) => translators(placeOf(lane)));
    return {
      seed,
      seconds,
      sent: {
        acknowledged: ledger.count("acknowledged"),
        aborted: ledger.count("aborted"),
        unknown: ledger.count("unknown"),
      },
      kills: moving.kills,
      startedMs,
      said: workers.said(),
      freezes: this.#freezes,
      bounces: this.#bounces.length,
      findings,
      troubles: [...workers.failures, ...behind, ...tails.flatMap(({ failure }) => failure ?? [])],
    };
  }

  /** Partitions whose last record did not arrive in time. */
  async #caughtUp(source: readonly LaneRead["source"][]): Promise<readonly string[]> {
    const deadline = performance.now() + CATCH_UP_MS;
    for (;;) {
      const open = source.flatMap((records, partition) => {
        const last = records.reduce((max, { id }) => Math.max(max, id), -1);
        return (this.#lastSeen.get(partition) ?? -1) >= last ? [] : [partition];
      });
      if (open.length === 0) return [];
      if (performance.now() > deadline) {
        const what = `partitions ${open.join(", ")} did not catch up in ${CATCH_UP_MS / 1_000} s`;
        return [what, ...(await this.#parts.workers.status())];
      }
      await delay(POLL_MS);
    }
  }

  async #lanes(
    source: readonly LaneRead["source"][],
    target: readonly LaneRead["target"][],
  ): Promise<readonly LaneRead[]> {
    const kafka = stockClient({ region: "east", bootstrap: this.source.bootstrap });
    const bounds = await boundsOf(kafka, TOPIC);
    return bounds.map(({ partition, startOffset, endOffset }) => ({
      partition,
      source: source[partition] ?? [],
      sourceStart: Number(startOffset),
      sourceEnd: Number(endOffset),
      target: target[partition] ?? [],
    }));
  }
}

function placeOf({ partition, sourceStart, sourceEnd }: LaneRead) {
  return {
    source: { startOffset: BigInt(sourceStart), endOffset: BigInt(sourceEnd) },
    target: { topic: TARGET_TOPIC, partition },
  };
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}
