/** The port through which all code reaches the network: byte streams, nothing about Kafka. */

import { TributaryError } from "./errors.ts";

/** Where to listen or connect; port 0 asks for any free one. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Why a connection could not be made, or ended other than by either side's choice. */
export type NetworkFault =
  | {
      readonly code: "NETWORK_REFUSED" | "NETWORK_RESET" | "NETWORK_UNREACHABLE";
      readonly host: string;
      readonly port: number;
    }
  /** The other side speaks no TLS, or is not trusted. */
  | { readonly code: "NETWORK_TLS_FAILED"; readonly host: string; readonly port: number; readonly why: string }
  | { readonly code: "NETWORK_TIMEOUT"; readonly host: string; readonly port: number; readonly timeoutMs: number }
  | { readonly code: "NETWORK_PORT_TAKEN" | "NETWORK_PORT_DENIED"; readonly host: string; readonly port: number };

/** An operating error of the network. */
export class NetworkError extends TributaryError<NetworkFault> {}

/** What the owner of a connection wants to hear. */
export interface ConnectionHandlers {
  /** Bytes as they arrive. The chunk belongs to the connection and is valid only during the call: copy what must stay. */
  readonly onData: (chunk: Uint8Array) => void;
  /** Where the next bytes should go, if anywhere in particular. The connection may read into it, and then gives `onData` the
   *  filled part of it before anything else; or it may take no notice. Nothing else writes there meanwhile. */
  readonly readInto?: () => Uint8Array | undefined;
  /** The write buffer fell below its mark after `write` had answered false. */
  readonly onDrain: () => void;
  /** Called exactly once, also after `close`. `error` is undefined after an orderly end. */
  readonly onClose: (error: NetworkError | undefined) => void;
}

/** One byte stream in both directions. */
export interface Connection {
  /** `host:port` of the other side, for messages. */
  readonly remote: string;
  /** Begins delivery; call exactly once, in the same turn in which the connection was obtained. */
  start(handlers: ConnectionHandlers): void;
  /** Queues all parts as one write (one system call where possible); they must not change afterwards.
   *  False when more is buffered than the mark: stop until `onDrain`. Does nothing after close. */
  write(parts: readonly Uint8Array[]): boolean;
  /** Stops and resumes delivery of data (back-pressure on the sender). */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes. Idempotent. */
  close(): void;
  /** Closes at once, dropping what is queued. Idempotent. */
  destroy(): void;
}

/** An open listener. */
export interface Listener {
  /** The endpoint with the port that was really bound. */
  readonly endpoint: Endpoint;
  /** Stops accepting; connections already made stay. Idempotent. */
  close(): Promise<void>;
}

/** How a connection is encrypted, and whom it trusts. Texts are PEM. */
export interface TlsOptions {
  /** Authorities that sign the other side's certificate; left out: those that the system trusts. */
  readonly ca?: string;
  /** This side's certificate, where the other asks for one, and its key. */
  readonly cert?: string;
  readonly key?: string;
  /** The name that the other side's certificate must have; left out: the host that is connected. */
  readonly serverName?: string;
}

/** Options of one connection attempt. */
export interface ConnectOptions {
  /** Encrypts; the bytes that are read and written are the plain ones. */
  readonly tls?: TlsOptions | undefined;
  /** Gives up after this long with `NETWORK_TIMEOUT`. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Makes and accepts connections. */
export interface Network {
  /** @throws {NetworkError} refused, reset, unreachable or timed out. */
  connect(endpoint: Endpoint, options: ConnectOptions): Promise<Connection>;
  /** @throws {NetworkError} `NETWORK_PORT_TAKEN` or `NETWORK_PORT_DENIED`. */
  listen(endpoint: Endpoint, accept: (connection: Connection) => void): Promise<Listener>;
}
