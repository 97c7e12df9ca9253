/** DeleteTopics: v4 is flexible, v5 answers messages, v6 takes topic ids: then `topics`, before that `topicNames`. */

import { ZERO_UUID } from "../../core/brand.ts";
import { defineApi } from "../api.ts";
import { array, int16, int32, nullableString, since, string, struct, until, uuid } from "../schema.ts";

export const deleteTopics = defineApi({
  key: 20,
  name: "DeleteTopics",
  versions: [1, 6],
  flexibleFrom: 4,
  request: struct({
    /** By name, or by id with a null name. */
    topics: since(6, array(struct({ name: nullableString, topicId: uuid })), []),
    topicNames: until(5, array(string), [], { ignorable: true }),
    timeoutMs: int32,
  }),
  response: struct({
    throttleMs: since(0, int32, 0),
    topics: array(
      struct({
        /** May be null from v6 on. */
        name: nullableString,
        topicId: since(6, uuid, ZERO_UUID, { ignorable: true }),
        errorCode: int16,
        errorMessage: since(5, nullableString, null, { ignorable: true }),
      }),
    ),
  }),
});
