/** An HTTP proxy before a real store that makes the network's and the store's usual trouble, one fault for each request that
 *  the test wants to fail. */

import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";

/** What becomes of a request. */
export type HttpFault =
  /** The store says that it is too much. It has not seen the request. */
  | "slow-down"
  /** The connection breaks in the middle of the request's body. */
  | "reset-request"
  /** The store does it, the answer never arrives. */
  | "lose-answer"
  /** The answer's body, where it has one, ends early, though its head promised more. */
  | "cut-answer"
  /** The answer does not come. */
  | "hang";

/** Which fault a request meets; undefined lets it pass. */
export type FaultChoice = (request: { readonly method: string; readonly url: string }) => HttpFault | undefined;

/** A proxy. */
export interface FaultProxy extends AsyncDisposable {
  readonly endpoint: string;
  /** Decides from now on. */
  choose: FaultChoice;
  /** Requests seen, failed ones included. */
  readonly requests: { readonly method: string; readonly url: string }[];
}

/** Starts one before `upstream`, for example `http://127.0.0.1:9000`. */
export async function startFaultProxy(upstream: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(upstream);
  const requests: { readonly method: string; readonly url: string }[] = [];
  const server = createServer((incoming, outgoing) => {
    const seen = { method: incoming.method ?? "", url: incoming.url ?? "" };
    requests.push(seen);
    const fault = proxy.choose(seen);
    if (fault === "slow-down") refuse(incoming, outgoing);
    else if (fault === "reset-request") reset(incoming);
    else if (fault === "hang") incoming.resume();
    else forward(incoming, outgoing, { hostname, port, fault });
  });
  const own = await listen(server);
  const proxy: FaultProxy = {
    endpoint: `http://127.0.0.1:${own}`,
    choose: () => undefined,
    requests,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return proxy;
}

interface Onward {
  readonly hostname: string;
  readonly port: string;
  readonly fault: HttpFault | undefined;
}

/** The host header stays as it was signed. */
function forward(incoming: IncomingMessage, outgoing: ServerResponse, { hostname, port, fault }: Onward): void {
  const { method, url: path, headers } = incoming;
  const onward: ClientRequest = request({ hostname, port, method, path, headers }, (answer) => {
    if (fault === "lose-answer") {
      answer.resume();
      answer.once("end", () => incoming.socket.destroy());
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
    const hasBody = answer.headers["content-length"] !== "0" && answer.statusCode !== 204 && method !== "HEAD";
    if (fault === "cut-answer" && hasBody) answer.once("data", (chunk: Buffer) => cut(outgoing, chunk));
    else answer.pipe(outgoing);
  });
  onward.once("error", () => incoming.socket.destroy());
  incoming.pipe(onward);
}

function cut(outgoing: ServerResponse, chunk: Buffer): void {
  outgoing.write(chunk.subarray(0, Math.floor(chunk.length / 2)), () => outgoing.socket?.destroy());
}

/** In the middle of the body, where there is one. */
function reset(incoming: IncomingMessage): void {
  const hasBody = Number(incoming.headers["content-length"] ?? 0) > 0;
  if (hasBody) incoming.once("data", () => incoming.socket.destroy());
  else incoming.socket.destroy();
}

function refuse(incoming: IncomingMessage, outgoing: ServerResponse): void {
  incoming.resume();
  outgoing.writeHead(503, { "content-type": "application/xml" });
  outgoing.end("<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>");
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}
