/** Many callers ask for one thing each in the same moment; one request asks for all of them. */

interface Asked<Q, A> {
  readonly question: Q;
  readonly resolve: (answer: A) => void;
  readonly reject: (error: unknown) => void;
}

/** Things asked for in one request at most: keeps requests and answers far below the brokers' limits. */
const GATHERED_MAX = 1_000;

/** Collects questions until the present turn's promises have run, then asks them together; `ask` answers in order. */
export function gathering<Q, A>(ask: (questions: readonly Q[]) => Promise<readonly A[]>): (question: Q) => Promise<A> {
  const waiting: Asked<Q, A>[] = [];
  const flush = async (): Promise<void> => {
    const batch = waiting.splice(0, GATHERED_MAX);
    if (waiting.length > 0) queueMicrotask(() => void flush());
    try {
      const answers = await ask(batch.map(({ question }) => question));
      for (const [at, { resolve, reject }] of batch.entries()) {
        const answer = answers[at];
        if (answer === undefined) reject(new Error("an answer is missing"));
        else resolve(answer);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };
  return (question) =>
    new Promise<A>((resolve, reject) => {
      if (waiting.length === 0) queueMicrotask(() => void flush());
      waiting.push({ question, resolve, reject });
    });
}
