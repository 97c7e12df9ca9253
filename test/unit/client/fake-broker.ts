/** A scripted broker on a memory network: records every request, answers what the test tells it to. */

import { MemoryNetwork } from "../../../src/adapters/memory-network.ts";
import { nodeRandom } from "../../../src/adapters/node-random.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import type { Connection, Endpoint, Listener } from "../../../src/core/network.ts";
import {
  type Api,
  decodeRequest,
  decodeRequestHeader,
  encodeResponse,
  type RequestHeader,
} from "../../../src/wire/api.ts";
import { apiVersions } from "../../../src/wire/apis/18-api-versions.ts";
import { ALL_APIS } from "../../../src/wire/apis.ts";
import { FrameDecoder } from "../../../src/wire/frame.ts";
import { ManualClock } from "./manual-clock.ts";

type AnyApi = Api<unknown, never, unknown, never>;

/** A request as the broker received it. */
export interface Received {
  readonly header: RequestHeader;
  readonly api: AnyApi;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every API
  readonly body: any;
  readonly connection: Connection;
  readonly atMs: number;
}

/** The answer's body; undefined sends nothing. */
export type Handler = (request: Received) => unknown;

/** Versions that the fake claims when a test does not say: all that are defined here. */
const OUR_RANGES: readonly (readonly [number, number, number])[] = [...ALL_APIS.values()].map(
  (api) => [api.key, ...api.versions] as const,
);

export class FakeBroker implements AsyncDisposable {
  readonly requests: Received[] = [];
  readonly connections = new Set<Connection>();
  accepted = 0;
  ranges: readonly (readonly [number, number, number])[] = OUR_RANGES;
  readonly #handlers = new Map<number, Handler>();
  readonly #clock: ManualClock;
  readonly #network: MemoryNetwork;
  #listener: Listener | undefined;
  readonly endpoint: Endpoint;

  private constructor(endpoint: Endpoint, deps: { readonly clock: ManualClock; readonly network: MemoryNetwork }) {
    this.endpoint = endpoint;
    this.#clock = deps.clock;
    this.#network = deps.network;
    this.on(apiVersions, () => ({
      errorCode: 0,
      throttleMs: 0,
      apiKeys: this.ranges.map(([apiKey, minVersion, maxVersion]) => ({ apiKey, minVersion, maxVersion })),
    }));
  }

  static async listen(
    endpoint: Endpoint,
    deps: { readonly clock: ManualClock; readonly network: MemoryNetwork },
  ): Promise<FakeBroker> {
    const broker = new FakeBroker(endpoint, deps);
    await broker.start();
    return broker;
  }

  /** Listens (again). */
  async start(): Promise<void> {
    this.#listener ??= await this.#network
      .at(this.endpoint.host)
      .listen(this.endpoint, (connection) => this.#accept(connection));
  }

  /** Listens no more and resets every connection. */
  async stop(): Promise<void> {
    await this.#listener?.close();
    this.#listener = undefined;
    for (const connection of this.connections) connection.destroy();
    this.connections.clear();
  }

  /** Answers an API from now on. */
  on(api: { readonly key: number }, handler: Handler): void {
    this.#handlers.set(api.key, handler);
  }

  /** Answers one request now; the body is checked by nobody. */
  reply(
    request: Received,
    body: unknown,
    change: { readonly correlationId?: number; readonly apiVersion?: number } = {},
  ): void {
    const { apiVersion, correlationId } = { ...request.header, ...change };
    const api = request.api as unknown as Api<unknown, never, unknown, unknown>;
    request.connection.write(encodeResponse(api, { apiVersion, correlationId }, body));
  }

  /** The requests of one API, in the order of their arrival. */
  received(api: { readonly key: number }): readonly Received[] {
    return this.requests.filter(({ header }) => header.apiKey === api.key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #accept(connection: Connection): void {
    this.accepted++;
    this.connections.add(connection);
    const frames = new FrameDecoder();
    connection.start({
      onData: (chunk) => frames.push(chunk, (frame) => this.#onFrame(connection, frame)),
      onDrain: () => {},
      onClose: () => this.connections.delete(connection),
    });
  }

  #onFrame(connection: Connection, frame: Buffer): void {
    const { header, bodyStart } = decodeRequestHeader(frame);
    const api = ALL_APIS.get(header.apiKey) as unknown as AnyApi;
    const body = decodeRequest(api, header.apiVersion, frame, bodyStart);
    const request = { header, api, body, connection, atMs: this.#clock.monotonicMs() };
    this.requests.push(request);
    const answer = this.#handlers.get(header.apiKey)?.(request);
    if (answer !== undefined) this.reply(request, answer);
  }
}

/** A clock that stands still, a network on it, and what clients need. */
export function openWorld(options: ConstructorParameters<typeof MemoryNetwork>[0] = {}) {
  const clock = new ManualClock();
  const random = nodeRandom();
  const network = new MemoryNetwork(options, { clock, random });
  return { clock, random, network, logger: silentLogger };
}
