/** ApiVersions v0-4: lists the handlers of this folder. Kafka lists Produce from v0 although it serves v3 and later, because
 *  old librdkafka otherwise turns compression off (KAFKA-18659); so does this. */

import type { ResponseInput } from "../../wire/api.ts";
import { apiVersions } from "../../wire/apis/18-api-versions.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { defineHandler } from "../handler.ts";

/** What Kafka accepts as the name and version of a client library (KIP-511). */
const SOFTWARE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

const FIRST_NAMED_VERSION = 3;
/** Before it clients cannot read features that begin at level 0, so brokers leave those out (KAFKA-17011). */
const FIRST_VERSION_WITH_LEVEL_0 = 4;

/** Clients raise the epoch with every transaction, and announce no partitions, where this feature is at level 2 (KIP-890). */
const TRANSACTIONS = { name: "transaction.version", minVersion: 0, maxVersion: 2 };
/** Features never change here, so they are known from the start on. */
const FEATURES_EPOCH = 0n;

export const apiVersionsHandler = defineHandler(apiVersions, (request, { apiVersion, handlers }) => {
  const isNamed = SOFTWARE_NAME.test(request.clientSoftwareName) && SOFTWARE_NAME.test(request.clientSoftwareVersion);
  if (apiVersion >= FIRST_NAMED_VERSION && !isNamed) return { errorCode: ErrorCode.INVALID_REQUEST, apiKeys: [] };
  const apiKeys = [...handlers.values()].map(({ api, advertisedMin }) => ({
    apiKey: api.key,
    minVersion: advertisedMin,
    maxVersion: api.versions[1],
  }));
  return { errorCode: ErrorCode.NONE, apiKeys, throttleMs: 0, ...features(apiVersion) };
});

function features(apiVersion: number): Partial<ResponseInput<typeof apiVersions>> {
  if (apiVersion < FIRST_NAMED_VERSION) return {};
  const { name, maxVersion } = TRANSACTIONS;
  return {
    supportedFeatures: apiVersion < FIRST_VERSION_WITH_LEVEL_0 ? [] : [TRANSACTIONS],
    finalizedFeaturesEpoch: FEATURES_EPOCH,
    finalizedFeatures: [{ name, minVersionLevel: maxVersion, maxVersionLevel: maxVersion }],
  };
}
