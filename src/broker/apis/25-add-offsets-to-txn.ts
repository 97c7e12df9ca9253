/** AddOffsetsToTxn v0-4: a transaction will store offsets of a group, which then take part like a partition. */

import { addOffsetsToTxn } from "../../wire/apis/25-add-offsets-to-txn.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { Refusal } from "../errors.ts";
import { defineHandler } from "../handler.ts";
import { fencedCode } from "../transactions/fenced-code.ts";
import { OFFSETS_TOPIC } from "../transactions/transaction.ts";

const FIRST_VERSION_WITH_FENCED = 2;

export const addOffsetsToTxnHandler = defineHandler(addOffsetsToTxn, (request, context) => {
  const { transactions, groups, brokerId, apiVersion } = context;
  try {
    transactions.checkCoordinates(request.transactionalId, brokerId);
    const offsets = { topic: OFFSETS_TOPIC, index: groups.slotOf(request.groupId) };
    // Writers whose epochs rise by themselves do not send this request.
    transactions.addPartitions(request, [offsets], 0);
    return { throttleMs: 0, errorCode: ErrorCode.NONE };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { throttleMs: 0, errorCode: fencedCode(error.errorCode, apiVersion >= FIRST_VERSION_WITH_FENCED) };
  }
});
