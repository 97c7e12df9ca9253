/** What a process tells the one that started it, once: that it is ready, or why it will not be. */

import { type Fault, TributaryError, toError } from "../core/errors.ts";

/** The message on the channel between the two. */
export type ChildMessage<Ready> =
  | { readonly kind: "ready"; readonly ready: Ready }
  | { readonly kind: "failed"; readonly fault: Fault; readonly message: string };

/** Any operating error of another process. */
export class ChildError extends TributaryError {}

/** The failure as it travels. Bigints do not: they are text on the way, and nobody branches on them here. */
export function failedMessage(thrown: unknown): ChildMessage<never> {
  const error = toError(thrown);
  const fault: Fault = error instanceof TributaryError ? error.fault : { code: "UNEXPECTED" };
  const plain = JSON.parse(
    JSON.stringify(fault, (_, value) => (typeof value === "bigint" ? String(value) : value)),
  ) as Fault;
  return { kind: "failed", fault: plain, message: error.message };
}

/** The failure as an error again; `what` could not start. */
export function failureOf(failed: { readonly fault: Fault; readonly message: string }, what: string): ChildError {
  return new ChildError(failed.fault, { message: `${what} cannot start: ${failed.message}` });
}
