/** TCP and TLS through Node: reads into one static buffer per client connection, writes of one turn in one `writev`. */

import {
  type AddressInfo,
  createServer,
  isIP,
  connect as netConnect,
  type Server,
  type Socket,
  type TcpNetConnectOpts,
} from "node:net";
import { checkServerIdentity, connect as tlsConnect } from "node:tls";
import { toError } from "../core/errors.ts";
import type { Connection, ConnectOptions, Endpoint, Listener, Network, TlsOptions } from "../core/network.ts";
import { BAD_PORT, connectError, listenError, tlsError } from "./network-errors.ts";
import { SocketConnection } from "./socket-connection.ts";

/** One read into the connection's own buffer takes at most this much: the beginning of a large answer, whose rest is read to
 *  where it belongs, or several small answers. A static buffer halves the CPU of reading compared with 'data' events. */
const READ_BUFFER_BYTES = 64 * 1024;

/** Bytes a client may have queued before `write` answers false: two full produce requests of 2 MiB. */
const CLIENT_WRITE_BYTES_MAX = 4 * 1024 * 1024;

/** The same for accepted connections: a broker has many of them. */
const SERVER_WRITE_BYTES_MAX = 1024 * 1024;

/** Idle time after which the operating system probes the peer, so that a silent cut is noticed. */
const KEEP_ALIVE_MS = 30_000;

/** Makes and accepts TCP connections. */
export function nodeNetwork(): Network {
  return { connect, listen };
}

async function connect(endpoint: Endpoint, options: ConnectOptions): Promise<Connection> {
  if (endpoint.port < 1 || endpoint.port > 65_535) {
    const error = Object.assign(new Error("bad port"), { code: BAD_PORT });
    throw connectError(error, endpoint, options.timeoutMs);
  }
  const { tls } = options;
  return tls === undefined ? connectPlain(endpoint, options) : connectTls(endpoint, tls, options);
}

function connectPlain(endpoint: Endpoint, options: ConnectOptions): Promise<Connection> {
  let connection: SocketConnection | undefined;
  const ownBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  const connectOptions: TcpNetConnectOpts & { readonly writableHighWaterMark: number } = {
    ...socketOptions(endpoint),
    onread: {
      buffer: () => connection?.readInto() ?? ownBuffer,
      callback: (bytes, buffer) => connection?.deliver(buffer.subarray(0, bytes)) ?? true,
    },
  };
  const failure = (error: Error) => connectError(error, endpoint, options.timeoutMs);
  const made = (socket: Socket): Connection => {
    connection = new SocketConnection(socket, { remote: endpoint, readsWithEvents: false });
    return connection;
  };
  return established({ open: () => netConnect(connectOptions), event: "connect", made, failure }, options);
}

/** Reads with events: what comes out of the decryption lies in memory of its own anyway. */
function connectTls(endpoint: Endpoint, tls: TlsOptions, options: ConnectOptions): Promise<Connection> {
  const { serverName = endpoint.host, ...pem } = tls;
  const name = isIP(serverName) === 0 ? { servername: serverName } : {};
  const open = (): Socket =>
    tlsConnect({
      ...socketOptions(endpoint),
      ...pem,
      ...name,
      checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate),
    });
  const failure = (error: Error) => tlsError(error, { ...endpoint, name: serverName }, options.timeoutMs);
  const made = (socket: Socket) => new SocketConnection(socket, { remote: endpoint, readsWithEvents: true });
  return established({ open, event: "secureConnect", made, failure }, options);
}

function socketOptions({ host, port }: Endpoint) {
  const keepAlive = { keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
  return { host, port, noDelay: true, ...keepAlive, writableHighWaterMark: CLIENT_WRITE_BYTES_MAX };
}

/** One way to connect. */
interface Attempt {
  readonly open: () => Socket;
  /** Told by the socket once it can be used. */
  readonly event: "connect" | "secureConnect";
  /** Called in that very event, so that nothing that follows it is missed. */
  readonly made: (socket: Socket) => Connection;
  readonly failure: (error: Error) => Error;
}

/** Texts that are no PEM are thrown at once. */
function opened({ open, failure }: Attempt, reject: (reason: Error) => void): Socket | undefined {
  try {
    return open();
  } catch (thrown) {
    reject(failure(toError(thrown)));
    return undefined;
  }
}

function established(attempt: Attempt, options: ConnectOptions): Promise<Connection> {
  return new Promise((resolve, reject) => {
    if (options.signal?.aborted) {
      reject(options.signal.reason);
      return;
    }
    const socket = opened(attempt, reject);
    if (socket === undefined) return;
    const settle = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      socket.off("error", onError);
    };
    const fail = (reason: unknown): void => {
      settle();
      socket.on("error", ignore);
      socket.destroy();
      reject(reason);
    };
    const onError = (error: Error): void => fail(attempt.failure(error));
    const onAbort = (): void => fail(options.signal?.reason);
    const timer = setTimeout(
      () => fail(attempt.failure(Object.assign(new Error("timeout"), { code: "ETIMEDOUT" }))),
      options.timeoutMs,
    );
    options.signal?.addEventListener("abort", onAbort, { once: true });
    socket.on("error", onError);
    socket.once(attempt.event, () => {
      settle();
      resolve(attempt.made(socket));
    });
  });
}

async function listen(endpoint: Endpoint, accept: (connection: Connection) => void): Promise<Listener> {
  const server = createServer({ noDelay: true, highWaterMark: SERVER_WRITE_BYTES_MAX }, (socket) =>
    accept(
      new SocketConnection(socket, {
        remote: { host: socket.remoteAddress ?? "unknown", port: socket.remotePort ?? 0 },
        readsWithEvents: true,
      }),
    ),
  );
  await new Promise<void>((resolve, reject) => {
    const onError = (error: Error): void => reject(listenError(error, endpoint));
    server.once("error", onError);
    try {
      server.listen({ host: endpoint.host, port: endpoint.port }, () => {
        server.off("error", onError);
        resolve();
      });
    } catch (thrown) {
      reject(listenError(toError(thrown), endpoint));
    }
  });
  // Out of file descriptors and the like: the one connection is lost, the listener lives.
  server.on("error", ignore);
  return { endpoint: { host: endpoint.host, port: (server.address() as AddressInfo).port }, close: closeOnce(server) };
}

function closeOnce(server: Server): () => Promise<void> {
  let closing: Promise<void> | undefined;
  return () => {
    // Not the callback of `close`: it waits for every accepted connection to end.
    closing ??= new Promise<void>((resolve) => {
      server.close();
      setImmediate(resolve);
    });
    return closing;
  };
}

function ignore(): void {}
