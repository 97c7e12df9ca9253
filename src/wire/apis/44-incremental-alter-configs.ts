/** IncrementalAlterConfigs: changes single settings and leaves the others alone (KIP-339). */

import { defineApi } from "../api.ts";
import { array, boolean, int8, int16, int32, nullableString, since, string, struct } from "../schema.ts";

export const incrementalAlterConfigs = defineApi({
  key: 44,
  name: "IncrementalAlterConfigs",
  versions: [0, 1],
  flexibleFrom: 1,
  request: struct({
    resources: array(
      struct({
        /** As in DescribeConfigs. */
        resourceType: int8,
        resourceName: string,
        /** Operation: 0 set, 1 delete, 2 append to a list, 3 subtract from a list. */
        configs: array(struct({ name: string, configOperation: int8, value: nullableString })),
      }),
    ),
    validateOnly: boolean,
  }),
  response: struct({
    throttleMs: since(0, int32, 0),
    resources: array(
      struct({ errorCode: int16, errorMessage: nullableString, resourceType: int8, resourceName: string }),
    ),
  }),
});
