/** Makes the same run over and over, each interrupted one step later than the one before, until one ends before its step comes. */

import type { StepHook } from "./life.ts";

/** No job takes as many steps: a run that does is one that never ends. */
const STEPS_MAX = 4_000;

/** Where one run is interrupted. */
export class Interruption {
  readonly #step: number;
  #at: string | undefined;

  constructor(step: number) {
    this.#step = step;
  }

  /** What was about to happen, or had just happened; undefined while the run has not come there. */
  get at(): string | undefined {
    return this.#at;
  }

  /** For the life that is interrupted: it dies, or stands still while something else happens. An action that nobody waits for stands
   *  still no differently from the one before it, and is let pass. */
  hook(meanwhile: (() => Promise<unknown>) | undefined): StepHook {
    return (count, what, kind) => {
      if (count !== this.#step) return "go";
      this.#at = what;
      if (meanwhile === undefined) return "die";
      return kind === "at-once" ? "go" : meanwhile().then(() => "go");
    };
  }
}

/** Answers at how many steps. @throws what a run throws, with the step */
export async function interruptedAtEveryStep(
  name: string,
  run: (interruption: Interruption) => Promise<void>,
): Promise<number> {
  for (let step = 0; step < STEPS_MAX; step++) {
    const interruption = new Interruption(step);
    try {
      await run(interruption);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`${name}, step ${step} (${interruption.at}): ${message}`, { cause: error });
    }
    if (interruption.at === undefined) return step;
  }
  throw new Error(`${name} takes more than ${STEPS_MAX} steps`);
}
