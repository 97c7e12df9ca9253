/** DeleteRecords: moves a partition's log start offset forward. */

import { defineApi } from "../api.ts";
import { array, int16, int32, int64, since, string, struct } from "../schema.ts";

export const deleteRecords = defineApi({
  key: 21,
  name: "DeleteRecords",
  versions: [0, 2],
  flexibleFrom: 2,
  request: struct({
    topics: array(
      struct({
        name: string,
        /** `offset` is the new start; -1 means the high watermark. */
        partitions: array(struct({ index: int32, offset: int64 })),
      }),
    ),
    timeoutMs: int32,
  }),
  response: struct({
    throttleMs: since(0, int32, 0),
    topics: array(
      struct({
        name: string,
        partitions: array(struct({ index: int32, lowWatermark: int64, errorCode: int16 })),
      }),
    ),
  }),
});
