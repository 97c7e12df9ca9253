/** DescribeAcls: who may do what, by a filter. v1 brought patterns (KIP-290), v2 is flexible, v3 has user resources (KIP-373). */

import { defineApi } from "../api.ts";
import { array, int8, int16, int32, nullableString, since, string, struct } from "../schema.ts";

export const describeAcls = defineApi({
  key: 29,
  name: "DescribeAcls",
  versions: [1, 3],
  flexibleFrom: 2,
  request: struct({
    /** 1 any, 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user. */
    resourceTypeFilter: int8,
    /** Null matches every name. */
    resourceNameFilter: nullableString,
    /** 1 any, 2 match, 3 literal, 4 prefixed. */
    patternTypeFilter: int8,
    principalFilter: nullableString,
    hostFilter: nullableString,
    /** 1 any, 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 10 describe configs and others. */
    operation: int8,
    /** 1 any, 2 deny, 3 allow. */
    permissionType: int8,
  }),
  response: struct({
    throttleMs: since(0, int32, 0),
    errorCode: int16,
    errorMessage: nullableString,
    resources: array(
      struct({
        resourceType: int8,
        resourceName: string,
        patternType: int8,
        acls: array(struct({ principal: string, host: string, operation: int8, permissionType: int8 })),
      }),
    ),
  }),
});
