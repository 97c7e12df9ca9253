/** DescribeTransactions v0: what a coordinator knows of its transactional ids; a hanging transaction shows here, or nowhere. */

import { describeTransactions } from "../../wire/apis/65-describe-transactions.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { Refusal, refusal } from "../errors.ts";
import { defineHandler, type RequestContext } from "../handler.ts";
import { byTopic } from "../transactions/record.ts";

export const describeTransactionsHandler = defineHandler(describeTransactions, (request, context) => ({
  throttleMs: 0,
  transactionStates: request.transactionalIds.map((transactionalId) => described(transactionalId, context)),
}));

function described(transactionalId: string, { transactions, brokerId }: RequestContext) {
  try {
    transactions.checkCoordinates(transactionalId, brokerId);
    const found = transactions.describe(transactionalId);
    if (found === undefined) throw refusal(ErrorCode.TRANSACTIONAL_ID_NOT_FOUND);
    return {
      errorCode: ErrorCode.NONE,
      transactionalId,
      transactionState: found.state,
      transactionTimeoutMs: found.timeoutMs,
      transactionStartTimeMs: BigInt(found.startMs),
      producerId: found.producerId,
      producerEpoch: found.producerEpoch,
      topics: [...byTopic(found.partitions)].map(([name, partitionIndexes]) => ({ name, partitionIndexes })),
    };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return {
      ...{ errorCode: error.errorCode, transactionalId, transactionState: "", transactionTimeoutMs: 0 },
      ...{ transactionStartTimeMs: 0n, producerId: 0n, producerEpoch: 0, topics: [] },
    };
  }
}
