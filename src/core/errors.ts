/** The base of every operating error: a typed fact, never a bare message. */

/** What every fault carries: a stable code that callers branch on. Other fields are facts, units in their names. */
export interface Fault {
  readonly code: string;
}

/** Optional words and cause that accompany a fault. */
export interface FaultDetail {
  /** One line for a person: cause, place, remedy. Defaults to the facts of the fault. */
  readonly message?: string;
  readonly cause?: unknown;
}

/** Base class of all operating errors. Subclasses are one line long and only fix the fault's type. */
export class TributaryError<F extends Fault = Fault> extends Error {
  readonly fault: F;

  constructor(fault: F, detail: FaultDetail = {}) {
    super(detail.message ?? describeFault(fault), detail.cause === undefined ? {} : { cause: detail.cause });
    this.name = new.target.name;
    this.fault = fault;
  }
}

/** The facts of a fault on one line: `CODE key=value key=value`. */
export function describeFault(fault: Fault): string {
  const facts = Object.entries(fault)
    .filter(([key]) => key !== "code")
    .map(([key, value]) => `${key}=${String(value)}`);
  return [fault.code, ...facts].join(" ");
}

/** Says whether `error` is an operating error of this project carrying `code`. */
export function hasFaultCode(error: unknown, code: string): boolean {
  return error instanceof TributaryError && error.fault.code === code;
}

/** Normalises what a `catch` receives into an Error; used once, at the edge. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Asserts a condition that only a programmer's mistake can break; `invariant` is the invariant's name. */
export function assertInvariant(
  condition: boolean,
  invariant: string,
  facts: Readonly<Record<string, unknown>> = {},
): asserts condition {
  if (condition) return;
  const text = Object.entries(facts)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(" ");
  throw new Error(`invariant broken: ${invariant}${text === "" ? "" : ` (${text})`}`);
}

/** Marks a branch that the type system proves impossible. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
