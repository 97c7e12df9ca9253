/** ApiVersions v0-4: lists the handlers of this folder. Kafka lists Produce from v0 although it serves v3 and later, because
 *  old librdkafka otherwise turns compression off (KAFKA-18659); so does this. No features are finalized. */

import { apiVersions } from "../../wire/apis/18-api-versions.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { defineHandler } from "../handler.ts";

/** What Kafka accepts as the name and version of a client library (KIP-511). */
const SOFTWARE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

const FIRST_NAMED_VERSION = 3;

export const apiVersionsHandler = defineHandler(apiVersions, (request, { apiVersion, handlers }) => {
  const isNamed = SOFTWARE_NAME.test(request.clientSoftwareName) && SOFTWARE_NAME.test(request.clientSoftwareVersion);
  if (apiVersion >= FIRST_NAMED_VERSION && !isNamed) return { errorCode: ErrorCode.INVALID_REQUEST, apiKeys: [] };
  const apiKeys = [...handlers.values()].map(({ api, advertisedMin }) => ({
    apiKey: api.key,
    minVersion: advertisedMin,
    maxVersion: api.versions[1],
  }));
  return { errorCode: ErrorCode.NONE, apiKeys, throttleMs: 0 };
});
