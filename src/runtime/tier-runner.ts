/** Moves the cold segments of one region to its stores, from time to time, and reads them back for its brokers. */

import { join } from "node:path";
import { coldStoreOver } from "../adapters/cold-store.ts";
import { embeddedLogs } from "../adapters/embedded-logs.ts";
import { embeddedSegments } from "../adapters/embedded-segments.ts";
import { lateStore } from "../adapters/late-store.ts";
import { nodeNetwork } from "../adapters/node-network.ts";
import { nodeStorage } from "../adapters/node-storage.ts";
import type { EmbeddedRegion } from "../broker/embedded-region.ts";
import type { ColdStore } from "../broker/ports.ts";
import { KafkaClient } from "../client/kafka-client.ts";
import { type Clock, sleep, type Timer } from "../core/clock.ts";
import { TributaryError, toError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Random } from "../core/random.ts";
import type { ColdReader } from "../tier/cold-reader.ts";
import { StoreError } from "../tier/errors.ts";
import { movedBoth, NOTHING_MOVED, type OffloadReport, offloadOnce } from "../tier/offload.ts";
import type { ObjectStore } from "../tier/ports.ts";
import { throttledStore } from "../tier/throttled-store.ts";
import { selects } from "../topology/patterns.ts";
import { openColdReaders } from "./cold-readers.ts";
import { openStore, storeIdentity } from "./open-store.ts";
import { type RegionSpec, selectionOf, type TieringSpec } from "./region-spec.ts";
import { TierCapture } from "./tier-capture.ts";
import { type ParquetStatus, TierParquet } from "./tier-parquet.ts";
import { TierUpkeep, type UpkeepStatus } from "./tier-upkeep.ts";

/** What a runner stands on. */
export interface TierRunnerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Relative stores lie below it. */
  readonly statePath: string;
}

interface Rule {
  readonly spec: TieringSpec;
  /** For brokers, which read as fast as they are asked. */
  readonly store: ObjectStore;
  /** The same for the offloader, within the rule's limits. */
  readonly paced: ObjectStore;
  readonly wants: (topic: string) => boolean;
  readonly upkeep: TierUpkeep;
  readonly capture: TierCapture;
  /** Undefined where the rule wants no files. */
  readonly parquet: TierParquet | undefined;
}

/** What a region's tiering did, and what keeps it from going on. */
export interface TierStatus extends OffloadReport {
  /** One for each rule whose last pass failed; the next one tries again. */
  readonly failures: readonly { readonly store: string; readonly code: string; readonly cause: string }[];
  /** What retention, gc and scrubbing did, for each rule. */
  readonly upkeep: readonly UpkeepStatus[];
  /** What became of Parquet files, for each rule that wants them. */
  readonly parquet: readonly ParquetStatus[];
}

/** How long a look at groups may keep a region from stopping. */
const CAPTURE_END_MS_MAX = 2_000;

/** All tiering rules of one region. Passes run one after the other: two at once would archive the same segment twice. */
export class TierRunner {
  /** For the region's brokers; undefined when nothing is tiered. */
  readonly coldStore: ColdStore | undefined;
  readonly #rules: readonly Rule[];
  readonly #deps: TierRunnerDeps;
  readonly #timers = new Set<Timer>();
  readonly #failing = new Map<Rule, { readonly code: string; readonly cause: string }>();
  #region: EmbeddedRegion | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #report = NOTHING_MOVED;
  #isClosed = false;
  #client: Promise<KafkaClient> | undefined;
  #capturing: Promise<void> = Promise.resolve();

  private constructor(rules: readonly Rule[], readers: readonly ColdReader[], deps: TierRunnerDeps) {
    this.#rules = rules;
    this.#deps = deps;
    this.coldStore = rules.length === 0 ? undefined : coldStoreOver(readers, () => this.#region?.clusterId ?? "");
  }

  /** Opens the stores. One that is away for the moment is opened when it is back.
   *  @throws {StoreError} when one cannot be used as it is declared @throws {RuntimeError | TopologyError} */
  static async open(spec: RegionSpec, deps: TierRunnerDeps): Promise<TierRunner> {
    const stores = new Map<string, ObjectStore>();
    const rules: Rule[] = [];
    for (const [at, rule] of spec.tiering.entries()) {
      const place = storeIdentity(rule);
      const store = stores.get(place) ?? (await openedOrLate(rule, deps));
      stores.set(place, store);
      const selection = selectionOf(rule.topics);
      const paced = throttledStore(store, rule.limits, deps.clock);
      const wants = (topic: string): boolean => selects(selection, topic);
      const upkeep = new TierUpkeep(rule.upkeep, { ...deps, store: paced, wants });
      const capture = new TierCapture(paced);
      const parquet =
        rule.parquet &&
        new TierParquet(rule.parquet, {
          ...{ ...deps, store: paced, wants, limits: rule.limits, storage: nodeStorage() },
          declaration: { store: rule.store, s3: rule.s3 },
          spoolDirectory: join(deps.statePath, "parquet", `${spec.region}-${at}`),
        });
      rules.push({ spec: rule, store, paced, wants, upkeep, capture, parquet });
    }
    const readable = rules.map(({ store, spec: rule }) => ({ store, cacheBytesMax: rule.readCacheBytes }));
    const directory = join(deps.statePath, "chunks", spec.region);
    return new TierRunner(rules, openColdReaders(readable, directory, { ...deps, storage: nodeStorage() }), deps);
  }

  /** What all passes moved so far, failed ones included, and which rules fail now. */
  get status(): TierStatus {
    const failures = [...this.#failing].map(([{ store }, failure]) => ({ store: store.location, ...failure }));
    const upkeep = this.#rules.map((rule) => rule.upkeep.status);
    const parquet = this.#rules.flatMap((rule) => rule.parquet?.status ?? []);
    return { ...this.#report, failures, upkeep, parquet };
  }

  /** Begins to offload every so often. */
  start(region: EmbeddedRegion): void {
    this.#region = region;
    for (const rule of this.#rules) this.#schedule(rule);
  }

  /** Runs all rules at once and waits for them; answers what this call moved. @throws the first failure */
  async offloadNow(): Promise<OffloadReport> {
    let moved = NOTHING_MOVED;
    for (const rule of this.#rules) moved = movedBoth(moved, await this.#pass(rule));
    return moved;
  }

  /** Ends after the pass that runs now. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    await this.#running.catch(() => undefined);
    for (const { parquet } of this.#rules) await parquet?.close();
    await Promise.race([this.#capturing, sleep(this.#deps.clock, CAPTURE_END_MS_MAX)]);
    await this.#client?.then(
      (client) => client.close(),
      () => undefined,
    );
    await this.#capturing;
    for (const { store } of this.#rules) store.close();
  }

  #schedule(rule: Rule): void {
    if (this.#isClosed) return;
    const timer = this.#deps.clock.after(rule.spec.everyMs, () => {
      this.#timers.delete(timer);
      // The next pass tries again.
      void this.#pass(rule)
        .catch(() => undefined)
        .then(() => this.#schedule(rule));
    });
    this.#timers.add(timer);
  }

  /** Both ends of a trouble, and nothing while it lasts and stays the same: a full store fails every pass. */
  #tell(rule: Rule, failure: unknown): void {
    const { logger } = this.#deps;
    const store = rule.store.location;
    if (failure === undefined) {
      if (this.#failing.delete(rule)) logger.info("offloading works again", { store });
      return;
    }
    const code = failure instanceof TributaryError ? failure.fault.code : "UNEXPECTED";
    const cause = toError(failure).message;
    if (this.#failing.get(rule)?.code !== code) logger.warn("offloading fails and is tried again", { store, cause });
    this.#failing.set(rule, { code, cause });
  }

  #pass(rule: Rule): Promise<OffloadReport> {
    const next = this.#running.catch(() => undefined).then(() => this.#offload(rule));
    this.#running = next.then(
      () => this.#tell(rule, undefined),
      (error: unknown) => this.#tell(rule, error),
    );
    return next;
  }

  async #offload(rule: Rule): Promise<OffloadReport> {
    const region = this.#region;
    if (region === undefined || this.#isClosed) return NOTHING_MOVED;
    const { clock, random } = this.#deps;
    const source = embeddedSegments(region);
    const onMoved = (moved: OffloadReport): void => {
      this.#report = movedBoth(this.#report, moved);
    };
    const moved = await offloadOnce(rule.spec, rule.wants, { source, store: rule.paced, clock, random, onMoved });
    this.#capturing = this.#capturing.then(() => this.#capture(rule, region));
    await rule.upkeep.runIfDue(embeddedLogs(region));
    rule.parquet?.start(region.clusterId, moved.segmentsOffloaded > 0);
    return moved;
  }

  /** Beside the passes: a broker that is away must not hold them up. */
  async #capture(rule: Rule, region: EmbeddedRegion): Promise<void> {
    const topics = region.topics().map(({ name }) => name);
    const what = { clusterId: region.clusterId, topics: topics.filter(rule.wants) };
    await rule.capture
      .runIfDue(() => this.#asked(region), what)
      .catch((error: unknown) => {
        if (this.#isClosed) return;
        const facts = { store: rule.store.location, cause: toError(error).message };
        this.#deps.logger.warn("positions of groups could not be archived and are looked at again", facts);
      });
  }

  /** The region as its clients see it; opened when first needed. */
  #asked(region: EmbeddedRegion): Promise<KafkaClient> {
    if (this.#client === undefined) {
      const options = { bootstrap: region.endpoints, clientId: "tributary-tier" };
      this.#client = KafkaClient.open(options, { ...this.#deps, network: nodeNetwork() });
      this.#client.catch(() => {
        this.#client = undefined;
      });
    }
    return this.#client;
  }
}

/** Faults that pass without anybody's hands on the topology. */
const PASSING: ReadonlySet<string> = new Set(["STORE_UNAVAILABLE", "STORE_CLOCK_SKEW", "STORE_FULL"]);

async function openedOrLate(rule: TieringSpec, deps: TierRunnerDeps): Promise<ObjectStore> {
  const store = lateStore(rule.store, () => openStore(rule, deps));
  await store.ready().catch((error: unknown) => {
    if (!(error instanceof StoreError) || !PASSING.has(error.fault.code)) throw error;
    deps.logger.warn("store cannot be reached yet", { store: rule.store, cause: error.message });
  });
  return store;
}
