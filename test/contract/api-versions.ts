/** Which versions a broker claims, and what it answers to one that it does not know. */

import { decodeResponse } from "../../src/wire/api.ts";
import { apiVersions } from "../../src/wire/apis/18-api-versions.ts";
import { type BrokerAddress, RawConnection } from "./connection.ts";

/** First and last version of each API, by key. */
export type ApiRanges = Readonly<Record<string, readonly [min: number, max: number]>>;

/** Asks a broker what it speaks. */
export async function apiRanges(address: BrokerAddress): Promise<ApiRanges> {
  const connection = await RawConnection.open(address);
  try {
    const answer = await connection.ask(apiVersions, 3, {
      clientSoftwareName: "contract",
      clientSoftwareVersion: "1.0",
    });
    const ranges = answer.apiKeys.map(
      ({ apiKey, minVersion, maxVersion }) => [apiKey, [minVersion, maxVersion]] as const,
    );
    return Object.fromEntries(ranges);
  } finally {
    connection.close();
  }
}

/** The error code and the range of ApiVersions itself in the answer to ApiVersions v99, which is one in v0 (KIP-511). */
export async function answerToUnknownVersion(address: BrokerAddress): Promise<unknown> {
  const connection = await RawConnection.open(address);
  try {
    // Key 18, version 99, correlation id 7, client id "x", no tags, empty names, no tags.
    const frame = await connection.raw(Buffer.from("0000000f001200630000000700017800010100", "hex"), 7);
    if (frame === "closed") return "closed";
    const { errorCode, apiKeys } = decodeResponse(apiVersions, 0, frame);
    return { errorCode, own: apiKeys.find(({ apiKey }) => apiKey === apiVersions.key) };
  } finally {
    connection.close();
  }
}

/** Claims of `own` that `kafka` would not understand: keys it lacks, versions above its last or below its first. */
export function unknownClaims(own: ApiRanges, kafka: ApiRanges): readonly string[] {
  return Object.entries(own).flatMap(([key, [min, max]]) => {
    const range = kafka[key];
    if (range === undefined) return [`${key}: not in Apache Kafka`];
    return min < range[0] || max > range[1] ? [`${key}: ${min}-${max} outside ${range[0]}-${range[1]}`] : [];
  });
}
