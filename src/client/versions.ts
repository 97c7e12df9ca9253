/** Which version of each API to speak with a broker: the highest that both sides know. */

import type { Endpoint } from "../core/network.ts";
import { decodeResponse, type ResponseOutput } from "../wire/api.ts";
import { apiVersions } from "../wire/apis/18-api-versions.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { ClientError, endpointText } from "./errors.ts";

/** Versions a broker speaks, both ends included. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

/** What a broker said about itself. */
export interface BrokerVersions {
  /** By API key. */
  readonly apis: ReadonlyMap<number, VersionRange>;
  /** Finalized levels of the cluster's features, for example `transaction.version` (KIP-584). */
  readonly features: ReadonlyMap<string, number>;
}

/** Asked first: v4 only differs in how features with a minimum of 0 are listed, and brokers before 3.9 would refuse it. */
export const FIRST_API_VERSIONS_VERSION = 3;

type ApiVersionsResponse = ResponseOutput<typeof apiVersions>;

/** Reads a response to ApiVersions. A broker that does not know `version` answers in v0, whatever was asked (KIP-511). */
export function decodeApiVersions(version: number, frame: Buffer): ApiVersionsResponse {
  const refused = frame.length >= 6 && frame.readInt16BE(4) === ErrorCode.UNSUPPORTED_VERSION;
  return decodeResponse(apiVersions, refused ? 0 : version, frame);
}

/** The version of ApiVersions to ask next after a refusal: the best that both know, else 0, which every broker knows. */
export function fallbackVersion(response: ApiVersionsResponse): number {
  const range = response.apiKeys.find(({ apiKey }) => apiKey === apiVersions.key);
  if (range === undefined) return 0;
  return Math.max(0, Math.min(range.maxVersion, apiVersions.versions[1]));
}

/** The answer as tables. */
export function brokerVersions(response: ApiVersionsResponse): BrokerVersions {
  return {
    apis: new Map(response.apiKeys.map((api) => [api.apiKey, { min: api.minVersion, max: api.maxVersion }])),
    features: new Map(response.finalizedFeatures.map((feature) => [feature.name, feature.maxVersionLevel])),
  };
}

/** The version to use, at most `maxVersion` when given.
 *  @throws {ClientError} `CLIENT_NO_VERSION` when the broker lacks the API or no version is shared. */
export function chooseVersion(
  api: { readonly key: number; readonly name: string; readonly versions: readonly [number, number] },
  broker: BrokerVersions,
  options: { readonly endpoint: Endpoint; readonly maxVersion?: number | undefined },
): number {
  const [ourMin, ourMax] = api.versions;
  const theirs = broker.apis.get(api.key);
  const limit = Math.min(ourMax, options.maxVersion ?? ourMax);
  const chosen = theirs === undefined ? -1 : Math.min(limit, theirs.max);
  if (theirs !== undefined && chosen >= ourMin && chosen >= theirs.min) return chosen;
  const endpoint = endpointText(options.endpoint);
  const ours = `${ourMin}..${limit}`;
  const spoken = theirs === undefined ? "none" : `${theirs.min}..${theirs.max}`;
  throw new ClientError(
    { code: "CLIENT_NO_VERSION", endpoint, api: api.name, ours, theirs: spoken },
    {
      message:
        theirs === undefined
          ? `${endpoint} does not offer ${api.name}: its Kafka is too old for that`
          : `${endpoint} speaks ${api.name} ${spoken}, this client ${ours}: no version is shared`,
    },
  );
}
