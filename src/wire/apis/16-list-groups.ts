/** ListGroups: the groups that one broker coordinates. v4 filters by state (KIP-518), v5 by type (KIP-848). */

import { defineApi } from "../api.ts";
import { array, int16, int32, since, string, struct } from "../schema.ts";

export const listGroups = defineApi({
  key: 16,
  name: "ListGroups",
  versions: [0, 5],
  flexibleFrom: 3,
  request: struct({
    /** Empty asks for all. */
    statesFilter: since(4, array(string), []),
    typesFilter: since(5, array(string), []),
  }),
  response: struct({
    throttleMs: since(1, int32, 0, { ignorable: true }),
    errorCode: int16,
    groups: array(
      struct({
        groupId: string,
        protocolType: string,
        groupState: since(4, string, "", { ignorable: true }),
        groupType: since(5, string, "", { ignorable: true }),
      }),
    ),
  }),
});
