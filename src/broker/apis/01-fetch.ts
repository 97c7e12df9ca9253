/** Fetch v4-18: reads whole batches up to the high watermark, or up to the last stable offset under read_committed.
 *
 *  Sessions: none is ever opened, the answer's session id 0 tells the client to send full requests (KIP-227 allows that).
 *  A broker that holds a replica serves consumers from v11 on whether it leads or not (KIP-392). */

import type { RequestOutput, ResponseInput } from "../../wire/api.ts";
import { fetchApi } from "../../wire/apis/01-fetch.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { FetchPlan } from "../fetch-plan.ts";
import { fetchWait } from "../fetch-wait.ts";
import { type Answer, defineHandler } from "../handler.ts";

type Request = RequestOutput<typeof fetchApi>;
type Response = ResponseInput<typeof fetchApi>;

/** Epoch with which a client asks for no session, or for a new one. */
const NO_SESSION = -1;
const NEW_SESSION = 0;

export const fetchHandler = defineHandler(fetchApi, (request, context): Answer<Response> => {
  if (request.sessionId !== 0 && !opensAnew(request))
    return { throttleMs: 0, errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND, topics: [] };
  const plan = new FetchPlan(request, context);
  const first = plan.read();
  if (first instanceof Promise || plan.isEnough || request.maxWaitMs <= 0) return first;
  return fetchWait(plan, { request, context }).then(
    (): Answer<Response> => (context.signal.aborted ? "no-response" : plan.read()),
  );
});

function opensAnew(request: Request): boolean {
  return request.sessionEpoch === NO_SESSION || request.sessionEpoch === NEW_SESSION;
}
