/** A network inside one process, on any clock: places joined by links that can be slow, held, lossy or cut. */

import { type Clock, sleep } from "../core/clock.ts";
import {
  type Connection,
  type ConnectOptions,
  type Endpoint,
  type Listener,
  type Network,
  NetworkError,
} from "../core/network.ts";
import type { Random } from "../core/random.ts";
import { endpointKey, MemoryConnection } from "./memory-connection.ts";
import { type LinkSettings, OPEN_LINK, Pipe, type PipeOptions, type PipeReceiver } from "./memory-link.ts";

/** First port handed out when a listener asks for any. */
const FIRST_FREE_PORT = 20_000;

/** Bytes under way before `write` answers false, as a loopback socket with its buffers. */
const DEFAULT_BUFFER_BYTES_MAX = 1024 * 1024;

/** Largest chunk, as Node delivers it. */
const DEFAULT_PIECE_BYTES_MAX = 64 * 1024;

/** Options of a memory network. */
export interface MemoryNetworkOptions {
  readonly bufferBytesMax?: number;
  readonly pieceBytesMax?: number;
  /** Splits what is delivered at random places; for tests of reassembly. */
  readonly randomPieces?: boolean;
}

/** What a memory network stands on. */
export interface MemoryNetworkDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** A stream of chance for each direction, so that traffic on one changes nothing on another. Default: `random` for all. */
  readonly randomOf?: (from: string, to: string) => Random;
  /** Sees every piece that is delivered. */
  readonly onDelivered?: (from: string, to: string, bytes: Uint8Array) => void;
}

interface MemoryListener {
  readonly place: string;
  readonly endpoint: Endpoint;
  readonly accept: (connection: Connection) => void;
}

/** All places, listeners, links and connections. Used directly it is the network as seen from the place `""`. */
export class MemoryNetwork implements Network {
  readonly #options: PipeOptions;
  readonly #clock: Clock;
  readonly #deps: MemoryNetworkDeps;
  readonly #randoms = new Map<string, Random>();
  readonly #listeners = new Map<string, MemoryListener>();
  readonly #links = new Map<string, LinkSettings>();
  readonly #connections = new Set<MemoryConnection>();
  #waiters: (() => void)[] = [];
  #nextPort = FIRST_FREE_PORT;

  constructor(options: MemoryNetworkOptions, deps: MemoryNetworkDeps) {
    this.#options = {
      bufferBytesMax: options.bufferBytesMax ?? DEFAULT_BUFFER_BYTES_MAX,
      pieceBytesMax: options.pieceBytesMax ?? DEFAULT_PIECE_BYTES_MAX,
      randomPieces: options.randomPieces ?? false,
    };
    this.#clock = deps.clock;
    this.#deps = deps;
  }

  /** The network as seen from `place`: what it connects and listens there belongs to that place. */
  at(place: string): Network {
    return {
      connect: (endpoint, options) => this.#connect(place, endpoint, options),
      listen: async (endpoint, accept) => this.#listen(place, endpoint, accept),
    };
  }

  connect(endpoint: Endpoint, options: ConnectOptions): Promise<Connection> {
    return this.#connect("", endpoint, options);
  }

  async listen(endpoint: Endpoint, accept: (connection: Connection) => void): Promise<Listener> {
    return this.#listen("", endpoint, accept);
  }

  /** Changes the direction `from` -> `to`, also for connections that exist. What is left out stays as it is. */
  setLink(from: string, to: string, change: Partial<LinkSettings>): void {
    const settings = { ...this.link(from, to), ...change };
    this.#links.set(linkKey(from, to), settings);
    for (const connection of [...this.#connections]) {
      if (connection.places.from === from && connection.places.to === to) connection.changeLink(settings);
    }
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Changes both directions between two places. */
  setLinks(one: string, other: string, change: Partial<LinkSettings>): void {
    this.setLink(one, other, change);
    if (one !== other) this.setLink(other, one, change);
  }

  /** The direction's present properties. */
  link(from: string, to: string): LinkSettings {
    return this.#links.get(linkKey(from, to)) ?? OPEN_LINK;
  }

  /** Connections that both sides still have. */
  get connectionCount(): number {
    return this.#connections.size / 2;
  }

  #listen(place: string, endpoint: Endpoint, accept: (connection: Connection) => void): Listener {
    const port = endpoint.port === 0 ? this.#nextPort++ : endpoint.port;
    const bound: Endpoint = { host: endpoint.host, port };
    const key = endpointKey(bound);
    if (this.#listeners.has(key)) throw new NetworkError({ code: "NETWORK_PORT_TAKEN", ...bound });
    const listener = { place, endpoint: bound, accept };
    this.#listeners.set(key, listener);
    return {
      endpoint: bound,
      close: async () => {
        if (this.#listeners.get(key) === listener) this.#listeners.delete(key);
      },
    };
  }

  async #connect(from: string, endpoint: Endpoint, options: ConnectOptions): Promise<Connection> {
    const deadline = new AbortController();
    const timedOut = new NetworkError({ code: "NETWORK_TIMEOUT", ...endpoint, timeoutMs: options.timeoutMs });
    const timer = this.#clock.after(options.timeoutMs, () => deadline.abort(timedOut));
    const signal = options.signal === undefined ? deadline.signal : AbortSignal.any([options.signal, deadline.signal]);
    try {
      const to = this.#listeners.get(endpointKey(endpoint))?.place ?? endpoint.host;
      await this.#pass(from, to, { endpoint, signal });
      await this.#pass(to, from, { endpoint, signal });
      const listener = this.#listeners.get(endpointKey(endpoint));
      if (listener === undefined) throw new NetworkError({ code: "NETWORK_REFUSED", ...endpoint });
      return this.#join(from, listener);
    } finally {
      timer.cancel();
    }
  }

  /** One way of the handshake. */
  async #pass(
    from: string,
    to: string,
    options: { readonly endpoint: Endpoint; readonly signal: AbortSignal },
  ): Promise<void> {
    await sleep(this.#clock, this.link(from, to).latencyMs, options.signal);
    while (this.link(from, to).mode !== "open") {
      if (this.link(from, to).mode === "cut")
        throw new NetworkError({ code: "NETWORK_UNREACHABLE", ...options.endpoint });
      await this.#linkChange(options.signal);
    }
  }

  #linkChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = (): void => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(() => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      });
    });
  }

  #join(from: string, listener: MemoryListener): Connection {
    const { place: to, endpoint } = listener;
    const local: Endpoint = { host: from === "" ? "memory" : from, port: this.#nextPort++ };
    const client = new MemoryConnection(this.#clock, endpoint, { from, to });
    const server = new MemoryConnection(this.#clock, local, { from: to, to: from });
    const pipe = (sender: MemoryConnection, receiver: MemoryConnection): Pipe =>
      new Pipe(
        { ...this.#options, settings: this.link(sender.places.from, sender.places.to) },
        { clock: this.#clock, random: this.#randomOf(sender.places), receiver: this.#receiver(sender, receiver) },
      );
    const there = pipe(client, server);
    const back = pipe(server, client);
    client.join({ outgoing: there, incoming: back, onGone: () => this.#connections.delete(client) });
    server.join({ outgoing: back, incoming: there, onGone: () => this.#connections.delete(server) });
    this.#connections.add(client).add(server);
    listener.accept(server);
    return client;
  }

  #receiver(sender: MemoryConnection, receiver: MemoryConnection): PipeReceiver {
    const { onDelivered } = this.#deps;
    const there = receiver.receiverFor(sender);
    if (onDelivered === undefined) return there;
    const { from, to } = sender.places;
    return {
      ...there,
      onBytes: (bytes) => {
        onDelivered(from, to, bytes);
        there.onBytes(bytes);
      },
    };
  }

  #randomOf({ from, to }: { readonly from: string; readonly to: string }): Random {
    const { random, randomOf } = this.#deps;
    if (randomOf === undefined) return random;
    const key = linkKey(from, to);
    const stream = this.#randoms.get(key) ?? randomOf(from, to);
    this.#randoms.set(key, stream);
    return stream;
  }
}

function linkKey(from: string, to: string): string {
  return `${from}\u0000${to}`;
}
