/** One broker's listener and the connections made to it. */

import type { Logger } from "../core/logger.ts";
import type { Connection, Endpoint, Listener, Network } from "../core/network.ts";
import { ClientConnection } from "./client-connection.ts";
import type { Dispatcher } from "./dispatch.ts";

/** What a server listens as, and its limits. */
export interface BrokerServerOptions {
  readonly brokerId: number;
  /** Port 0 takes any free one. */
  readonly endpoint: Endpoint;
  readonly frameBytesMax: number;
  readonly connectionsMax: number;
}

/** What a server stands on. */
export interface BrokerServerDeps {
  readonly network: Network;
  readonly dispatcher: Dispatcher;
  readonly logger: Logger;
}

/** Open from `open` to `close`. */
export class BrokerServer {
  readonly #options: BrokerServerOptions;
  readonly #deps: BrokerServerDeps;
  readonly #connections = new Set<ClientConnection>();
  #listener: Listener | undefined;
  #isClosed = false;

  private constructor(options: BrokerServerOptions, deps: BrokerServerDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Listens. @throws {NetworkError} `NETWORK_PORT_TAKEN`, `NETWORK_PORT_DENIED` */
  static async open(options: BrokerServerOptions, deps: BrokerServerDeps): Promise<BrokerServer> {
    const server = new BrokerServer(options, deps);
    server.#listener = await deps.network.listen(options.endpoint, (connection) => server.#accept(connection));
    return server;
  }

  /** Where it listens, with the port that was bound. */
  get endpoint(): Endpoint {
    return this.#listener?.endpoint ?? this.#options.endpoint;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Stops listening and cuts every connection. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const listener = this.#listener;
    for (const connection of [...this.#connections]) connection.destroy();
    await listener?.close();
  }

  #accept(connection: Connection): void {
    const { connectionsMax, brokerId, frameBytesMax } = this.#options;
    if (this.#isClosed) {
      connection.destroy();
      return;
    }
    if (this.#connections.size >= connectionsMax) {
      this.#deps.logger.warn("refused a connection", { remote: connection.remote, connectionsMax });
      connection.destroy();
      return;
    }
    const client = new ClientConnection(connection, {
      brokerId,
      frameBytesMax,
      dispatcher: this.#deps.dispatcher,
      logger: this.#deps.logger,
      onClosed: (self) => this.#connections.delete(self),
    });
    this.#connections.add(client);
  }
}
