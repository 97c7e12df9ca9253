/** InitProducerId v0-5: a fresh id with epoch 0 for an idempotent producer, which may also raise the epoch of its own id.
 *  There are no transactions yet: a transactional id is refused with a code on which clients stop instead of retrying. */

import { initProducerId } from "../../wire/apis/22-init-producer-id.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { defineHandler } from "../handler.ts";

export const initProducerIdHandler = defineHandler(initProducerId, (request, { cluster, brokerId }) => {
  if (request.transactionalId !== null)
    return {
      throttleMs: 0,
      errorCode:
        request.transactionalId === "" ? ErrorCode.INVALID_REQUEST : ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
      producerId: -1n,
      producerEpoch: -1,
    };
  // Without a transactional id Kafka ignores the id that the request carries.
  return { throttleMs: 0, errorCode: ErrorCode.NONE, producerId: cluster.nextProducerId(brokerId), producerEpoch: 0 };
});
