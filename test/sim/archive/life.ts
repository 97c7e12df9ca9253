/** One life of a process: each of its steps is counted, and at any of them it can stop for ever, as SIGKILL does it, or for a while. */

/** Whether a step is waited for: an action that nobody waits for cannot stand still, only end. */
export type StepKind = "awaited" | "at-once";

/** Decides at a step: `die`, or go on once the promise is fulfilled. Steps count from 0. */
export type StepHook = (step: number, what: string, kind: StepKind) => Promise<"go" | "die"> | "go" | "die";

/** How a life ended. */
export type Ending = "done" | "dead" | { readonly error: unknown };

/** Thrown out of what a dead process does at once: it must not go on, and nothing that it does takes effect. */
class Dead extends Error {}

/** Counts steps; an action has two of them: before it takes effect, and after that but before anybody knows. */
export class Life {
  readonly #hook: StepHook;
  readonly #dead = Promise.withResolvers<"dead">();
  #isDead = false;
  #steps = 0;

  constructor(hook: StepHook = () => "go") {
    this.#hook = hook;
  }

  /** Steps so far. */
  get steps(): number {
    return this.#steps;
  }

  /** One action. Of a dead process nothing takes effect any more, and nobody is told. */
  async step<T>(what: string, action: () => T | Promise<T>): Promise<T> {
    await this.#pass(`before ${what}`);
    const result = await action();
    await this.#pass(`after ${what}`);
    return result;
  }

  /** One action that nobody waits for, as of a file. */
  stepAtOnce<T>(what: string, action: () => T): T {
    this.#passAtOnce(`before ${what}`);
    const result = action();
    this.#passAtOnce(`after ${what}`);
    return result;
  }

  /** Runs the work of this process until it ends one way or another. */
  run(work: () => Promise<unknown>): Promise<Ending> {
    const ended = work().then(
      (): Ending => "done",
      (error: unknown): Ending => (this.#isDead ? "dead" : { error }),
    );
    return Promise.race([ended, this.#dead.promise]);
  }

  async #pass(what: string): Promise<void> {
    if (!this.#isDead && (await this.#hook(this.#steps++, what, "awaited")) === "die") this.#die();
    if (this.#isDead) await new Promise<never>(() => {});
  }

  #passAtOnce(what: string): void {
    if (!this.#isDead && this.#hook(this.#steps++, what, "at-once") === "die") this.#die();
    if (this.#isDead) throw new Dead();
  }

  #die(): void {
    this.#isDead = true;
    this.#dead.resolve("dead");
  }
}
