/** Mistakes on the command line itself. */

import { TributaryError } from "../core/errors.ts";

/** Facts about a command that cannot be carried out as written. */
export type CommandFault =
  | { readonly code: "USAGE"; readonly what: string }
  | { readonly code: "COMMAND_FAILED"; readonly what: string }
  | { readonly code: "UNREACHABLE"; readonly endpoint: string; readonly why: string };

/** The message is one line: cause, place, remedy. */
export class CommandError extends TributaryError<CommandFault> {}

/** Refuses an argument or option. */
export function usageError(what: string): CommandError {
  return new CommandError({ code: "USAGE", what }, { message: what });
}
