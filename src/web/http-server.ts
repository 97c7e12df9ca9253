/** A small HTTP server for things to be looked at: GET only, answers made in one go, everything bounded. */

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { toError } from "../core/errors.ts";
import { type Endpoint, NetworkError } from "../core/network.ts";
import { createServer } from "../runtime/node-http.ts";
import { formatHttpAddress } from "./http-address.ts";

/** A few scrapers and people; a flood must not take the worker's sockets. */
const CONNECTIONS_MAX = 64;
/** A request has no body and comes at once. */
const REQUEST_MS_MAX = 5_000;
/** Longer than the usual scrape interval of 15 s, so that scrapers keep their connection. */
const KEEP_ALIVE_MS = 30_000;
/** Answers that are on their way when the server closes may take this long to leave. */
const CLOSE_MS_MAX = 500;

/** What a page answers. */
export interface Page {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Makes a page when it is asked for. */
export type PageMaker = () => Page | Promise<Page>;

/** Serves until it is closed. */
export class HttpServer implements AsyncDisposable {
  /** Where it listens; the port is the real one. */
  readonly endpoint: Endpoint;
  readonly #server: Server;
  #closing: Promise<void> | undefined;

  private constructor(endpoint: Endpoint, server: Server) {
    this.endpoint = endpoint;
    this.#server = server;
  }

  /** Listens. `pages` by path. @throws {NetworkError} `NETWORK_PORT_TAKEN`, `NETWORK_PORT_DENIED`, `NETWORK_UNREACHABLE` */
  static async open(endpoint: Endpoint, pages: Readonly<Record<string, PageMaker>>): Promise<HttpServer> {
    const server = createServer(
      { requestTimeout: REQUEST_MS_MAX, headersTimeout: REQUEST_MS_MAX, keepAliveTimeout: KEEP_ALIVE_MS },
      (request, response) => void answer(pages, request, response),
    );
    server.maxConnections = CONNECTIONS_MAX;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error) => reject(listenError(error, endpoint)));
      server.listen({ host: endpoint.host, port: endpoint.port }, resolve);
    });
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : endpoint.port;
    return new HttpServer({ host: endpoint.host, port }, server);
  }

  /** Stops listening; answers under way get half a second. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      const cut = setTimeout(() => this.#server.closeAllConnections(), CLOSE_MS_MAX);
      this.#server.close(() => {
        clearTimeout(cut);
        resolve();
      });
      this.#server.closeIdleConnections();
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function answer(
  pages: Readonly<Record<string, PageMaker>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.resume();
  response.on("error", () => undefined); // the reader went away
  const page = await pageOf(pages, request);
  response.writeHead(page.status, {
    "content-type": page.contentType,
    "content-length": Buffer.byteLength(page.body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...(page.status === 405 ? { allow: "GET, HEAD" } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : page.body);
}

async function pageOf(
  pages: Readonly<Record<string, PageMaker>>,
  { method, url = "/" }: IncomingMessage,
): Promise<Page> {
  const path = url.split("?", 1)[0] ?? "/";
  const maker = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (maker === undefined) return textPage(404, `there is: ${Object.keys(pages).join(" ")}\n`);
  if (method !== "GET" && method !== "HEAD") return textPage(405, "only GET and HEAD\n");
  try {
    return await maker();
  } catch (error) {
    return textPage(500, `${toError(error).message}\n`);
  }
}

/** A page of plain text. */
export function textPage(status: number, body: string): Page {
  return { status, contentType: "text/plain; charset=utf-8", body };
}

function listenError(error: NodeJS.ErrnoException, endpoint: Endpoint): NetworkError {
  const place = formatHttpAddress(endpoint);
  const { host, port } = endpoint;
  const make = (code: "NETWORK_PORT_TAKEN" | "NETWORK_PORT_DENIED" | "NETWORK_UNREACHABLE", message: string) =>
    new NetworkError({ code, host, port }, { message, cause: error });
  switch (error.code) {
    case "EADDRINUSE":
      return make(
        "NETWORK_PORT_TAKEN",
        `${place} is taken: stop the process that listens there or choose another port with --http`,
      );
    case "EACCES":
      return make(
        "NETWORK_PORT_DENIED",
        `no permission to listen on ${place}: choose a port of 1024 or more with --http`,
      );
    default:
      return make(
        "NETWORK_UNREACHABLE",
        `cannot listen on ${place} (${error.code ?? error.message}): is ${host} an address of this host?`,
      );
  }
}
