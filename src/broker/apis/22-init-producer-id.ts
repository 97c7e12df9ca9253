/** InitProducerId v0-5: a fresh id with epoch 0 for an idempotent producer; with a transactional id always the same one, under
 *  the next epoch, which fences the writer before. */

import { initProducerId } from "../../wire/apis/22-init-producer-id.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { NO_PRODUCER_ID } from "../../wire/record-batch.ts";
import { Refusal, refusal } from "../errors.ts";
import { defineHandler } from "../handler.ts";
import { fencedCode } from "../transactions/fenced-code.ts";

const FIRST_VERSION_WITH_FENCED = 4;
const NO_EPOCH = -1;

export const initProducerIdHandler = defineHandler(initProducerId, (request, context) => {
  const { cluster, brokerId, transactions } = context;
  const { transactionalId, transactionTimeoutMs: timeoutMs, producerId, producerEpoch: epoch } = request;
  try {
    if ((producerId === NO_PRODUCER_ID) !== (epoch === NO_EPOCH)) throw refusal(ErrorCode.INVALID_REQUEST);
    // Without a transactional id Kafka ignores the id that the request carries.
    if (transactionalId === null)
      return {
        throttleMs: 0,
        errorCode: ErrorCode.NONE,
        producerId: cluster.nextProducerId(brokerId),
        producerEpoch: 0,
      };
    transactions.checkCoordinates(transactionalId, brokerId);
    const expected = producerId === NO_PRODUCER_ID ? undefined : { producerId, epoch };
    const identity = transactions.initialize(transactionalId, { timeoutMs, expected, brokerId });
    return { throttleMs: 0, errorCode: ErrorCode.NONE, ...who(identity) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const errorCode = fencedCode(error.errorCode, context.apiVersion >= FIRST_VERSION_WITH_FENCED);
    return { throttleMs: 0, errorCode, producerId: NO_PRODUCER_ID, producerEpoch: NO_EPOCH };
  }
});

function who({ producerId, producerEpoch }: { readonly producerId: bigint; readonly producerEpoch: number }) {
  return { producerId, producerEpoch };
}
