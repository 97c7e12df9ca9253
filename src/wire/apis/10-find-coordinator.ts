/** FindCoordinator: the broker that keeps a group (key type 0) or a transactional id (1). v4 asks for several keys at
 *  once (KIP-699): up to v3 `key` and the answer are at the root, from v4 on in lists. */

import { defineApi } from "../api.ts";
import { array, between, int8, int16, int32, nullableString, since, string, struct, until } from "../schema.ts";

export const findCoordinator = defineApi({
  key: 10,
  name: "FindCoordinator",
  versions: [0, 6],
  flexibleFrom: 3,
  request: struct({
    key: until(3, string, ""),
    keyType: since(1, int8, 0),
    coordinatorKeys: since(4, array(string), []),
  }),
  response: struct({
    throttleMs: since(1, int32, 0, { ignorable: true }),
    errorCode: until(3, int16, 0),
    errorMessage: between(1, 3, nullableString, null, { ignorable: true }),
    nodeId: until(3, int32, 0),
    host: until(3, string, ""),
    port: until(3, int32, 0),
    coordinators: since(
      4,
      array(
        struct({
          key: string,
          nodeId: int32,
          host: string,
          port: int32,
          errorCode: int16,
          errorMessage: nullableString,
        }),
      ),
      [],
    ),
  }),
});
