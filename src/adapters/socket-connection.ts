/** One TCP socket as a Connection: nothing that happens before `start` is lost, `onClose` comes exactly once. */

import type { Socket } from "node:net";
import type { Connection, ConnectionHandlers, Endpoint, NetworkError } from "../core/network.ts";
import { streamError } from "./network-errors.ts";

/** How long an orderly close waits for the other side's end. Destroying at once could answer bytes that are still
 *  arriving with a reset, and a reset makes the other side lose what was sent last. */
const LINGER_MS = 1_000;

/** Facts about the socket that the socket itself does not tell. */
export interface SocketConnectionOptions {
  readonly remote: Endpoint;
  /** Accepted sockets deliver by 'data' events; connected ones call `deliver` from their `onread` callback. */
  readonly readsWithEvents: boolean;
}

/** A connected socket. Made by the network adapter alone. */
export class SocketConnection implements Connection {
  readonly remote: string;
  readonly #socket: Socket;
  readonly #options: SocketConnectionOptions;
  #handlers: ConnectionHandlers | undefined;
  #early: Buffer[] = [];
  #error: NetworkError | undefined;
  #corked = false;
  #paused = false;
  #closing = false;
  #closed = false;
  #linger: NodeJS.Timeout | undefined;

  constructor(socket: Socket, options: SocketConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.remote = `${options.remote.host}:${options.remote.port}`;
    socket.on("error", (error) => {
      this.#error ??= streamError(error, options.remote);
    });
    socket.on("close", () => this.#onClose());
    socket.on("drain", () => this.#handlers?.onDrain());
  }

  start(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    if (this.#options.readsWithEvents) this.#socket.on("data", (chunk) => this.#onData(chunk));
    if (this.#early.length > 0 || this.#closed) queueMicrotask(() => this.#deliverEarly());
  }

  /** A chunk read by the socket's `onread`; false pauses the reading until `start` or `resume`. */
  deliver(chunk: Uint8Array): boolean {
    if (this.#handlers === undefined || this.#early.length > 0) {
      this.#early.push(Buffer.from(chunk));
      return false;
    }
    this.#onData(chunk);
    return !this.#paused;
  }

  /** Where the owner wants the next bytes; undefined while they are not delivered at once. */
  readInto(): Uint8Array | undefined {
    return this.#closing || this.#early.length > 0 ? undefined : this.#handlers?.readInto?.();
  }

  write(parts: readonly Uint8Array[]): boolean {
    if (this.#closing || this.#socket.destroyed) return true;
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => this.#uncork());
    }
    let belowMark = true;
    for (const part of parts) belowMark = this.#socket.write(part);
    return belowMark;
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#handlers !== undefined && this.#early.length === 0) this.#socket.resume();
  }

  close(): void {
    if (this.#closing || this.#closed) return;
    this.#closing = true;
    this.#socket.end();
    // What still arrives is dropped, but has to be read: the end of the stream comes behind it.
    this.#socket.resume();
    this.#linger = setTimeout(() => this.#socket.destroy(), LINGER_MS).unref();
  }

  destroy(): void {
    this.#closing = true;
    this.#socket.destroy();
  }

  #uncork(): void {
    this.#corked = false;
    this.#socket.uncork();
  }

  #onData(chunk: Uint8Array): void {
    if (!this.#closing) this.#handlers?.onData(chunk);
  }

  #deliverEarly(): void {
    const early = this.#early;
    this.#early = [];
    for (const chunk of early) this.#onData(chunk);
    if (this.#closed) this.#handlers?.onClose(this.#error);
    else if (!this.#paused) this.#socket.resume();
  }

  #onClose(): void {
    this.#closed = true;
    clearTimeout(this.#linger);
    if (this.#handlers !== undefined && this.#early.length === 0) this.#handlers.onClose(this.#error);
  }
}
