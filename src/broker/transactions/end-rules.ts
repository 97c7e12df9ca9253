/** What an EndTxn does in each state of a transaction (Kafka: `TransactionCoordinator.endTransaction`).
 *
 *  Before KIP-890 the epoch must be the current one, and an end repeats as itself. Since then every end raises the epoch, so
 *  the epoch tells a repeated end (one less than the current one) from the next:
 *  ```
 *                  abort, repeated | abort, next | commit, repeated | commit, next
 *  Empty           fenced          | ends        | fenced           | wrong state
 *  CompleteAbort   done            | ends        | wrong state      | wrong state
 *  CompleteCommit  wrong state     | ends        | done             | wrong state
 *  ``` */

import { ErrorCode } from "../../wire/error-codes.ts";
import { isEnding, isEpochExhausted, type Transaction } from "./transaction.ts";

/** What a client asks. */
export interface EndRequest {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly committed: boolean;
  /** 2: the end raises the epoch. */
  readonly version: 0 | 2;
}

/** `end` decides the transaction now; `done` was decided so before. */
export type EndVerdict =
  | { readonly kind: "end" }
  | { readonly kind: "done" }
  | { readonly kind: "refuse"; readonly errorCode: number };

const END: EndVerdict = { kind: "end" };
const DONE: EndVerdict = { kind: "done" };
const WRONG_STATE = refuse(ErrorCode.INVALID_TXN_STATE);

/** Judges an end. Changes nothing. */
export function judgeEnd(transaction: Transaction, request: EndRequest): EndVerdict {
  const isRepeat = request.version === 2 && isRepeated(transaction, request);
  if (request.producerId !== transaction.producerId && !isRepeat) return refuse(ErrorCode.INVALID_PRODUCER_ID_MAPPING);
  if (!isRightEpoch(transaction, request, isRepeat)) return refuse(ErrorCode.PRODUCER_FENCED);
  const { state } = transaction;
  if (state === "Ongoing") return END;
  const isSameOutcome = state === (request.committed ? "CompleteCommit" : "CompleteAbort");
  if (isEnding(transaction))
    return state === (request.committed ? "PrepareCommit" : "PrepareAbort")
      ? refuse(ErrorCode.CONCURRENT_TRANSACTIONS)
      : WRONG_STATE;
  if (request.version === 0) return isSameOutcome ? DONE : WRONG_STATE;
  if (isRepeat) return isSameOutcome ? DONE : WRONG_STATE;
  return request.committed ? WRONG_STATE : END;
}

function isRepeated(transaction: Transaction, { producerId, producerEpoch }: EndRequest): boolean {
  if (producerId === transaction.producerId) return producerEpoch + 1 === transaction.producerEpoch;
  // The end used up the epochs, and the producer id changed with it.
  const isFormer = producerId === transaction.previousProducerId && isEpochExhausted({ producerEpoch });
  return isFormer && transaction.producerEpoch === 0;
}

function isRightEpoch(transaction: Transaction, request: EndRequest, isRepeat: boolean): boolean {
  const isCurrent = request.producerEpoch === transaction.producerEpoch;
  if (request.version === 0) return isCurrent;
  switch (transaction.state) {
    case "Ongoing":
    case "Empty":
      return isCurrent && !isRepeat;
    case "PrepareCommit":
    case "PrepareAbort":
      return isRepeat;
    case "CompleteCommit":
    case "CompleteAbort":
      return isCurrent || isRepeat;
  }
}

function refuse(errorCode: number): EndVerdict {
  return { kind: "refuse", errorCode };
}
