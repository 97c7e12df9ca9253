#!/usr/bin/env node
/** The `tributary` command: parses, runs one command, ends with its exit code. */

import nodeModule from "node:module";
import { CommanderError } from "commander";
import type { GlobalOptions } from "./context.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";

/** First major version that runs TypeScript, zstd and `await using` as they are used here. */
const NODE_MAJOR_MIN = 24;

// Modules compiled once stay compiled: the second start takes half the time. Old versions lack it.
nodeModule.enableCompileCache?.();

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT.ok); // the reader (`head`, a pager) has enough
  process.stderr.write(`tributary: stdout cannot be written: ${error.message}; what follows is lost\n`);
  process.exit(EXIT.failure);
});
// Talk that nobody can read must not change how a command ends.
process.stderr.on("error", () => {});

process.exitCode = await run(process.argv);

async function run(argv: readonly string[]): Promise<ExitCode> {
  if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN) {
    const remedy = "install a newer one, or run it through npm in a checkout, which brings its own";
    process.stderr.write(
      `tributary: Node.js ${NODE_MAJOR_MIN} is needed, this is ${process.versions.node}; ${remedy}\n`,
    );
    return EXIT.failure;
  }
  const { buildProgram } = await import("./program.ts");
  let exitCode: ExitCode = EXIT.ok;
  const program = buildProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...argv]);
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return usageExit(error);
    const { presentError } = await import("./present-error.ts");
    const { lines, exitCode: failed, code } = presentError(error);
    process.stderr.write(`${lines.join("\n")}\n`);
    if (program.opts<GlobalOptions>().output === "json") {
      const { renderJson } = await import("./output.ts");
      process.stdout.write(`${renderJson({ error: { code, exit_code: failed, lines } })}\n`);
    }
    if (argv.includes("-vv") && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    return failed;
  }
}

function usageExit(error: CommanderError): ExitCode {
  if (error.exitCode === 0) return EXIT.ok;
  const message = error.message
    .replace(/^error: /, "")
    .replace(/\s*\n\s*/g, " ")
    .replace(/\.$/, "");
  if (error.code !== "commander.help") {
    process.stderr.write(`tributary: ${message}; see tributary --help\n`);
  }
  return EXIT.usage;
}
