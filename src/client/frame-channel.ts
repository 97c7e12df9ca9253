/** Frames on one stream: requests pipelined, answers matched by correlation id, late answers dropped.
 *
 *  ```
 *  exchange --> waiting --(in-flight limits, write mark)--> sent --> answered
 *                  |                                          |
 *                  +-- timeout, abort: had no effect          +-- timeout, abort: orphan, its answer is dropped
 *  ``` */

import type { Clock, Timer } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Connection, Endpoint } from "../core/network.ts";
import { correlationIdOf } from "../wire/api.ts";
import { FrameDecoder } from "../wire/frame.ts";
import type { FramePool } from "../wire/frame-pool.ts";
import { ClientError, endpointText } from "./errors.ts";
import { arm, type Exchange, InFlight, type InFlightLimits } from "./in-flight.ts";
import { notKafka } from "./not-kafka.ts";

/** Longest time for which a broker is believed: Kafka's quotas look at eleven seconds, and a mistaken one must not stop a lane. */
const HOLD_MS_MAX = 60_000;

/** Bounds of a channel. */
export interface FrameChannelOptions extends InFlightLimits {
  readonly endpoint: Endpoint;
  /** Used by exchanges that name no timeout. */
  readonly requestTimeoutMs: number;
  /** Answers that may be overdue before the peer counts as hung. */
  readonly orphansMax: number;
  readonly frameBytesMax: number;
  /** Where the memory of large answers comes from. */
  readonly frames?: FramePool | undefined;
  readonly firstCorrelationId: number;
  /** After this id the next is 0. */
  readonly lastCorrelationId: number;
}

/** What a channel needs from outside; the stream is connected and not started. */
export interface FrameChannelDeps {
  readonly stream: Connection;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Timeout and abort of one exchange. */
export interface ExchangeOptions {
  /** From the call to the answer, waiting included. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How one request becomes bytes and its answer a value. */
export interface RawExchange<T> {
  /** Name of the API, for messages. */
  readonly api: string;
  readonly encode: (correlationId: number) => readonly Uint8Array[];
  readonly decode: (frame: Buffer) => T;
  /** False resolves, with `decode` of an empty frame, once the request is written. */
  readonly expectsResponse: boolean;
}

/** Figures of the moment. */
export interface ChannelLoad {
  readonly waiting: number;
  readonly sent: number;
  readonly sentBytes: number;
  readonly orphans: number;
}

/** Owns the stream from `open` on. */
export class FrameChannel {
  readonly #options: FrameChannelOptions;
  readonly #deps: FrameChannelDeps;
  readonly #frames: FrameDecoder;
  readonly #inFlight: InFlight;
  readonly #place: string;
  readonly #closed = Promise.withResolvers<Error | undefined>();
  #nextCorrelationId: number;
  #blocked = false;
  #failure: { readonly error: Error | undefined } | undefined;
  #framesReceived = 0;
  /** 0: never held so far. */
  #heldUntilMs = 0;
  #hold: Timer | undefined;
  #quickestMs = Number.POSITIVE_INFINITY;
  #lastReceivedMs: number;
  #lastSentMs: number;

  private constructor(options: FrameChannelOptions, deps: FrameChannelDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#frames = new FrameDecoder(options.frameBytesMax, options.frames);
    this.#inFlight = new InFlight(options);
    this.#place = endpointText(options.endpoint);
    this.#nextCorrelationId = options.firstCorrelationId;
    this.#lastReceivedMs = deps.clock.monotonicMs();
    this.#lastSentMs = this.#lastReceivedMs;
  }

  /** Starts the stream; call in the turn in which the stream was obtained. */
  static open(options: FrameChannelOptions, deps: FrameChannelDeps): FrameChannel {
    const channel = new FrameChannel(options, deps);
    channel.#start();
    return channel;
  }

  /** False once closing or broken; never true again. */
  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** Resolves when the stream has ended, with the reason when it was not closed by this side. */
  get closed(): Promise<Error | undefined> {
    return this.#closed.promise;
  }

  /** How long nothing has been sent or received; 0 while an answer is waited for. */
  get idleMs(): number {
    if (this.#inFlight.sent > 0 || this.#inFlight.waiting > 0) return 0;
    return this.#deps.clock.monotonicMs() - Math.max(this.#lastSentMs, this.#lastReceivedMs);
  }

  get load(): ChannelLoad {
    const { waiting, sent, sentBytes, orphans } = this.#inFlight;
    return { waiting, sent, sentBytes, orphans };
  }

  /** The quickest answer so far: no shorter than the way there and back. Infinite before the first. */
  get quickestMs(): number {
    return this.#quickestMs;
  }

  /** Sends a request and resolves with its decoded answer. Requests are written in the order of the calls.
   *  @throws {ClientError} see `ClientFault`; the signal's reason when aborted; whatever `encode` throws */
  async exchange<T>(raw: RawExchange<T>, options: ExchangeOptions = {}): Promise<T> {
    if (options.signal?.aborted) throw options.signal.reason;
    if (this.#failure !== undefined) throw this.#failureOf(false);
    const correlationId = this.#takeCorrelationId();
    const parts = raw.encode(correlationId);
    return new Promise<T>((resolve, reject) => {
      const timeoutMs = options.timeoutMs ?? this.#options.requestTimeoutMs;
      const disarm = arm({
        timer: this.#patience(timeoutMs, () => this.#onTimeout(exchange, timeoutMs)),
        signal: options.signal,
        onAbort: () => this.#onAbort(exchange, options.signal?.reason),
      });
      const exchange: Exchange = {
        correlationId,
        api: raw.api,
        parts,
        bytes: parts.reduce((sum, part) => sum + part.byteLength, 0),
        expectsResponse: raw.expectsResponse,
        sentMs: 0,
        onFrame: (frame) => {
          disarm();
          try {
            resolve(raw.decode(frame));
          } catch (thrown) {
            reject(this.#badResponse(raw.api, toError(thrown)));
          }
        },
        onError: (error) => {
          disarm();
          reject(error);
        },
      };
      if (this.#inFlight.enqueue(exchange)) this.#pump();
      else exchange.onError(this.#overloaded());
    });
  }

  /** Sends nothing for so long, because the broker said that it will not look at anything before (KIP-219). What waits keeps its
   *  place and is given as much more time. */
  hold(forMs: number): void {
    const untilMs = this.#deps.clock.monotonicMs() + Math.min(forMs, HOLD_MS_MAX);
    if (untilMs <= this.#heldUntilMs) return;
    this.#heldUntilMs = untilMs;
    this.#hold?.cancel();
    this.#hold = this.#deps.clock.after(Math.min(forMs, HOLD_MS_MAX), () => this.#pump());
  }

  /** Sends nothing more, rejects everything pending with `CLIENT_CLOSED`. Idempotent. */
  close(): void {
    if (this.#failure !== undefined) return;
    this.#fail(undefined);
    this.#deps.stream.close();
  }

  /** As `close`, without waiting for what is queued in the socket. Idempotent. */
  destroy(): void {
    this.#fail(undefined);
    this.#deps.stream.destroy();
  }

  #start(): void {
    this.#deps.stream.start({
      onData: (chunk) => this.#onData(chunk),
      readInto: () => (this.#failure === undefined ? this.#frames.room : undefined),
      onDrain: () => {
        this.#blocked = false;
        this.#pump();
      },
      onClose: (error) => {
        this.#fail(error ?? new ClientError(this.#disconnected(false), { message: this.#endedMessage() }));
        this.#closed.resolve(this.#failure?.error);
      },
    });
  }

  /** A timer that does not count the time for which the channel is held. */
  #patience(timeoutMs: number, onEnd: () => void): Timer {
    const { clock } = this.#deps;
    const startMs = clock.monotonicMs();
    const wait = (delayMs: number): Timer =>
      clock.after(delayMs, () => {
        const heldMs = this.#heldUntilMs + timeoutMs - clock.monotonicMs();
        if (this.#heldUntilMs > startMs && heldMs > 0) timer = wait(heldMs);
        else onEnd();
      });
    let timer = wait(timeoutMs);
    return { cancel: () => timer.cancel() };
  }

  #pump(): void {
    if (this.#heldUntilMs > 0 && this.#deps.clock.monotonicMs() < this.#heldUntilMs) return;
    while (!this.#blocked && this.#failure === undefined) {
      const exchange = this.#inFlight.next();
      if (exchange === undefined) return;
      this.#lastSentMs = this.#deps.clock.monotonicMs();
      exchange.sentMs = this.#lastSentMs;
      this.#blocked = !this.#deps.stream.write(exchange.parts);
      if (!exchange.expectsResponse) exchange.onFrame(EMPTY);
    }
  }

  #onData(chunk: Uint8Array): void {
    this.#lastReceivedMs = this.#deps.clock.monotonicMs();
    try {
      this.#frames.push(chunk, (frame) => this.#onFrame(frame));
    } catch (thrown) {
      const error = toError(thrown);
      this.#fail(
        this.#framesReceived === 0 ? notKafka(this.#options.endpoint, error) : this.#badResponse("frame", error),
      );
      this.#deps.stream.destroy();
    }
  }

  #onFrame(frame: Buffer): void {
    if (this.#failure !== undefined) return;
    const correlationId = correlationIdOf(frame);
    const exchange = this.#inFlight.answered(correlationId);
    if (exchange === undefined) throw new Error(`answer to correlation id ${correlationId}, which was not asked`);
    this.#framesReceived++;
    if (exchange === "orphan") {
      this.#deps.logger.debug("late answer dropped", { endpoint: this.#place, correlationId });
      return;
    }
    this.#quickestMs = Math.min(this.#quickestMs, this.#lastReceivedMs - exchange.sentMs);
    exchange.onFrame(frame);
    this.#pump();
  }

  #onTimeout(exchange: Exchange, timeoutMs: number): void {
    const sent = this.#inFlight.giveUp(exchange.correlationId);
    const { api } = exchange;
    exchange.onError(
      new ClientError(
        { code: "CLIENT_TIMEOUT", endpoint: this.#place, api, timeoutMs, sent },
        { message: `${this.#place} did not answer ${api} within ${timeoutMs} ms${this.#timeoutHint()}` },
      ),
    );
    this.#afterGivingUp(timeoutMs);
  }

  #onAbort(exchange: Exchange, reason: unknown): void {
    this.#inFlight.giveUp(exchange.correlationId);
    exchange.onError(reason);
    this.#afterGivingUp(undefined);
  }

  /** Late answers are harmless, answers that never come are not: too many of them, or a peer that was silent while a
   *  request timed out twice over, end the connection, so that whoever needs it makes a new one. */
  #afterGivingUp(timeoutMs: number | undefined): void {
    const silentMs = this.#deps.clock.monotonicMs() - this.#lastReceivedMs;
    const isSilent = timeoutMs !== undefined && this.#inFlight.orphans > 1 && silentMs >= 2 * timeoutMs;
    if (this.#inFlight.orphans > this.#options.orphansMax || isSilent) {
      this.#fail(new ClientError(this.#disconnected(true), { message: `${this.#place} hangs` }));
      this.#deps.stream.destroy();
      return;
    }
    // Later: requests with the same signal are given up in this very turn and must not be sent in the place made free.
    queueMicrotask(() => this.#pump());
  }

  /** Ends the connection; `undefined` when this side wants it so. */
  #fail(error: Error | undefined): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#hold?.cancel();
    const { sent, waiting } = this.#inFlight.drain();
    if (error !== undefined)
      this.#deps.logger.debug("connection ended", { endpoint: this.#place, cause: error.message });
    for (const exchange of sent) exchange.onError(this.#failureOf(true));
    for (const exchange of waiting) exchange.onError(this.#failureOf(false));
  }

  /** The failure as it concerns one request. */
  #failureOf(sent: boolean): Error {
    const cause = this.#failure?.error;
    if (cause === undefined) return new ClientError({ code: "CLIENT_CLOSED", sent });
    if (cause instanceof ClientError && cause.fault.code === "CLIENT_NOT_KAFKA") return cause;
    return new ClientError(this.#disconnected(sent), { message: cause.message, cause });
  }

  #disconnected(sent: boolean) {
    return { code: "CLIENT_DISCONNECTED", endpoint: this.#place, sent } as const;
  }

  #endedMessage(): string {
    if (this.#framesReceived > 1) return `${this.#place} closed the connection`;
    // Every listener tells its versions; one with SASL then hears nothing before it knows who asks.
    if (this.#framesReceived === 1)
      return `${this.#place} closed the connection at the second request: check whether it wants SASL`;
    return `${this.#place} closed the connection at the first request: check the port, and whether it wants TLS and SASL`;
  }

  #timeoutHint(): string {
    return this.#framesReceived === 0 ? ": does it speak Kafka?" : "";
  }

  #badResponse(api: string, cause: Error): ClientError {
    return new ClientError(
      { code: "CLIENT_BAD_RESPONSE", endpoint: this.#place, api, what: cause.message },
      { message: `${this.#place} sent a ${api} answer that cannot be read: ${cause.message}`, cause },
    );
  }

  #overloaded(): ClientError {
    const { waiting } = this.#inFlight;
    return new ClientError({ code: "CLIENT_OVERLOADED", endpoint: this.#place, waiting, sent: false });
  }

  #takeCorrelationId(): number {
    let id = this.#nextCorrelationId;
    // After a wrap an id may still be open: a long poll, or an orphan.
    while (this.#inFlight.isOpen(id)) id = this.#following(id);
    this.#nextCorrelationId = this.#following(id);
    return id;
  }

  #following(id: number): number {
    return id >= this.#options.lastCorrelationId ? 0 : id + 1;
  }
}

const EMPTY = Buffer.alloc(0);
