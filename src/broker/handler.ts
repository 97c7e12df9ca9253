/** What a request handler is: a typed function for one API, and the context it runs in. */

import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { Random } from "../core/random.ts";
import { type Api, decodeRequest, encodeResponse } from "../wire/api.ts";
import type { AnyApi } from "../wire/apis.ts";
import type { Cluster } from "./cluster.ts";
import type { FetchSessions } from "./fetch-sessions.ts";
import type { GroupCoordinator } from "./groups/coordinator.ts";
import type { ColdStore } from "./ports.ts";
import type { TransactionCoordinator } from "./transactions/coordinator.ts";

/** What all handlers of a region share. */
export interface RegionServices {
  readonly cluster: Cluster;
  readonly groups: GroupCoordinator;
  readonly transactions: TransactionCoordinator;
  readonly fetchSessions: FetchSessions;
  /** Every handler of the region; ApiVersions lists them. */
  readonly handlers: ReadonlyMap<number, ApiHandler>;
  readonly coldStore: ColdStore | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** One request's surroundings. */
export interface RequestContext extends RegionServices {
  readonly brokerId: number;
  readonly apiVersion: number;
  readonly clientId: string | null;
  /** Address of the client, as DescribeGroups shows it. */
  readonly clientHost: string;
  /** Aborts when the connection ends; nobody waits for an answer after that. */
  readonly signal: AbortSignal;
}

/** Answers that are no response. */
export type NoResponse =
  /** The protocol has none (acks=0). */
  | "no-response"
  /** The connection is closed, as Kafka does when there is no way to say what is wrong. */
  | "close-connection";

/** What a handler returns: at once when it need not wait, so that the hot path makes no promise. */
export type Answer<T> = T | NoResponse | Promise<T | NoResponse>;

/** A handler with its types forgotten, as the dispatcher uses it. */
export interface ApiHandler {
  readonly api: AnyApi;
  /** Lowest version listed by ApiVersions; lower than what is served only for Produce. */
  readonly advertisedMin: number;
  readonly decode: (apiVersion: number, frame: Buffer, bodyStart: number) => unknown;
  readonly handle: (request: unknown, context: RequestContext) => Answer<unknown>;
  readonly encode: (
    header: { readonly apiVersion: number; readonly correlationId: number },
    response: unknown,
  ) => Uint8Array[];
}

/** Declares the handler of an API. */
export function defineHandler<RO, RI, SO, SI>(
  api: Api<RO, RI, SO, SI>,
  handle: (request: RO, context: RequestContext) => Answer<SI>,
  options: { readonly advertisedMin?: number } = {},
): ApiHandler {
  return {
    api,
    advertisedMin: options.advertisedMin ?? api.versions[0],
    decode: (apiVersion, frame, bodyStart) => decodeRequest(api, apiVersion, frame, bodyStart),
    handle: (request, context) => handle(request as RO, context),
    encode: (header, response) => encodeResponse(api, header, response as SI),
  };
}
