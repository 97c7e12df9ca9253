/** DeleteAcls: removes the rules that filters match, and tells which. Numbers as in DescribeAcls. */

import { defineApi } from "../api.ts";
import { array, int8, int16, int32, nullableString, since, string, struct } from "../schema.ts";

export const deleteAcls = defineApi({
  key: 31,
  name: "DeleteAcls",
  versions: [1, 3],
  flexibleFrom: 2,
  request: struct({
    filters: array(
      struct({
        resourceTypeFilter: int8,
        resourceNameFilter: nullableString,
        patternTypeFilter: int8,
        principalFilter: nullableString,
        hostFilter: nullableString,
        operation: int8,
        permissionType: int8,
      }),
    ),
  }),
  response: struct({
    throttleMs: since(0, int32, 0),
    /** In the order of the filters. */
    filterResults: array(
      struct({
        errorCode: int16,
        errorMessage: nullableString,
        matchingAcls: array(
          struct({
            errorCode: int16,
            errorMessage: nullableString,
            resourceType: int8,
            resourceName: string,
            patternType: int8,
            principal: string,
            host: string,
            operation: int8,
            permissionType: int8,
          }),
        ),
      }),
    ),
  }),
});
