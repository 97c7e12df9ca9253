/** EndTxn v0-5: commits or aborts; answered once it is decided, before the markers are written. v5 raises the epoch (KIP-890). */

import { endTxn } from "../../wire/apis/26-end-txn.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { Refusal } from "../errors.ts";
import { defineHandler } from "../handler.ts";
import { fencedCode } from "../transactions/fenced-code.ts";

const FIRST_VERSION_WITH_FENCED = 2;
const FIRST_VERSION_WITH_EPOCH = 5;

export const endTxnHandler = defineHandler(endTxn, (request, { transactions, brokerId, apiVersion }) => {
  try {
    transactions.checkCoordinates(request.transactionalId, brokerId);
    const raisesEpoch = apiVersion >= FIRST_VERSION_WITH_EPOCH;
    const how = { committed: request.committed, version: raisesEpoch ? 2 : 0, brokerId } as const;
    const { producerId, producerEpoch } = transactions.end(request, how);
    return { throttleMs: 0, errorCode: ErrorCode.NONE, ...(raisesEpoch ? { producerId, producerEpoch } : {}) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { throttleMs: 0, errorCode: fencedCode(error.errorCode, apiVersion >= FIRST_VERSION_WITH_FENCED) };
  }
});
