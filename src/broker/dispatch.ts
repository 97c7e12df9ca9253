/** From the bytes of a request to the bytes of its response: finds the handler, decodes, asks the faults, encodes. */

import { sleep } from "../core/clock.ts";
import { TributaryError } from "../core/errors.ts";
import { decodeRequestHeader, encodeResponse, type RequestHeader } from "../wire/api.ts";
import { apiVersions } from "../wire/apis/18-api-versions.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { WireError } from "../wire/errors.ts";
import type { Faults } from "./faults.ts";
import type { Answer, ApiHandler, RegionServices, RequestContext } from "./handler.ts";

/** What a connection does next. */
export type Reply =
  | { readonly kind: "send"; readonly parts: readonly Uint8Array[] }
  | { readonly kind: "none" }
  /** `reason` is for the log; undefined when the closing was scripted. */
  | { readonly kind: "close"; readonly reason: string | undefined };

/** Who asks. */
export interface Caller {
  readonly brokerId: number;
  readonly clientHost: string;
  readonly signal: AbortSignal;
}

const NONE: Reply = { kind: "none" };

/** Serves the requests of all brokers of a region. */
export class Dispatcher {
  readonly #handlers: ReadonlyMap<number, ApiHandler>;
  readonly #services: RegionServices;
  readonly #faults: Faults;

  constructor(handlers: ReadonlyMap<number, ApiHandler>, services: RegionServices, faults: Faults) {
    this.#handlers = handlers;
    this.#services = services;
    this.#faults = faults;
  }

  /** Serves one frame. Operating errors become a closed connection; a programmer's mistake rejects or throws. */
  serve(frame: Buffer, caller: Caller): Reply | Promise<Reply> {
    let header: RequestHeader;
    let bodyStart: number;
    try {
      ({ header, bodyStart } = decodeRequestHeader(frame));
    } catch (error) {
      return malformed(error, "header");
    }
    const handler = this.#handlers.get(header.apiKey);
    if (handler === undefined) return { kind: "close", reason: `unknown API key ${header.apiKey}` };
    const [min, max] = handler.api.versions;
    if (header.apiVersion < min || header.apiVersion > max) return this.#wrongVersion(header, handler);
    let body: unknown;
    try {
      body = handler.decode(header.apiVersion, frame, bodyStart);
    } catch (error) {
      return malformed(error, `${handler.api.name} v${header.apiVersion}`);
    }
    return this.#handle({ header, handler, body, caller });
  }

  #handle(request: Request): Reply | Promise<Reply> {
    const { header, handler, body, caller } = request;
    const { brokerId } = caller;
    const action = this.#faults.decide({ ...header, brokerId, body });
    if (action === undefined) return this.#run(request);
    switch (action.kind) {
      case "answer":
        return { kind: "send", parts: handler.encode(header, action.response) };
      case "drop":
        return { kind: "close", reason: undefined };
      case "delay":
        return sleep(this.#services.clock, action.delayMs).then(() => this.#run(request));
      case "delay-reply":
        return this.#late(this.#run(request), action.delayMs);
      case "cut-reply":
        return settled(this.#run(request), { kind: "close", reason: undefined });
      case "repeat":
        return this.#again(this.#run(request), request);
      case "swallow-reply":
        return settled(this.#run(request), NONE);
    }
  }

  #run({ header, handler, body, caller }: Request): Reply | Promise<Reply> {
    const context: RequestContext = {
      ...this.#services,
      ...caller,
      apiVersion: header.apiVersion,
      clientId: header.clientId,
    };
    try {
      const answer = handler.handle(body, context);
      if (!(answer instanceof Promise)) return toReply(answer, handler, header);
      return answer
        .then((response) => toReply(response, handler, header))
        .catch((error: unknown) => failed(error, handler));
    } catch (error) {
      return failed(error, handler);
    }
  }

  async #late(reply: Reply | Promise<Reply>, delayMs: number): Promise<Reply> {
    const ready = await reply;
    await sleep(this.#services.clock, delayMs);
    return ready;
  }

  async #again(first: Reply | Promise<Reply>, request: Request): Promise<Reply> {
    await first;
    return this.#run(request);
  }

  /** A broker that does not know the version of ApiVersions says so in the one version every client knows (KIP-511). */
  #wrongVersion(header: RequestHeader, handler: ApiHandler): Reply {
    if (handler.api.key !== apiVersions.key)
      return { kind: "close", reason: `${handler.api.name} v${header.apiVersion} is not supported` };
    const [minVersion, maxVersion] = handler.api.versions;
    const parts = encodeResponse(
      apiVersions,
      { apiVersion: 0, correlationId: header.correlationId },
      { errorCode: ErrorCode.UNSUPPORTED_VERSION, apiKeys: [{ apiKey: apiVersions.key, minVersion, maxVersion }] },
    );
    return { kind: "send", parts };
  }
}

interface Request {
  readonly header: RequestHeader;
  readonly handler: ApiHandler;
  readonly body: unknown;
  readonly caller: Caller;
}

function toReply(answer: Awaited<Answer<unknown>>, handler: ApiHandler, header: RequestHeader): Reply {
  if (answer === "no-response") return NONE;
  if (answer === "close-connection") return { kind: "close", reason: `${handler.api.name} cannot be answered` };
  return { kind: "send", parts: handler.encode(header, answer) };
}

async function settled(reply: Reply | Promise<Reply>, instead: Reply): Promise<Reply> {
  await reply;
  return instead;
}

/** An operating error that a handler has no code for, a full disk in a rare place say, ends the connection; a mistake in
 *  the program ends the process. */
function failed(error: unknown, handler: ApiHandler): Reply {
  if (error instanceof TributaryError) return { kind: "close", reason: `${handler.api.name} failed: ${error.message}` };
  throw error;
}

function malformed(error: unknown, what: string): Reply {
  if (error instanceof WireError) return { kind: "close", reason: `malformed ${what}: ${error.message}` };
  throw error;
}
