/** An HTTP proxy before a real store that makes the network's and the store's usual trouble, one fault for each request that
 *  the test wants to fail. */

import {
  type ClientRequest,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import { setTimeout as delay } from "node:timers/promises";

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
  | "hang"
  /** The store has no room. It has not seen the request. */
  | "full"
  /** The store says that the clocks differ, whatever the time. It has not seen the request. */
  | "skewed"
  /** The store's own answer, but for the time that it tells, which is the client's. */
  | "hide-time"
  /** The answer's body comes in small pieces, with pauses. */
  | "slow"
  /** The signature is wrong when the request arrives. */
  | "spoil-signature"
  /** The answer is that of the first such request. */
  | "old-answer";

/** Which fault a request meets; undefined lets it pass. */
export type FaultChoice = (request: {
  readonly method: string;
  readonly url: string;
}) => HttpFault | undefined | Promise<HttpFault | undefined>;

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
  const answers = new Map<string, Answer>();
  const server = createServer(async (incoming, outgoing) => {
    const seen = { method: incoming.method ?? "", url: incoming.url ?? "" };
    requests.push(seen);
    const fault = await proxy.choose(seen);
    if (fault === "slow-down") refuse(incoming, outgoing, SLOW_DOWN);
    else if (fault === "full") refuse(incoming, outgoing, FULL);
    else if (fault === "skewed") refuse(incoming, outgoing, SKEWED);
    else if (fault === "reset-request") reset(incoming);
    else if (fault === "hang") incoming.resume();
    else forward(incoming, outgoing, { hostname, port, fault, answers });
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
  readonly answers: Map<string, Answer>;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const SLOW_DOWN = { status: 503, code: "SlowDown", message: "Please reduce your request rate." };
const FULL = {
  status: 507,
  code: "XMinioStorageFull",
  message: "Storage backend has reached its minimum free drive threshold.",
};
const SKEWED = { status: 403, code: "RequestTimeTooSkewed", message: "The difference is too large." };
/** Pieces and pauses of a slow answer. */
const SLOW_PIECE_BYTES = 4_096;
const SLOW_PAUSE_MS = 5;

/** The host header stays as it was signed. */
function forward(incoming: IncomingMessage, outgoing: ServerResponse, onwardTo: Onward): void {
  const { hostname, port, fault, answers } = onwardTo;
  const { method, url: path } = incoming;
  const old = fault === "old-answer" ? answers.get(`${method} ${path}`) : undefined;
  if (old !== undefined) {
    incoming.resume();
    outgoing.writeHead(old.status, old.headers);
    outgoing.end(old.body);
    return;
  }
  const headers = fault === "spoil-signature" ? spoilt(incoming.headers) : incoming.headers;
  const onward: ClientRequest = request({ hostname, port, method, path, headers }, (answer) => {
    if (fault === "lose-answer") {
      answer.resume();
      answer.once("end", () => incoming.socket.destroy());
      return;
    }
    if (fault === "old-answer") remember(answer, (kept) => answers.set(`${method} ${path}`, kept));
    if (fault === "hide-time") {
      remember(answer, (kept) => answerWithoutTime(outgoing, kept));
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
    const hasBody = answer.headers["content-length"] !== "0" && answer.statusCode !== 204 && method !== "HEAD";
    if (fault === "cut-answer" && hasBody) answer.once("data", (chunk: Buffer) => cut(outgoing, chunk));
    else if (fault === "slow") void trickle(answer, outgoing);
    else answer.pipe(outgoing);
  });
  onward.once("error", () => incoming.socket.destroy());
  incoming.pipe(onward);
}

function spoilt(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { authorization = "" } = headers;
  return { ...headers, authorization: authorization.replace(/Signature=./, "Signature=x") };
}

function remember(answer: IncomingMessage, keep: (kept: Answer) => void): void {
  const chunks: Buffer[] = [];
  answer.on("data", (chunk: Buffer) => chunks.push(chunk));
  answer.once("end", () =>
    keep({ status: answer.statusCode ?? 500, headers: answer.headers, body: Buffer.concat(chunks) }),
  );
}

/** Refusals may tell the time in their body too. */
function answerWithoutTime(outgoing: ServerResponse, { status, headers, body }: Answer): void {
  const { "content-length": length, ...rest } = headers;
  const told = status < 300 ? body : Buffer.from(body.toString().replace(/<ServerTime>.*<\/ServerTime>/, ""));
  // Of an answer to HEAD the length is that of a body which does not come.
  const size = body.length === 0 ? length : String(told.length);
  const sized = size === undefined ? {} : { "content-length": size };
  outgoing.writeHead(status, { ...rest, ...sized, date: new Date(Date.now()).toUTCString() });
  outgoing.end(told);
}

async function trickle(answer: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; at += SLOW_PIECE_BYTES) {
      outgoing.write(chunk.subarray(at, at + SLOW_PIECE_BYTES));
      await delay(SLOW_PAUSE_MS);
    }
  }
  outgoing.end();
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

function refuse(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { status, code, message }: { readonly status: number; readonly code: string; readonly message: string },
): void {
  incoming.resume();
  outgoing.writeHead(status, { "content-type": "application/xml" });
  outgoing.end(`<Error><Code>${code}</Code><Message>${message}</Message></Error>`);
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}
