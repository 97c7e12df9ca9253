/** DescribeAcls v1-3: an embedded region has no authorizer, and says so as Kafka does. */

import { describeAcls } from "../../wire/apis/29-describe-acls.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { defineHandler } from "../handler.ts";

/** Kafka's words. */
export const NO_AUTHORIZER = {
  errorCode: ErrorCode.SECURITY_DISABLED,
  errorMessage: "No Authorizer is configured.",
} as const;

export const describeAclsHandler = defineHandler(describeAcls, () => ({
  throttleMs: 0,
  ...NO_AUTHORIZER,
  resources: [],
}));
