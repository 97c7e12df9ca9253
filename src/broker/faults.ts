/** Scripted misbehaviour: a control sees a request before its handler does and may change what becomes of it.
 *
 *  Controls of one API are asked in the order in which they were set; the first one that decides is used up, unless it was
 *  set to stay. A control that returns undefined has only watched and stays in any case. */

/** A request as a control sees it. */
export interface FaultRequest {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly brokerId: number;
  readonly clientId: string | null;
  /** The decoded body, of the type that the API's schema gives. */
  readonly body: unknown;
}

/** What becomes of the request. */
export type FaultAction =
  /** This response instead of the handler's; the handler does not run. */
  | { readonly kind: "answer"; readonly response: unknown }
  /** The handler runs this much later; the connection waits, as a slow broker's would. */
  | { readonly kind: "delay"; readonly delayMs: number }
  /** The handler runs at once, its response leaves this much later. */
  | { readonly kind: "delay-reply"; readonly delayMs: number }
  /** The connection is closed and the handler does not run: a lost request. */
  | { readonly kind: "drop" }
  /** The handler runs, then the connection is closed without a response: a lost acknowledgement. */
  | { readonly kind: "cut-reply" }
  /** The handler runs twice, as for a request that a network delivered twice; the second response counts. */
  | { readonly kind: "repeat" }
  /** The handler runs and no response is ever sent; the connection stays open and serves what follows. */
  | { readonly kind: "swallow-reply" };

/** Decides about a request; undefined leaves it to the next control. */
export type FaultControl = (request: FaultRequest) => FaultAction | undefined;

interface Entry {
  readonly control: FaultControl;
  readonly stays: boolean;
}

/** The controls of a region. */
export class Faults {
  readonly #entries = new Map<number, Entry[]>();

  /** Sets a control for an API key; the result removes it. `stays` keeps it after it has decided. */
  control(apiKey: number, control: FaultControl, options: { readonly stays?: boolean } = {}): () => void {
    const entry = { control, stays: options.stays ?? false };
    const entries = this.#entries.get(apiKey) ?? [];
    this.#entries.set(apiKey, [...entries, entry]);
    return () => this.#remove(apiKey, entry);
  }

  /** Removes every control. */
  clear(): void {
    this.#entries.clear();
  }

  /** What becomes of this request. */
  decide(request: FaultRequest): FaultAction | undefined {
    if (this.#entries.size === 0) return undefined;
    for (const entry of this.#entries.get(request.apiKey) ?? []) {
      const action = entry.control(request);
      if (action === undefined) continue;
      if (!entry.stays) this.#remove(request.apiKey, entry);
      return action;
    }
    return undefined;
  }

  #remove(apiKey: number, entry: Entry): void {
    const left = (this.#entries.get(apiKey) ?? []).filter((other) => other !== entry);
    if (left.length > 0) this.#entries.set(apiKey, left);
    else this.#entries.delete(apiKey);
  }
}
