/** DeleteGroups: removes empty groups and their offsets (KIP-229). */

import { defineApi } from "../api.ts";
import { array, int16, int32, since, string, struct } from "../schema.ts";

export const deleteGroups = defineApi({
  key: 42,
  name: "DeleteGroups",
  versions: [0, 2],
  flexibleFrom: 2,
  request: struct({ groupsNames: array(string) }),
  response: struct({ throttleMs: since(0, int32, 0), results: array(struct({ groupId: string, errorCode: int16 })) }),
});
