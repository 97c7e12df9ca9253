/** One connection per broker and purpose, made when first needed and made again, with backoff, after it broke. */

import { backoffMs } from "../core/backoff.ts";
import { sleep } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import type { Endpoint } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import type { FramePool } from "../wire/frame-pool.ts";
import { BrokerConnection, type BrokerConnectionOptions, type ConnectionDeps } from "./connection.ts";
import { ClientError, endpointText } from "./errors.ts";
import { unlessAborted } from "./waiting.ts";

/** What a connection is for. A broker handles the requests of one connection one after the other, so a fetch that waits
 *  for data or a slow produce must not stand before anything else. */
export type Purpose = "fetch" | "produce" | "control";

/** A connection that ends sooner than this after it was made counts as a failed attempt. */
const LIVED_MS_MIN = 1_000;

/** A connection that was idle for longer is not used again: the broker is about to close it (Kafka after 10 min, some
 *  services after 4), and a request that meets the close has an unknown outcome. */
const IDLE_MS_MAX = 180_000;

/** Which connection is wanted. */
export interface ConnectionKey {
  readonly nodeId: number;
  readonly purpose: Purpose;
  /** Tells several connections of one purpose apart; 0 unless given. */
  readonly channel?: number | undefined;
}

/** What the pool needs from outside. */
export interface PoolDeps extends ConnectionDeps {
  readonly random: Random;
  /** Where a node listens now; undefined when it is not part of the cluster. */
  readonly addressOf: (nodeId: number) => Endpoint | undefined;
  /** Memory for the answers to fetches: only their readers know when it is free again. */
  readonly fetchFrames: FramePool;
}

interface Slot {
  readonly endpoint: Endpoint;
  readonly key: ConnectionKey;
  connection: BrokerConnection | undefined;
  opening: Promise<BrokerConnection> | undefined;
  failures: number;
  notBeforeMs: number;
}

/** All connections of one client. */
export class ConnectionPool {
  readonly #options: Omit<BrokerConnectionOptions, "endpoint" | "signal">;
  readonly #deps: PoolDeps;
  readonly #slots = new Map<string, Slot>();
  readonly #throttledMs: Record<Purpose, number> = { fetch: 0, produce: 0, control: 0 };
  readonly #bootstrap = new Set<BrokerConnection>();
  readonly #closing = new AbortController();
  #lastSerial = 0;

  constructor(options: Omit<BrokerConnectionOptions, "endpoint" | "signal">, deps: PoolDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** An open connection; waits for the backoff after failures, and for the handshake.
   *  @throws {ClientError} `CLIENT_UNKNOWN_NODE`, `CLIENT_CLOSED`, or why the handshake failed
   *  @throws {NetworkError} why no connection could be made */
  async get(key: ConnectionKey, signal?: AbortSignal): Promise<BrokerConnection> {
    this.#closing.signal.throwIfAborted();
    const endpoint = this.#deps.addressOf(key.nodeId);
    if (endpoint === undefined) throw new ClientError({ code: "CLIENT_UNKNOWN_NODE", nodeId: key.nodeId });
    const slot = this.#slotOf(key, endpoint);
    if (slot.connection !== undefined && isUsable(slot.connection)) return slot.connection;
    slot.connection?.close();
    slot.opening ??= this.#open(slot).finally(() => {
      slot.opening = undefined;
    });
    return unlessAborted(slot.opening, signal);
  }

  /** The connection that `get` would give at once; undefined when it would make one. */
  ready(key: ConnectionKey): BrokerConnection | undefined {
    const endpoint = this.#deps.addressOf(key.nodeId);
    const slot = this.#slots.get(slotId(key));
    if (endpoint === undefined || slot === undefined) return undefined;
    const isThere = endpointText(slot.endpoint) === endpointText(endpoint);
    return isThere && slot.connection !== undefined && isUsable(slot.connection) ? slot.connection : undefined;
  }

  /** A connection with an address instead of a known broker; the caller closes it. */
  async connectTo(endpoint: Endpoint, signal: AbortSignal): Promise<BrokerConnection> {
    this.#closing.signal.throwIfAborted();
    const connection = await BrokerConnection.open({ ...this.#options, endpoint, signal }, this.#deps);
    if (this.#closing.signal.aborted) {
      connection.destroy();
      throw this.#closing.signal.reason;
    }
    this.#bootstrap.add(connection);
    void connection.closed.then(() => this.#bootstrap.delete(connection));
    return connection;
  }

  /** Nodes with a connection that is open now. */
  connected(): readonly number[] {
    const nodes = new Set<number>();
    for (const { connection, key } of this.#slots.values()) if (connection?.isOpen === true) nodes.add(key.nodeId);
    return [...nodes];
  }

  /** Time for which brokers wanted to hear nothing, since the pool was made. */
  throttledMs(purpose: Purpose): number {
    return this.#throttledMs[purpose];
  }

  /** The quickest answer of a node over the connections that are open now; infinite without any. */
  quickestMs(nodeId: number): number {
    let quickestMs = Number.POSITIVE_INFINITY;
    for (const { connection, key } of this.#slots.values())
      if (key.nodeId === nodeId && connection?.isOpen === true)
        quickestMs = Math.min(quickestMs, connection.quickestMs);
    return quickestMs;
  }

  /** Closes connections with brokers that are no longer part of the cluster or have moved. */
  prune(): void {
    for (const [id, slot] of this.#slots) {
      const endpoint = this.#deps.addressOf(slot.key.nodeId);
      if (endpoint !== undefined && endpointText(endpoint) === endpointText(slot.endpoint)) continue;
      slot.connection?.close();
      if (slot.opening === undefined) this.#slots.delete(id);
    }
  }

  /** Closes every connection; what is pending is rejected with `CLIENT_CLOSED`. Idempotent. */
  close(): void {
    this.#closing.abort(new ClientError({ code: "CLIENT_CLOSED", sent: false }));
    for (const { connection } of this.#slots.values()) connection?.close();
    for (const connection of this.#bootstrap) connection.close();
    this.#slots.clear();
  }

  #slotOf(key: ConnectionKey, endpoint: Endpoint): Slot {
    const id = slotId(key);
    const known = this.#slots.get(id);
    if (known !== undefined && endpointText(known.endpoint) === endpointText(endpoint)) return known;
    known?.connection?.close();
    const slot: Slot = { endpoint, key, connection: undefined, opening: undefined, failures: 0, notBeforeMs: 0 };
    this.#slots.set(id, slot);
    return slot;
  }

  async #open(slot: Slot): Promise<BrokerConnection> {
    const { signal } = this.#closing;
    const { clock, logger } = this.#deps;
    const waitMs = slot.notBeforeMs - clock.monotonicMs();
    if (waitMs > 0) await sleep(clock, waitMs, signal);
    const facts = { nodeId: slot.key.nodeId, endpoint: endpointText(slot.endpoint), purpose: slot.key.purpose };
    try {
      const { purpose } = slot.key;
      // Answers to a produce hold no records. Of what comes over control connections, readers of small topics give theirs back.
      const frames = purpose === "produce" ? undefined : this.#deps.fetchFrames;
      const onThrottle = (forMs: number): void => {
        this.#throttledMs[purpose] += forMs;
      };
      const serial = ++this.#lastSerial;
      const options = { ...this.#options, endpoint: slot.endpoint, signal, frames, onThrottle, serial };
      const connection = await BrokerConnection.open(options, this.#deps);
      if (signal.aborted) {
        connection.destroy();
        throw signal.reason;
      }
      slot.connection = connection;
      logger.debug("connected", facts);
      const sinceMs = clock.monotonicMs();
      void connection.closed.then((error) => {
        if (error === undefined || clock.monotonicMs() - sinceMs >= LIVED_MS_MIN) slot.failures = 0;
        else this.#countFailure(slot);
      });
      return connection;
    } catch (thrown) {
      this.#countFailure(slot);
      if (!signal.aborted) logger.debug("connection attempt failed", { ...facts, cause: toError(thrown).message });
      throw thrown;
    }
  }

  #countFailure(slot: Slot): void {
    slot.failures++;
    slot.notBeforeMs = this.#deps.clock.monotonicMs() + backoffMs(slot.failures, this.#deps.random);
  }
}

function slotId({ nodeId, purpose, channel = 0 }: ConnectionKey): string {
  return `${nodeId}/${purpose}/${channel}`;
}

function isUsable({ isOpen, idleMs }: BrokerConnection): boolean {
  return isOpen && idleMs < IDLE_MS_MAX;
}
