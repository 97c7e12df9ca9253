/** DescribeConfigs: settings of topics (type 2), brokers (4) and others. v1 brought sources and synonyms (KIP-226), v3
 *  types and documentation (KIP-569), v4 is flexible. */

import { defineApi } from "../api.ts";
import { array, boolean, int8, int16, int32, nullableArray, nullableString, since, string, struct } from "../schema.ts";

const config = struct({
  name: string,
  /** Null when sensitive. */
  value: nullableString,
  readOnly: boolean,
  /** 1 topic, 2 dynamic broker, 3 dynamic default broker, 4 static broker, 5 default. */
  configSource: int8,
  isSensitive: boolean,
  synonyms: array(struct({ name: string, value: nullableString, source: int8 })),
  /** 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password; 0 unknown. */
  configType: since(3, int8, 0, { ignorable: true }),
  documentation: since(3, nullableString, null, { ignorable: true }),
});

export const describeConfigs = defineApi({
  key: 32,
  name: "DescribeConfigs",
  versions: [1, 4],
  flexibleFrom: 4,
  request: struct({
    resources: array(
      struct({
        resourceType: int8,
        resourceName: string,
        /** Null asks for all. */
        configurationKeys: nullableArray(string),
      }),
    ),
    includeSynonyms: boolean,
    includeDocumentation: since(3, boolean, false),
  }),
  response: struct({
    throttleMs: since(0, int32, 0),
    results: array(
      struct({
        errorCode: int16,
        errorMessage: nullableString,
        resourceType: int8,
        resourceName: string,
        configs: array(config),
      }),
    ),
  }),
});
