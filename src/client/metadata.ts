/** The cluster as last heard: refreshed by at most one request at a time, from whichever broker answers first. */

import type { Uuid } from "../core/brand.ts";
import { type Clock, sleep, type Timer } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { type Endpoint, NetworkError } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import type { RequestInput, ResponseOutput } from "../wire/api.ts";
import type { metadata } from "../wire/apis/03-metadata.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import {
  type BrokerInfo,
  type ClusterView,
  EMPTY_VIEW,
  type LeaderHint,
  type PartitionMetadata,
  partitionOf,
  type TopicMetadata,
  withAnswer,
  withLeaders,
  withoutTopics,
} from "./cluster-view.ts";
import { brokerError, ClientError, endpointText } from "./errors.ts";
import { firstOf, retrying, unlessAborted } from "./waiting.ts";

/** Leaders are corrected by errors at once; this only bounds how long an unused fact may be wrong. */
const DEFAULT_MAX_AGE_MS = 60_000;

/** Least time between two refreshes, so that a long election does not turn into a storm of requests. */
const REFRESH_INTERVAL_MIN_MS = 50;

/** A broker that has not answered for this long is not waited for alone: the next one is asked as well. */
const STAGGER_MS = 1_000;

/** Known brokers asked before the bootstrap list, which may point elsewhere by now (KIP-899). */
const KNOWN_BROKERS_MAX = 3;

/** How long a topic that does not exist is asked for after it was last tracked. */
const UNKNOWN_TOPIC_MS_MAX = 300_000;

/** How long `require` and `waitFor` wait by default: longer than a leader election takes. */
const DEFAULT_WAIT_MS = 30_000;

/** Whom to ask: a broker by its id, or an address of the bootstrap list. */
export type MetadataSource = { readonly nodeId: number } | { readonly endpoint: Endpoint };

/** What the metadata needs from outside. */
export interface MetadataDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Brings a request to a source. The answer comes within its own time limit, or an error does. */
  readonly ask: (
    source: MetadataSource,
    body: RequestInput<typeof metadata>,
    signal: AbortSignal,
  ) => Promise<ResponseOutput<typeof metadata>>;
  /** Brokers with a connection that works; asked first. */
  readonly connected: () => readonly number[];
  /** Called after every refresh, when the list of brokers may have changed. */
  readonly onRefreshed: () => void;
}

/** Options of the metadata. */
export interface MetadataOptions {
  readonly bootstrap: readonly Endpoint[];
  readonly maxAgeMs?: number | undefined;
}

/** Options of waits. */
export interface MetadataWaitOptions {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The cache. Reading it never waits; topics are kept up to date once they are tracked. */
export class Metadata {
  readonly #options: MetadataOptions;
  readonly #deps: MetadataDeps;
  /** Topics to ask for, and when somebody last said so. */
  readonly #tracked = new Map<string, number>();
  #view: ClusterView = EMPTY_VIEW;
  #wantsAll = false;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #lastEndMs = Number.NEGATIVE_INFINITY;
  #ageTimer: Timer | undefined;
  #closed = false;
  /** A failure was logged and no refresh has gone well since. */
  #isFailing = false;

  constructor(options: MetadataOptions, deps: MetadataDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** The whole picture; replaced, never changed. */
  get view(): ClusterView {
    return this.#view;
  }

  /** Null before the first answer. */
  get clusterId(): string | null {
    return this.#view.clusterId;
  }

  /** -1 when unknown. */
  get controllerId(): number {
    return this.#view.controllerId;
  }

  get brokers(): ReadonlyMap<number, BrokerInfo> {
    return this.#view.brokers;
  }

  /** As last heard, perhaps long ago unless tracked; undefined when unknown. */
  topic(name: string): TopicMetadata | undefined {
    return this.#view.topics.get(name);
  }

  topicById(topicId: Uuid): TopicMetadata | undefined {
    const name = this.#view.topicNames.get(topicId);
    return name === undefined ? undefined : this.#view.topics.get(name);
  }

  /** The partition with its leader; undefined when the topic or partition is unknown or has no leader now. */
  leaderOf(topic: string, index: number): PartitionMetadata | undefined {
    const partition = partitionOf(this.#view.topics.get(topic), index);
    return partition === undefined || partition.leaderId < 0 ? undefined : partition;
  }

  /** Keeps these topics up to date from the next refresh on. */
  track(names: Iterable<string>): void {
    const nowMs = this.#deps.clock.monotonicMs();
    for (const name of names) this.#tracked.set(name, nowMs);
  }

  /** Forgets these topics. */
  untrack(names: Iterable<string>): void {
    const gone = [...names];
    for (const name of gone) this.#tracked.delete(name);
    this.#view = withoutTopics(this.#view, gone);
  }

  /** Asks for the tracked topics, or once for all of them. Joins a refresh that has not begun yet, never one that has:
   *  what it brings may be older than the reason for asking.
   *  @throws {ClientError} `CLIENT_UNREACHABLE` when no broker answers */
  refresh(
    reason: string,
    options: { readonly all?: boolean; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    if (options.all === true) this.#wantsAll = true;
    if (this.#next === undefined) {
      const before = this.#running ?? Promise.resolve();
      this.#next = before.then(
        () => this.#begin(reason),
        () => this.#begin(reason),
      );
    }
    return unlessAborted(this.#next, options.signal);
  }

  /** Refreshes in the background; the first failure is logged, whoever needs the answer meets it again. */
  markStale(reason: string): void {
    if (this.#closed) return;
    this.refresh(reason).catch((thrown: unknown) => {
      if (this.#closed || this.#isFailing) return;
      this.#isFailing = true;
      this.#deps.logger.warn("metadata refresh failed", { reason, cause: toError(thrown).message });
    });
  }

  /** Takes in leaders that Fetch and Produce answers told of. */
  learnLeaders(hints: readonly LeaderHint[], endpoints: readonly BrokerInfo[]): void {
    this.#view = withLeaders(this.#view, hints, endpoints);
  }

  /** The topics, asked for when not known yet, and tracked from now on.
   *  @throws {ClientError} `CLIENT_UNKNOWN_TOPIC` when one does not exist, `CLIENT_BROKER_ERROR` when it is refused */
  async require(names: readonly string[], options: MetadataWaitOptions = {}): Promise<readonly TopicMetadata[]> {
    this.track(names);
    if (names.some((name) => this.topic(name) === undefined)) await this.refresh("topics needed", options);
    return names.map((name) => {
      const topic = this.topic(name);
      if (topic !== undefined) return topic;
      const errorCode = this.#view.topicErrors.get(name) ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      if (errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        throw brokerError("Metadata", errorCode, { subject: `topic ${name}` });
      throw new ClientError({ code: "CLIENT_UNKNOWN_TOPIC", topic: name }, { message: `topic ${name} does not exist` });
    });
  }

  /** Refreshes until `isReached` holds for the picture; undefined from it means not yet.
   *  @throws {ClientError} `CLIENT_TIMEOUT` when it does not within `timeoutMs` (30 s by default) */
  async waitFor<T>(isReached: (view: ClusterView) => T | undefined, options: MetadataWaitOptions = {}): Promise<T> {
    const timeoutMs = options.timeoutMs ?? DEFAULT_WAIT_MS;
    const notYet = new ClientError({
      code: "CLIENT_TIMEOUT",
      endpoint: this.#options.bootstrap.map(endpointText).join(","),
      api: "Metadata",
      timeoutMs,
      sent: true,
    });
    return retrying(
      this.#deps,
      { timeoutMs, signal: options.signal, mayRetry: (error) => error === notYet },
      async () => {
        const before = isReached(this.#view);
        if (before !== undefined) return before;
        await this.refresh("waited for", options);
        const after = isReached(this.#view);
        if (after === undefined) throw notYet;
        return after;
      },
    );
  }

  /** No refresh begins any more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#ageTimer?.cancel();
  }

  #begin(reason: string): Promise<void> {
    const run = this.#refreshOnce(reason).finally(() => {
      this.#running = undefined;
      this.#lastEndMs = this.#deps.clock.monotonicMs();
      this.#watchAge();
    });
    this.#running = run;
    return run;
  }

  async #refreshOnce(reason: string): Promise<void> {
    const restMs = this.#lastEndMs + REFRESH_INTERVAL_MIN_MS - this.#deps.clock.monotonicMs();
    if (restMs > 0) await sleep(this.#deps.clock, restMs);
    // Whoever asks from here on needs another refresh: this one's question is being fixed now.
    this.#next = undefined;
    if (this.#closed) throw new ClientError({ code: "CLIENT_CLOSED", sent: false });
    const isComplete = this.#wantsAll;
    this.#wantsAll = false;
    const topics = isComplete ? null : [...this.#tracked.keys()].map((name) => ({ name }));
    const answer = await this.#askAnyone({ topics, allowAutoTopicCreation: false });
    this.#view = withAnswer(this.#view, answer, isComplete);
    this.#forgetUnknown();
    this.#deps.onRefreshed();
    if (this.#isFailing) this.#deps.logger.info("metadata refreshed again", { reason });
    this.#isFailing = false;
    this.#deps.logger.debug("metadata refreshed", {
      reason,
      brokers: answer.brokers.length,
      topics: answer.topics.length,
    });
  }

  /** Topics that do not exist are asked for as long as somebody waits for them, not for ever. */
  #forgetUnknown(): void {
    const oldestMs = this.#deps.clock.monotonicMs() - UNKNOWN_TOPIC_MS_MAX;
    const forgotten = [...this.#view.topicErrors.keys()].filter(
      (name) => (this.#tracked.get(name) ?? Number.NEGATIVE_INFINITY) < oldestMs,
    );
    if (forgotten.length > 0) this.untrack(forgotten);
  }

  async #askAnyone(body: RequestInput<typeof metadata>): Promise<ResponseOutput<typeof metadata>> {
    const attempts = this.#sources().map((source) => async (signal: AbortSignal) => {
      const answer = await this.#deps.ask(source, body, signal);
      this.#refuseOtherCluster(source, answer);
      return answer;
    });
    try {
      return await firstOf(attempts, { clock: this.#deps.clock, staggerMs: STAGGER_MS });
    } catch (thrown) {
      throw this.#unreachable(thrown instanceof AggregateError ? thrown.errors : [thrown]);
    }
  }

  /** Connected brokers first, then other known ones in random order, then the bootstrap list in its own order. */
  #sources(): readonly MetadataSource[] {
    const connected = new Set(this.#deps.connected());
    const known = [...this.#view.brokers.keys()]
      .map((nodeId) => ({ nodeId, rank: (connected.has(nodeId) ? 0 : 1) + this.#deps.random.next() }))
      .sort((a, b) => a.rank - b.rank)
      .slice(0, KNOWN_BROKERS_MAX)
      .map(({ nodeId }) => ({ nodeId }));
    return [...known, ...this.#options.bootstrap.map((endpoint) => ({ endpoint }))];
  }

  #refuseOtherCluster(source: MetadataSource, answer: ResponseOutput<typeof metadata>): void {
    const expected = this.#view.clusterId;
    if (answer.errorCode !== ErrorCode.NONE)
      throw brokerError("Metadata", answer.errorCode, { subject: "the cluster" });
    if (expected === null || answer.clusterId === null || answer.clusterId === expected) return;
    const endpoint = "endpoint" in source ? endpointText(source.endpoint) : `node ${source.nodeId}`;
    throw new ClientError(
      { code: "CLIENT_OTHER_CLUSTER", endpoint, expected, actual: answer.clusterId },
      { message: `${endpoint} now belongs to cluster ${answer.clusterId}, this client was opened on ${expected}` },
    );
  }

  #unreachable(failures: readonly unknown[]): ClientError {
    const telling =
      failures.find((failure) => isTelling(failure)) ?? failures.at(-1) ?? new Error("the bootstrap list is empty");
    if (telling instanceof ClientError && telling.fault.code === "CLIENT_OTHER_CLUSTER") return telling;
    const bootstrap = this.#options.bootstrap.map(endpointText).join(",");
    const cause = toError(telling);
    const reason = "fault" in cause ? (cause.fault as { readonly code: string }).code : cause.name;
    return new ClientError(
      { code: "CLIENT_UNREACHABLE", bootstrap, reason },
      { message: `no broker of ${bootstrap} can be used: ${cause.message}`, cause },
    );
  }

  #watchAge(): void {
    this.#ageTimer?.cancel();
    if (this.#closed) return;
    this.#ageTimer = this.#deps.clock.after(this.#options.maxAgeMs ?? DEFAULT_MAX_AGE_MS, () => this.markStale("age"));
  }
}

/** Failures that say more than "nobody there". */
function isTelling(failure: unknown): boolean {
  if (failure instanceof NetworkError) return failure.fault.code === "NETWORK_TLS_FAILED";
  return (
    failure instanceof ClientError &&
    (failure.fault.code === "CLIENT_NOT_KAFKA" ||
      failure.fault.code === "CLIENT_OTHER_CLUSTER" ||
      failure.fault.code === "CLIENT_SASL_REFUSED" ||
      failure.fault.code === "CLIENT_NO_VERSION")
  );
}
