/** Fetch v4-18: reads whole batches up to the high watermark, or up to the last stable offset under read_committed.
 *
 *  Sessions (KIP-227): see fetch-sessions.ts.
 *  A broker that holds a replica serves consumers from v11 on whether it leads or not (KIP-392). */

import type { ResponseInput } from "../../wire/api.ts";
import { fetchApi } from "../../wire/apis/01-fetch.ts";
import { FetchPlan } from "../fetch-plan.ts";
import { fetchWait } from "../fetch-wait.ts";
import { type Answer, defineHandler } from "../handler.ts";

type Response = ResponseInput<typeof fetchApi>;

export const fetchHandler = defineHandler(fetchApi, (request, context): Answer<Response> => {
  const use = context.fetchSessions.use(request, context.brokerId);
  if (!("request" in use)) return { throttleMs: 0, errorCode: use.errorCode, topics: [] };
  const plan = new FetchPlan(use.request, context);
  const answered = (response: Response): Response => use.session?.news(response) ?? response;
  const first = plan.read();
  if (first instanceof Promise) return first.then(answered);
  if (plan.isEnough || request.maxWaitMs <= 0) return answered(first);
  return fetchWait(plan, { request, context }).then(async (): Promise<Awaited<Answer<Response>>> => {
    return context.signal.aborted ? "no-response" : answered(await plan.read());
  });
});
