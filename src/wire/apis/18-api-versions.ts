/** ApiVersions: what a broker speaks. A broker that does not know the version asked for answers in v0 with error 35 and
 *  the list of keys (KIP-511). v3 is flexible, in the body only, and brought features (KIP-584). */

import { defineApi } from "../api.ts";
import { array, boolean, int16, int32, int64, since, string, struct, tagged } from "../schema.ts";

export const apiVersions = defineApi({
  key: 18,
  name: "ApiVersions",
  versions: [0, 4],
  flexibleFrom: 3,
  request: struct({
    /** Letters, digits, dots and dashes, as of v3; else the broker answers INVALID_REQUEST. */
    clientSoftwareName: since(3, string, "", { ignorable: true }),
    clientSoftwareVersion: since(3, string, "", { ignorable: true }),
  }),
  response: struct({
    errorCode: int16,
    apiKeys: array(struct({ apiKey: int16, minVersion: int16, maxVersion: int16 })),
    throttleMs: since(1, int32, 0, { ignorable: true }),
    supportedFeatures: tagged(0, 3, array(struct({ name: string, minVersion: int16, maxVersion: int16 })), []),
    finalizedFeaturesEpoch: tagged(1, 3, int64, -1n),
    finalizedFeatures: tagged(
      2,
      3,
      array(struct({ name: string, maxVersionLevel: int16, minVersionLevel: int16 })),
      [],
    ),
    zkMigrationReady: tagged(3, 3, boolean, false),
  }),
});
