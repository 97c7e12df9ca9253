/** CreateAcls: adds rules; one that exists is fine. Numbers as in DescribeAcls. */

import { defineApi } from "../api.ts";
import { array, int8, int16, int32, nullableString, since, string, struct } from "../schema.ts";

export const createAcls = defineApi({
  key: 30,
  name: "CreateAcls",
  versions: [1, 3],
  flexibleFrom: 2,
  request: struct({
    creations: array(
      struct({
        resourceType: int8,
        resourceName: string,
        resourcePatternType: int8,
        principal: string,
        host: string,
        operation: int8,
        permissionType: int8,
      }),
    ),
  }),
  response: struct({
    throttleMs: since(0, int32, 0),
    /** In the order of the creations. */
    results: array(struct({ errorCode: int16, errorMessage: nullableString })),
  }),
});
