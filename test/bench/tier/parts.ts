/** Processes of contenders, seen from the one that measures. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { ContenderName, Place } from "./contenders.ts";
import type { RoundCost } from "./part.ts";

interface Answer {
  readonly cost?: RoundCost;
  readonly error?: string;
}

/** One contender in a process of its own, so that its processor time and memory are its own. */
export class Part implements AsyncDisposable {
  readonly name: ContenderName;
  readonly #child: ChildProcess;

  private constructor(name: ContenderName, child: ChildProcess) {
    this.name = name;
    this.#child = child;
  }

  static async open(name: ContenderName, place: Place): Promise<Part> {
    const text = JSON.stringify(place, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
    const child = fork(join(import.meta.dirname, "part.ts"), [name, text]);
    const part = new Part(name, child);
    await part.#answer();
    return part;
  }

  /** @throws {Error} what went wrong in the round */
  async run(round: number): Promise<RoundCost> {
    this.#child.send({ round });
    const { cost, error } = await this.#answer();
    if (cost === undefined) throw new Error(`${this.name}: ${error}`);
    return cost;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.disconnect();
    await gone;
  }

  async #answer(): Promise<Answer> {
    const ended = once(this.#child, "exit").then(() => {
      throw new Error(`${this.name}: the process ended`);
    });
    ended.catch(() => undefined);
    const [answer] = (await Promise.race([once(this.#child, "message"), ended])) as [Answer];
    return answer;
  }
}
