/** One connection with a broker: connects, negotiates the versions of all APIs, encodes and decodes. */

import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { Endpoint, Network, TlsOptions } from "../core/network.ts";
import { type Api, decodeResponse, encodeRequest, type ResponseOutput } from "../wire/api.ts";
import { apiVersions } from "../wire/apis/18-api-versions.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { DEFAULT_FRAME_BYTES_MAX } from "../wire/frame.ts";
import type { FramePool } from "../wire/frame-pool.ts";
import { brokerError, endpointText } from "./errors.ts";
import { type ChannelLoad, type ExchangeOptions, FrameChannel } from "./frame-channel.ts";
import type { Authenticator } from "./sasl.ts";
import {
  type BrokerVersions,
  brokerVersions,
  chooseVersion,
  decodeApiVersions,
  FIRST_API_VERSIONS_VERSION,
  fallbackVersion,
} from "./versions.ts";

/** Name and version that brokers show in their metrics (KIP-511). */
const SOFTWARE_NAME = "tributary";
const SOFTWARE_VERSION = "0.1.0";

/** A broker on the other side of the world answers within a second; a hung one must not hold a start up for long. */
export const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;

/** Kafka's own clients wait 30 s for an answer. */
const DEFAULT_REQUEST_TIMEOUT_MS = 30_000;

/** Enough to fill a long link with produce requests; the broker takes them one after the other anyway. */
const DEFAULT_IN_FLIGHT_MAX = 32;

/** 80 Mbit/s over 800 ms is 8 MB; twice that leaves room while an answer is on its way. */
const DEFAULT_IN_FLIGHT_BYTES_MAX = 16 * 1024 * 1024;

/** Callers are few (lanes are bundled into requests), so a long queue is a mistake somewhere. */
const DEFAULT_WAITING_MAX = 1_024;

/** A broker that owes this many answers is hung. */
const DEFAULT_ORPHANS_MAX = 16;

/** Highest correlation id: they are int32 and never negative. */
const CORRELATION_ID_MAX = 2 ** 31 - 1;

/** Options of one connection. */
export interface BrokerConnectionOptions {
  readonly endpoint: Endpoint;
  readonly clientId: string;
  readonly connectTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
  readonly inFlightMax?: number;
  readonly inFlightBytesMax?: number;
  readonly waitingMax?: number;
  readonly orphansMax?: number;
  readonly frameBytesMax?: number;
  /** Where the memory of large answers comes from; fresh memory for each without. */
  readonly frames?: FramePool | undefined;
  /** Where correlation ids begin, and after which they wrap to 0; for tests of that. */
  readonly firstCorrelationId?: number;
  readonly lastCorrelationId?: number;
  readonly signal?: AbortSignal | undefined;
  /** Encrypts it. */
  readonly tls?: TlsOptions | undefined;
  /** Makes this client known to the broker. */
  readonly authenticator?: Authenticator | undefined;
  /** Tells it from other connections; 0 unless given. */
  readonly serial?: number;
  /** Told of each time for which the broker wants to hear nothing, because a quota is used up. */
  readonly onThrottle?: ((forMs: number) => void) | undefined;
}

/** What a connection needs from outside. */
export interface ConnectionDeps {
  readonly network: Network;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Options of one request. */
export interface RequestOptions extends ExchangeOptions {
  /** Not above this version, although both sides know it. */
  readonly maxVersion?: number | undefined;
}

/** Any API definition, as far as sending and reading need it. */
export type AnyApi<RI, SO> = Api<unknown, RI, SO, never>;

/** A request's body, or how it is made for the version that was chosen. */
export type Body<RI> = RI | ((version: number) => RI);

/** An open connection whose versions are negotiated. */
export class BrokerConnection implements AsyncDisposable {
  readonly endpoint: Endpoint;
  /** As given: no other connection of the same owner has the same. */
  readonly serial: number;
  readonly #clientId: string;
  readonly #onThrottle: ((forMs: number) => void) | undefined;
  readonly #channel: FrameChannel;
  #versions: BrokerVersions = { apis: new Map(), features: new Map() };

  private constructor(options: BrokerConnectionOptions, channel: FrameChannel) {
    this.endpoint = options.endpoint;
    this.serial = options.serial ?? 0;
    this.#clientId = options.clientId;
    this.#onThrottle = options.onThrottle;
    this.#channel = channel;
  }

  /** Connects, negotiates and authenticates.
   *  @throws {NetworkError} when no connection can be made
   *  @throws {ClientError} `CLIENT_NOT_KAFKA`, `CLIENT_TIMEOUT`, `CLIENT_DISCONNECTED` when the peer speaks no Kafka, `CLIENT_SASL_REFUSED` */
  static async open(options: BrokerConnectionOptions, deps: ConnectionDeps): Promise<BrokerConnection> {
    const timeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
    const { signal, tls } = options;
    const stream = await deps.network.connect(
      options.endpoint,
      signal === undefined ? { timeoutMs, tls } : { timeoutMs, tls, signal },
    );
    const channel = FrameChannel.open(channelOptions(options), { stream, clock: deps.clock, logger: deps.logger });
    const connection = new BrokerConnection(options, channel);
    try {
      await connection.#negotiate({ timeoutMs, signal });
      await options.authenticator?.authenticate(connection, { timeoutMs, signal });
    } catch (thrown) {
      connection.destroy();
      throw thrown;
    }
    return connection;
  }

  /** What the broker speaks. */
  get versions(): BrokerVersions {
    return this.#versions;
  }

  /** False once closing or broken; never true again. */
  get isOpen(): boolean {
    return this.#channel.isOpen;
  }

  /** Resolves when the connection has ended, with the reason when it was not closed by this side. */
  get closed(): Promise<Error | undefined> {
    return this.#channel.closed;
  }

  /** How long nothing has been sent or received; 0 while an answer is waited for. */
  get idleMs(): number {
    return this.#channel.idleMs;
  }

  /** Figures of the moment, for status and tests. */
  get load(): ChannelLoad {
    return this.#channel.load;
  }

  /** The quickest answer so far; infinite before the first. */
  get quickestMs(): number {
    return this.#channel.quickestMs;
  }

  /** The version that a request would use. @throws {ClientError} `CLIENT_NO_VERSION` */
  versionOf(api: Pick<Api, "key" | "name" | "versions">, maxVersion?: number): number {
    return chooseVersion(api, this.#versions, { endpoint: this.endpoint, maxVersion });
  }

  /** Sends a request and resolves with its answer. Requests are written in the order of the calls.
   *  @throws {ClientError} see `ClientFault`; the signal's reason when aborted
   *  @throws {WireError} when the body has a field that the version cannot carry */
  async request<RI, SO>(api: AnyApi<RI, SO>, body: Body<RI>, options: RequestOptions = {}): Promise<SO> {
    const version = this.versionOf(api, options.maxVersion);
    return this.#channel.exchange(
      {
        api: api.name,
        encode: (correlationId) => this.#encode(api, { version, correlationId }, body),
        decode: (frame) => this.#minded(decodeResponse(api, version, frame)),
        expectsResponse: true,
      },
      options,
    );
  }

  /** Sends a request that the broker does not answer (Produce with acks 0); resolves when it is written. */
  async send<RI>(api: AnyApi<RI, unknown>, body: Body<RI>, options: RequestOptions = {}): Promise<void> {
    const version = this.versionOf(api, options.maxVersion);
    await this.#channel.exchange(
      {
        api: api.name,
        encode: (correlationId) => this.#encode(api, { version, correlationId }, body),
        decode: () => undefined,
        expectsResponse: false,
      },
      options,
    );
  }

  /** Sends nothing more, rejects everything pending with `CLIENT_CLOSED`. Idempotent. */
  close(): void {
    this.#channel.close();
  }

  /** As `close`, without waiting for what is queued in the socket. Idempotent. */
  destroy(): void {
    this.#channel.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }

  /** Does as the broker says when it throttles this client. */
  #minded<SO>(answer: SO): SO {
    const throttleMs = throttleOf(answer);
    if (throttleMs > 0) {
      this.#channel.hold(throttleMs);
      this.#onThrottle?.(throttleMs);
    }
    return answer;
  }

  async #negotiate(options: ExchangeOptions): Promise<void> {
    let version = FIRST_API_VERSIONS_VERSION;
    for (let attempt = 0; attempt < 2; attempt++) {
      const response = await this.#askVersions(version, options);
      if (response.errorCode === ErrorCode.NONE) {
        this.#versions = brokerVersions(response);
        return;
      }
      if (response.errorCode !== ErrorCode.UNSUPPORTED_VERSION) throw this.#refused(response.errorCode);
      version = fallbackVersion(response);
    }
    throw this.#refused(ErrorCode.UNSUPPORTED_VERSION);
  }

  #askVersions(version: number, options: ExchangeOptions): Promise<ResponseOutput<typeof apiVersions>> {
    const body = { clientSoftwareName: SOFTWARE_NAME, clientSoftwareVersion: SOFTWARE_VERSION };
    return this.#channel.exchange(
      {
        api: apiVersions.name,
        encode: (correlationId) => this.#encode(apiVersions, { version, correlationId }, body),
        decode: (frame) => decodeApiVersions(version, frame),
        expectsResponse: true,
      },
      options,
    );
  }

  #encode<RI>(
    api: AnyApi<RI, unknown>,
    header: { readonly version: number; readonly correlationId: number },
    body: Body<RI>,
  ): readonly Uint8Array[] {
    const { version, correlationId } = header;
    const value = typeof body === "function" ? (body as (version: number) => RI)(version) : body;
    return encodeRequest(api, { apiVersion: version, correlationId, clientId: this.#clientId }, value);
  }

  #refused(errorCode: number): Error {
    return brokerError(apiVersions.name, errorCode, { subject: endpointText(this.endpoint) });
  }
}

function channelOptions(options: BrokerConnectionOptions): Parameters<typeof FrameChannel.open>[0] {
  return {
    endpoint: options.endpoint,
    requestTimeoutMs: options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
    requestsMax: options.inFlightMax ?? DEFAULT_IN_FLIGHT_MAX,
    bytesMax: options.inFlightBytesMax ?? DEFAULT_IN_FLIGHT_BYTES_MAX,
    waitingMax: options.waitingMax ?? DEFAULT_WAITING_MAX,
    orphansMax: options.orphansMax ?? DEFAULT_ORPHANS_MAX,
    frameBytesMax: options.frameBytesMax ?? DEFAULT_FRAME_BYTES_MAX,
    frames: options.frames,
    firstCorrelationId: options.firstCorrelationId ?? 1,
    lastCorrelationId: options.lastCorrelationId ?? CORRELATION_ID_MAX,
  };
}

function throttleOf(answer: unknown): number {
  return typeof answer === "object" && answer !== null && "throttleMs" in answer ? Number(answer.throttleMs) : 0;
}
