/** One end of a connection of a memory network: behaves as a socket does, close and reset included. */

import type { Clock, Timer } from "../core/clock.ts";
import { type Connection, type ConnectionHandlers, type Endpoint, NetworkError } from "../core/network.ts";
import type { LinkSettings, Pipe, PipeReceiver } from "./memory-link.ts";

/** As for a real socket: how long an orderly close waits for the other side. */
const LINGER_MS = 1_000;

/** What a connection end learns once both ends exist. */
interface Joint {
  readonly outgoing: Pipe;
  readonly incoming: Pipe;
  readonly onGone: () => void;
}

/** One end of a connection. Made by the memory network alone. */
export class MemoryConnection implements Connection {
  readonly remote: string;
  /** Direction of what this end sends. */
  readonly places: { readonly from: string; readonly to: string };
  readonly #clock: Clock;
  readonly #remote: Endpoint;
  #joint: Joint | undefined;
  #handlers: ConnectionHandlers | undefined;
  #paused = false;
  #closing = false;
  #finished: { readonly error: NetworkError | undefined } | undefined;
  #linger: Timer | undefined;

  constructor(clock: Clock, remote: Endpoint, places: { readonly from: string; readonly to: string }) {
    this.#clock = clock;
    this.#remote = remote;
    this.remote = endpointKey(remote);
    this.places = places;
  }

  /** Gives the end its two pipes. */
  join(joint: Joint): void {
    this.#joint = joint;
  }

  /** What happens here to what `sender` sends. */
  receiverFor(sender: MemoryConnection): PipeReceiver {
    return {
      ready: () => this.#handlers !== undefined && (!this.#paused || this.#closing),
      onBytes: (bytes) => {
        if (!this.#closing) this.#handlers?.onData(bytes);
      },
      onEnd: () => {
        if (!this.#closing) this.#joint?.outgoing.end();
        this.#finish(undefined);
      },
      onReset: () => this.#finish(new NetworkError({ code: "NETWORK_RESET", ...this.#remote })),
      onRoom: () => sender.#onRoom(),
    };
  }

  /** New properties of the direction in which this end sends. */
  changeLink(settings: LinkSettings): void {
    if (this.#joint?.outgoing.change(settings) !== true) return;
    this.#joint.outgoing.abort();
    this.#finish(new NetworkError({ code: "NETWORK_RESET", ...this.#remote }));
  }

  start(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    this.#joint?.incoming.pump();
    if (this.#finished !== undefined) this.#tellClosed();
  }

  write(parts: readonly Uint8Array[]): boolean {
    if (this.#closing || this.#finished !== undefined) return true;
    return this.#joint?.outgoing.push(parts) ?? true;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#joint?.incoming.pump();
  }

  close(): void {
    if (this.#closing || this.#finished !== undefined) return;
    this.#closing = true;
    this.#joint?.outgoing.end();
    this.#joint?.incoming.pump();
    this.#linger = this.#clock.after(LINGER_MS, () => this.#finish(undefined));
  }

  destroy(): void {
    if (this.#finished !== undefined) return;
    this.#closing = true;
    this.#joint?.outgoing.reset();
    this.#finish(undefined);
  }

  #onRoom(): void {
    if (!this.#closing && this.#finished === undefined) this.#handlers?.onDrain();
  }

  #finish(error: NetworkError | undefined): void {
    if (this.#finished !== undefined) return;
    this.#finished = { error };
    this.#closing = true;
    this.#linger?.cancel();
    this.#joint?.incoming.close();
    this.#joint?.onGone();
    if (this.#handlers !== undefined) this.#tellClosed();
  }

  #tellClosed(): void {
    this.#clock.after(0, () => this.#handlers?.onClose(this.#finished?.error));
  }
}

/** `host:port`, the key of a listener and the name of a peer. */
export function endpointKey({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}
