/** SaslHandshake: chooses a SASL mechanism. Never flexible; v0 is followed by bare tokens, v1 by SaslAuthenticate. */

import { defineApi } from "../api.ts";
import { array, int16, string, struct } from "../schema.ts";

export const saslHandshake = defineApi({
  key: 17,
  name: "SaslHandshake",
  versions: [0, 1],
  flexibleFrom: Number.POSITIVE_INFINITY,
  request: struct({ mechanism: string }),
  /** `mechanisms` are those enabled on the broker. */
  response: struct({ errorCode: int16, mechanisms: array(string) }),
});
