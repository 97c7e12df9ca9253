/** What was sent and how it ended, kept outside both clusters: every record has a number in its header `id`. */

/** How sending a record ended. `unknown`: no answer came, so it may or may not be there. */
export type Outcome = "unknown" | "acknowledged" | "aborted";

/** Names of the outcomes by what is stored. */
const OUTCOMES: readonly Outcome[] = ["unknown", "acknowledged", "aborted"];

/** Numbers records and remembers their outcomes. */
export class Ledger {
  readonly #outcomes: number[] = [];

  /** The number of the next record; its outcome is unknown until told. */
  next(): number {
    return this.#outcomes.push(0) - 1;
  }

  /** Tells how it ended with these records. */
  settle(ids: readonly number[], outcome: Outcome): void {
    const code = OUTCOMES.indexOf(outcome);
    for (const id of ids) this.#outcomes[id] = code;
  }

  /** Undefined for a number that was never given. */
  outcomeOf(id: number): Outcome | undefined {
    const code = this.#outcomes[id];
    return code === undefined ? undefined : OUTCOMES[code];
  }

  /** Records numbered so far. */
  get sent(): number {
    return this.#outcomes.length;
  }

  /** Records that ended so. */
  count(outcome: Outcome): number {
    const code = OUTCOMES.indexOf(outcome);
    return this.#outcomes.reduce((sum, one) => sum + (one === code ? 1 : 0), 0);
  }
}
