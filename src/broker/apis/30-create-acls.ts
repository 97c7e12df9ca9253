/** CreateAcls v1-3: refused for every rule, for lack of an authorizer. */

import { createAcls } from "../../wire/apis/30-create-acls.ts";
import { defineHandler } from "../handler.ts";
import { NO_AUTHORIZER } from "./29-describe-acls.ts";

export const createAclsHandler = defineHandler(createAcls, ({ creations }) => ({
  throttleMs: 0,
  results: creations.map(() => NO_AUTHORIZER),
}));
