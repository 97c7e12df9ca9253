/** One life of a process: each of its steps is counted, and at any of them it can stop for ever, as SIGKILL does it, or for a while. */

/** Decides at a step: `die`, or go on once the promise is fulfilled. Steps count from 0. */
export type StepHook = (step: number, what: string) => Promise<"go" | "die"> | "go" | "die";

/** How a life ended. */
export type Ending = "done" | "dead" | { readonly error: unknown };

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

  /** Runs the work of this process until it ends one way or another. */
  run(work: () => Promise<unknown>): Promise<Ending> {
    const ended = work().then(
      (): Ending => "done",
      (error: unknown): Ending => ({ error }),
    );
    return Promise.race([ended, this.#dead.promise]);
  }

  async #pass(what: string): Promise<void> {
    if (!this.#isDead && (await this.#hook(this.#steps++, what)) === "die") {
      this.#isDead = true;
      this.#dead.resolve("dead");
    }
    if (this.#isDead) await new Promise<never>(() => {});
  }
}
