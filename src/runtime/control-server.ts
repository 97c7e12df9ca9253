/** The control channel of a process: JSON over HTTP on a unix socket in the state directory, reachable by its owner alone. */

import { chmodSync, rmSync } from "node:fs";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { TributaryError, toError } from "../core/errors.ts";
import { createServer } from "./node-http.ts";

/** What a route answers with; sent as JSON. */
export type ControlHandler = (parameters: readonly string[]) => unknown;

/** Handlers by method and path; `:x` in a path is a parameter, for example `POST /brokers/:id/stop`. */
export type ControlRoutes = Readonly<Record<string, ControlHandler>>;

/** Only the owner of the state directory may send commands. */
const SOCKET_MODE = 0o600;

/** Serves routes until it is closed. */
export class ControlServer implements AsyncDisposable {
  readonly socketPath: string;
  readonly #server: Server;

  private constructor(socketPath: string, server: Server) {
    this.socketPath = socketPath;
    this.#server = server;
  }

  /** Listens. A socket file left over by a dead process is removed: the caller holds the lock of what it controls. */
  static async open(socketPath: string, routes: ControlRoutes): Promise<ControlServer> {
    rmSync(socketPath, { force: true });
    const server = createServer((request, response) => void answer(routes, request, response));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(socketPath, resolve);
    });
    chmodSync(socketPath, SOCKET_MODE);
    return new ControlServer(socketPath, server);
  }

  /** Stops listening and drops open connections. Idempotent. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
    rmSync(this.socketPath, { force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function answer(routes: ControlRoutes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume(); // commands carry everything in their path
  const wanted = `${request.method} ${request.url}`;
  for (const [pattern, handler] of Object.entries(routes)) {
    const parameters = match(pattern, wanted);
    if (parameters === undefined) continue;
    try {
      send(response, 200, (await handler(parameters)) ?? {});
    } catch (thrown) {
      const error = toError(thrown);
      const code = error instanceof TributaryError ? error.fault.code : "UNEXPECTED";
      send(response, 500, { code, message: error.message });
    }
    return;
  }
  send(response, 404, { code: "NO_SUCH_COMMAND", message: `no command ${wanted}` });
}

function match(pattern: string, wanted: string): readonly string[] | undefined {
  const left = pattern.split("/");
  const right = wanted.split("/");
  if (left.length !== right.length) return undefined;
  const parameters: string[] = [];
  for (const [index, part] of left.entries()) {
    const value = right[index] ?? "";
    if (part.startsWith(":")) parameters.push(decodeURIComponent(value));
    else if (part !== value) return undefined;
  }
  return parameters;
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body, (_, value) => (typeof value === "bigint" ? value.toString() : value));
  response.writeHead(status, { "content-type": "application/json" });
  response.end(text);
}
