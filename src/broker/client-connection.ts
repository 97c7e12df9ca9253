/** One client's connection: requests are served one at a time and answered in order, as Kafka does (its "muted" channel). */

import { TributaryError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Connection } from "../core/network.ts";
import { FrameDecoder } from "../wire/frame.ts";
import type { Dispatcher, Reply } from "./dispatch.ts";

/** Frames that may wait behind the one in work before reading stops. A client pipelines five requests or so; a frame may
 *  have 100 MiB, so bytes are counted too. */
const WAITING_FRAMES_MAX = 32;
const WAITING_BYTES_MAX = 8 * 1024 * 1024;

/** What a connection needs. */
export interface ClientConnectionDeps {
  readonly brokerId: number;
  readonly frameBytesMax: number;
  readonly dispatcher: Dispatcher;
  readonly logger: Logger;
  readonly onClosed: (self: ClientConnection) => void;
}

/** Reads frames, hands them to the dispatcher, writes what comes back. */
export class ClientConnection {
  readonly #connection: Connection;
  readonly #deps: ClientConnectionDeps;
  readonly #decoder: FrameDecoder;
  readonly #ended = new AbortController();
  readonly #clientHost: string;
  readonly #frames: Buffer[] = [];
  #frameBytes = 0;
  #isServing = false;
  #isPaused = false;
  #mustDrain = false;
  #isClosed = false;

  /** Takes the connection over at once. */
  constructor(connection: Connection, deps: ClientConnectionDeps) {
    this.#connection = connection;
    this.#deps = deps;
    this.#decoder = new FrameDecoder(deps.frameBytesMax);
    this.#clientHost = `/${connection.remote.replace(/:\d+$/, "")}`;
    connection.start({
      onData: (chunk) => this.#receive(chunk),
      onDrain: () => {
        this.#mustDrain = false;
        this.#serveNext();
      },
      onClose: () => this.#finish(),
    });
  }

  /** Ends the connection at once; a request in work is finished but not answered. Idempotent. */
  destroy(): void {
    this.#connection.destroy();
    this.#finish();
  }

  #receive(chunk: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      this.#decoder.push(chunk, (frame) => {
        this.#frames.push(frame);
        this.#frameBytes += frame.length;
      });
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      this.#refuse(`${error.message}${foreignProtocol(chunk)}`);
      return;
    }
    this.#serveNext();
    if (this.#frames.length > WAITING_FRAMES_MAX || this.#frameBytes > WAITING_BYTES_MAX) this.#pause();
  }

  /** Serves frames until one has to wait. Never re-enters itself. */
  #serveNext(): void {
    while (!this.#isServing && !this.#mustDrain && !this.#isClosed) {
      const frame = this.#frames.shift();
      if (frame === undefined) break;
      this.#frameBytes -= frame.length;
      this.#isServing = true;
      const { brokerId, dispatcher } = this.#deps;
      const reply = dispatcher.serve(frame, { brokerId, clientHost: this.#clientHost, signal: this.#ended.signal });
      if (reply instanceof Promise) {
        void reply.then((late) => {
          this.#isServing = false;
          this.#send(late);
          this.#serveNext();
        });
        break;
      }
      this.#isServing = false;
      this.#send(reply);
    }
    if (this.#isPaused && this.#frames.length === 0 && !this.#isClosed) {
      this.#isPaused = false;
      this.#connection.resume();
    }
  }

  #send(reply: Reply): void {
    if (this.#isClosed || reply.kind === "none") return;
    if (reply.kind === "send") {
      this.#mustDrain = !this.#connection.write(reply.parts);
      return;
    }
    if (reply.reason === undefined) this.destroy();
    else this.#refuse(reply.reason);
  }

  #pause(): void {
    if (this.#isPaused || this.#isClosed) return;
    this.#isPaused = true;
    this.#connection.pause();
  }

  #refuse(reason: string): void {
    this.#deps.logger.warn("closed a connection", { remote: this.#connection.remote, reason });
    this.destroy();
  }

  #finish(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#frames.length = 0;
    this.#ended.abort();
    this.#deps.onClosed(this);
  }
}

/** A hint for the two protocols that people most often point at a broker by mistake. */
function foreignProtocol(chunk: Uint8Array): string {
  if (chunk[0] === 0x16 && chunk[1] === 0x03) return " (this looks like TLS; the listener is plain text)";
  const start = Buffer.from(chunk.subarray(0, 4)).toString("latin1");
  return /^(GET |POST|HEAD|PUT |OPTI)$/.test(start) ? " (this looks like HTTP)" : "";
}
