/** What can go wrong with a region itself, and the refusals that a handler turns into a protocol error code. */

import { TributaryError } from "../core/errors.ts";

/** Facts about a region that cannot start, or was asked for something it does not have. */
export type RegionFault =
  | { readonly code: "REGION_JOURNAL_CORRUPT"; readonly path: string; readonly line: number }
  | {
      readonly code: "REGION_CLUSTER_MISMATCH";
      readonly path: string;
      readonly expected: string;
      readonly actual: string;
    }
  | { readonly code: "REGION_UNKNOWN_BROKER"; readonly brokerId: number; readonly brokers: number }
  | { readonly code: "REGION_BAD_SETTING"; readonly name: string; readonly value: string; readonly reason: string }
  | { readonly code: "REGION_CLOSED"; readonly clusterId: string };

/** An operating error of an embedded region. */
export class RegionError extends TributaryError<RegionFault> {}

/** A request that is answered with a protocol error; `reason` travels in the response's message field where there is one. */
export type RefusalFault = {
  readonly code: "BROKER_REFUSED";
  readonly errorCode: number;
  readonly reason: string | null;
};

/** Thrown inside a handler and turned into the error code of the item at hand. */
export class Refusal extends TributaryError<RefusalFault> {
  get errorCode(): number {
    return this.fault.errorCode;
  }
  get reason(): string | null {
    return this.fault.reason;
  }
}

/** A batch is no good; single records may be named (KIP-467). */
export class RecordsRefusal extends Refusal {
  readonly recordErrors: readonly { readonly index: number; readonly message: string }[];

  constructor(verdict: {
    readonly errorCode: number;
    readonly message: string;
    readonly recordErrors: RecordsRefusal["recordErrors"];
  }) {
    super({ code: "BROKER_REFUSED", errorCode: verdict.errorCode, reason: verdict.message });
    this.recordErrors = verdict.recordErrors;
  }
}

/** Builds a refusal. */
export function refusal(errorCode: number, reason: string | null = null): Refusal {
  return new Refusal({ code: "BROKER_REFUSED", errorCode, reason }, reason === null ? {} : { message: reason });
}
