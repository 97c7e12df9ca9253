/** All cases of the contract suite, in the order in which they run. */

import { aclCases } from "./cases/acls.ts";
import { batchValidationCases } from "./cases/batch-validation.ts";
import { configCases } from "./cases/configs.ts";
import { fetchCases } from "./cases/fetch.ts";
import { fetchSessionCases } from "./cases/fetch-sessions.ts";
import { groupCases } from "./cases/groups.ts";
import { idempotenceCases } from "./cases/idempotence.ts";
import { offsetCases } from "./cases/offsets.ts";
import { topicCases } from "./cases/topics.ts";
import { transactionCoordinatorCases } from "./cases/transaction-coordinators.ts";
import { transactionEdgeCases } from "./cases/transaction-edges.ts";
import { transactionCases } from "./cases/transactions.ts";
import type { ContractCase } from "./probe.ts";

/** Requests and the facts that are compared; names are unique. */
export const CONTRACT_CASES: readonly ContractCase[] = [
  ...idempotenceCases,
  ...batchValidationCases,
  ...fetchCases,
  ...fetchSessionCases,
  ...offsetCases,
  ...groupCases,
  ...topicCases,
  ...configCases,
  ...aclCases,
  ...transactionCases,
  ...transactionCoordinatorCases,
  ...transactionEdgeCases,
];
