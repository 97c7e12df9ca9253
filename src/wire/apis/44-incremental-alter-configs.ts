/** IncrementalAlterConfigs: changes single settings and leaves the others alone (KIP-339). */

import { defineApi } from "../api.ts";
import { array, boolean, int8, int16, int32, nullableString, since, string, struct } from "../schema.ts";

/** What `configOperation` says. The last two change the items of a list. */
export const CONFIG_OPERATIONS = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

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
        /** See `CONFIG_OPERATIONS`. */
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
