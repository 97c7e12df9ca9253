/** What the exit code of a command says; 64 and above follow sysexits, 130 and 143 say which signal ended it. */
export const EXIT = {
  ok: 0,
  failure: 1,
  /** The command worked and found something to act on: a collision in the plan, lag above the limit. */
  finding: 2,
  usage: 64,
  invalidTopology: 65,
  unreachable: 69,
  /** Held by another process; trying again later may help. */
  busy: 75,
  denied: 77,
  interrupted: 130,
  terminated: 143,
} as const;

/** One of the exit codes. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
