/** DeleteAcls v1-3: refused for every filter, for lack of an authorizer. */

import { deleteAcls } from "../../wire/apis/31-delete-acls.ts";
import { defineHandler } from "../handler.ts";
import { NO_AUTHORIZER } from "./29-describe-acls.ts";

export const deleteAclsHandler = defineHandler(deleteAcls, ({ filters }) => ({
  throttleMs: 0,
  filterResults: filters.map(() => ({ ...NO_AUTHORIZER, matchingAcls: [] })),
}));
