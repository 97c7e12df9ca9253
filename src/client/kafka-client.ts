/** A client of one cluster: connections, metadata, and requests to a broker, any broker or the controller. */

import { type BackoffOptions, DEFAULT_BACKOFF } from "../core/backoff.ts";
import type { Timer } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import type { Endpoint, TlsOptions } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import { metadata as metadataApi } from "../wire/apis/03-metadata.ts";
import { FramePool, type FramePoolOptions } from "../wire/frame-pool.ts";
import type { AnyApi, Body, BrokerConnection, ConnectionDeps, RequestOptions } from "./connection.ts";
import { DEFAULT_CONNECT_TIMEOUT_MS } from "./connection.ts";
import { ConnectionPool, type Purpose } from "./connection-pool.ts";
import { Coordinators } from "./coordinators.ts";
import { ClientError, endpointText, hadNoEffect, mayRetry } from "./errors.ts";
import { Metadata, type MetadataDeps } from "./metadata.ts";
import { Authenticator, type SaslOptions } from "./sasl.ts";
import { retrying } from "./waiting.ts";

/** Brokers tried by one request to "any". */
const ANY_BROKERS_MAX = 3;

/** How long calls that retry go on: longer than a leader election or a coordinator's load takes. */
const DEFAULT_RETRY_TIMEOUT_MS = 30_000;

/** Memory for fetched records that nobody has needed for as long is given up. Far longer than what keeps it busy: a flush, a poll. */
const TRIM_EVERY_MS = 5_000;

/** Options of a client. */
export interface KafkaClientOptions {
  /** Tried in turn; one that answers is enough. */
  readonly bootstrap: readonly Endpoint[];
  /** Shown in brokers' logs and quotas. */
  readonly clientId: string;
  readonly connectTimeoutMs?: number | undefined;
  readonly requestTimeoutMs?: number | undefined;
  /** Requests, and their bytes, sent and unanswered on one connection. */
  readonly inFlightMax?: number | undefined;
  readonly inFlightBytesMax?: number | undefined;
  readonly metadataMaxAgeMs?: number | undefined;
  /** The memory of fetched records. */
  readonly frames?: FramePoolOptions | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Left out: nothing is encrypted. */
  readonly tls?: TlsOptions | undefined;
  /** Who this is, asked for each connection; left out: brokers are not told. */
  readonly sasl?: (() => SaslOptions) | undefined;
}

/** What a client needs from outside. */
export interface KafkaClientDeps extends ConnectionDeps {
  readonly random: Random;
}

/** Whom a request goes to. */
export type Target = number | "any" | "controller";

/** Options of one request. */
export interface ClientRequestOptions extends RequestOptions {
  /** `control` unless given. */
  readonly purpose?: Purpose | undefined;
  /** Tells several connections of one purpose apart. */
  readonly channel?: number | undefined;
  /** Only over the connection of this serial number (see `connection`); with any other the request is not sent:
   *  `CLIENT_DISCONNECTED`. */
  readonly serial?: number | undefined;
}

/** Options of calls that find their broker themselves and repeat what failed harmlessly. */
export interface CallOptions {
  /** For all attempts together; 30 s by default. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Between attempts; the client's own unless given. */
  readonly backoff?: BackoffOptions | undefined;
}

/** An open client. The calls for single APIs are functions that take it: see the other files of this folder. */
export class KafkaClient implements AsyncDisposable {
  readonly metadata: Metadata;
  readonly coordinators: Coordinators;
  /** Where fetched records lie until they are released. */
  readonly fetchFrames: FramePool;
  readonly #pool: ConnectionPool;
  readonly #deps: KafkaClientDeps;
  #trimming: Timer | undefined;
  #closed = false;

  private constructor(options: KafkaClientOptions, deps: KafkaClientDeps) {
    this.#deps = deps;
    this.coordinators = new Coordinators(this);
    this.fetchFrames = new FramePool({ ...options.frames, onFree: () => this.#trimLater() });
    const authenticator = options.sasl === undefined ? undefined : new Authenticator(options.sasl, deps.random);
    this.#pool = new ConnectionPool(
      { ...connectionOptions(options), authenticator },
      {
        ...deps,
        fetchFrames: this.fetchFrames,
        addressOf: (nodeId) => this.#addressOf(nodeId),
      },
    );
    this.metadata = new Metadata(
      { bootstrap: options.bootstrap, maxAgeMs: options.metadataMaxAgeMs },
      {
        ...deps,
        ask: this.#askMetadata(options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS),
        connected: () => this.#pool.connected(),
        onRefreshed: () => this.#pool.prune(),
      },
    );
  }

  /** Reaches the cluster once through the bootstrap list.
   *  @throws {ClientError} `CLIENT_UNREACHABLE` when no address leads to a broker */
  static async open(options: KafkaClientOptions, deps: KafkaClientDeps): Promise<KafkaClient> {
    const client = new KafkaClient(options, deps);
    try {
      await client.metadata.refresh("start", { signal: options.signal });
    } catch (thrown) {
      await client.close();
      throw thrown;
    }
    return client;
  }

  /** Sends one request and resolves with its answer, error codes included. Never repeats what a broker may have seen;
   *  a request to "any" goes to another broker when it was not sent.
   *  @throws {ClientError} see `ClientFault` @throws {NetworkError} when the broker cannot be connected */
  async request<RI, SO>(
    target: Target,
    api: AnyApi<RI, SO>,
    body: Body<RI>,
    options: ClientRequestOptions = {},
  ): Promise<SO> {
    return this.#onConnection(target, options, (connection) => connection.request(api, body, options));
  }

  /** Sends a request that is not answered; resolves when it is written. */
  async send<RI>(
    target: Target,
    api: AnyApi<RI, unknown>,
    body: Body<RI>,
    options: ClientRequestOptions = {},
  ): Promise<void> {
    return this.#onConnection(target, options, (connection) => connection.send(api, body, options));
  }

  /** The version that a request to the node would use, connecting if need be.
   *  @throws {ClientError} `CLIENT_NO_VERSION` when the broker lacks the API */
  async versionOf(nodeId: number, api: AnyApi<never, unknown>, options: ClientRequestOptions = {}): Promise<number> {
    return this.#onConnection(nodeId, options, async (connection) => connection.versionOf(api, options.maxVersion));
  }

  /** The serial number of the connection that a request would use, which is made if need be. Another number is another connection: the
   *  broker may have died in between. @throws as `request` does when there is none */
  connection(nodeId: number, purpose: Purpose): Promise<number> {
    return this.#onConnection(nodeId, { purpose }, async ({ serial }) => serial);
  }

  /** As `connection`; undefined when it would have to be made. */
  connectionNow(nodeId: number, purpose: Purpose): number | undefined {
    return this.#pool.ready({ nodeId, purpose })?.serial;
  }

  /** About how long the way to a node and back takes: its quickest answer so far. Infinite before the first. */
  roundTripMs(nodeId: number): number {
    return this.#pool.quickestMs(nodeId);
  }

  /** Time for which brokers made this client wait because a quota was used up. */
  throttledMs(purpose: Purpose): number {
    return this.#pool.throttledMs(purpose);
  }

  /** Repeats `attempt` with backoff while `isHarmless` holds for its error, within the call's time. */
  retry<T>(options: CallOptions, isHarmless: (error: unknown) => boolean, attempt: () => Promise<T>): Promise<T> {
    const { timeoutMs = DEFAULT_RETRY_TIMEOUT_MS, signal, backoff = DEFAULT_BACKOFF } = options;
    const mayRetry = (error: unknown): boolean => !this.#closed && isHarmless(error);
    return retrying(this.#deps, { timeoutMs, signal, backoff, mayRetry }, attempt);
  }

  /** Rejects everything pending with `CLIENT_CLOSED`. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#trimming?.cancel();
    this.metadata.close();
    this.#pool.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** As long as memory waits to be used again. */
  #trimLater(): void {
    if (this.#closed || this.#trimming !== undefined) return;
    this.#trimming = this.#deps.clock.after(TRIM_EVERY_MS, () => {
      this.#trimming = undefined;
      this.fetchFrames.trim();
      if (this.fetchFrames.freeBytes > 0) this.#trimLater();
    });
  }

  async #onConnection<T>(
    target: Target,
    options: ClientRequestOptions,
    use: (connection: BrokerConnection) => Promise<T>,
  ): Promise<T> {
    const nodes = this.#nodesFor(target);
    for (const [at, nodeId] of nodes.entries()) {
      try {
        const key = { nodeId, purpose: options.purpose ?? "control", channel: options.channel };
        const connection = await this.#pool.get(key, options.signal);
        if (options.serial !== undefined && options.serial !== connection.serial)
          throw new ClientError({
            code: "CLIENT_DISCONNECTED",
            endpoint: endpointText(connection.endpoint),
            sent: false,
          });
        return await use(connection);
      } catch (thrown) {
        if (mayRetry(thrown)) this.metadata.markStale(`node ${nodeId}: ${toError(thrown).message}`);
        const isLast = at === nodes.length - 1;
        if (isLast || options.signal?.aborted === true || !mayRetry(thrown) || !hadNoEffect(thrown)) throw thrown;
      }
    }
    throw new ClientError({ code: "CLIENT_UNKNOWN_NODE", nodeId: -1 });
  }

  #nodesFor(target: Target): readonly number[] {
    if (typeof target === "number") return [target];
    const { brokers, controllerId } = this.metadata;
    if (target === "controller" && brokers.has(controllerId)) return [controllerId];
    const connected = new Set(this.#pool.connected());
    return [...brokers.keys()]
      .map((nodeId) => ({ nodeId, rank: (connected.has(nodeId) ? 0 : 1) + this.#deps.random.next() }))
      .sort((a, b) => a.rank - b.rank)
      .slice(0, ANY_BROKERS_MAX)
      .map(({ nodeId }) => nodeId);
  }

  #addressOf(nodeId: number): Endpoint | undefined {
    return this.metadata.brokers.get(nodeId);
  }

  /** Bootstrap connections serve one question each: their address need not be the one that the broker advertises. */
  #askMetadata(timeoutMs: number): MetadataDeps["ask"] {
    return async (source, body, signal) => {
      if ("nodeId" in source) {
        const connection = await this.#pool.get({ nodeId: source.nodeId, purpose: "control" }, signal);
        return connection.request(metadataApi, body, { timeoutMs, signal });
      }
      const connection = await this.#pool.connectTo(source.endpoint, signal);
      try {
        return await connection.request(metadataApi, body, { timeoutMs, signal });
      } finally {
        connection.close();
      }
    };
  }
}

/** Only what is given: absent options keep their defaults. */
function connectionOptions(options: KafkaClientOptions) {
  const { clientId, connectTimeoutMs, requestTimeoutMs, inFlightMax, inFlightBytesMax, tls } = options;
  return {
    clientId,
    tls,
    ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
    ...(inFlightMax === undefined ? {} : { inFlightMax }),
    ...(inFlightBytesMax === undefined ? {} : { inFlightBytesMax }),
  };
}
