/** SaslAuthenticate: one step of the exchange of the mechanism that SaslHandshake chose (KIP-152; v1 tells how long the session lasts). */

import { defineApi } from "../api.ts";
import { bytes, int16, int64, nullableString, since, struct } from "../schema.ts";

export const saslAuthenticate = defineApi({
  key: 36,
  name: "SaslAuthenticate",
  versions: [0, 2],
  flexibleFrom: 2,
  request: struct({ authBytes: bytes }),
  response: struct({
    errorCode: int16,
    errorMessage: nullableString,
    authBytes: bytes,
    sessionLifetimeMs: since(1, int64, 0n, { ignorable: true }),
  }),
});
