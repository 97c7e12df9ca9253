/** TCP through Node: reads into one static buffer per client connection, writes of one turn in one `writev`. */

import { type AddressInfo, createServer, connect as netConnect, type Server, type TcpNetConnectOpts } from "node:net";
import { toError } from "../core/errors.ts";
import type { Connection, ConnectOptions, Endpoint, Listener, Network } from "../core/network.ts";
import { BAD_PORT, connectError, listenError } from "./network-errors.ts";
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
  return new Promise((resolve, reject) => {
    if (options.signal?.aborted) {
      reject(options.signal.reason);
      return;
    }
    let connection: SocketConnection | undefined;
    const ownBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
    const connectOptions: TcpNetConnectOpts & { readonly writableHighWaterMark: number } = {
      host: endpoint.host,
      port: endpoint.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
      writableHighWaterMark: CLIENT_WRITE_BYTES_MAX,
      onread: {
        buffer: () => connection?.readInto() ?? ownBuffer,
        callback: (bytes, buffer) => connection?.deliver(buffer.subarray(0, bytes)) ?? true,
      },
    };
    const socket = netConnect(connectOptions);
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
    const onError = (error: Error): void => fail(connectError(error, endpoint, options.timeoutMs));
    const onAbort = (): void => fail(options.signal?.reason);
    const timer = setTimeout(
      () => fail(connectError(Object.assign(new Error("timeout"), { code: "ETIMEDOUT" }), endpoint, options.timeoutMs)),
      options.timeoutMs,
    );
    options.signal?.addEventListener("abort", onAbort, { once: true });
    socket.on("error", onError);
    socket.once("connect", () => {
      settle();
      connection = new SocketConnection(socket, { remote: endpoint, readsWithEvents: false });
      resolve(connection);
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
