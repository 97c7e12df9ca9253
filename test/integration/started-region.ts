/** A region started as a user starts it: `tributary up REGION --detach`, in a state directory of its own. */

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
/** A command takes about a second; a busy machine gets much longer, a hang is cut. */
const COMMAND_TIMEOUT_MS = 60_000;

/** The region while it runs. */
export interface StartedRegion extends AsyncDisposable {
  /** `host:port` of every broker. */
  readonly bootstrap: readonly string[];
  /** Runs another `tributary` command on the same state and returns what it printed to stdout. */
  tributary(...args: readonly string[]): Promise<string>;
}

/** Starts the region; disposing of it stops it and removes its data. */
export async function startedRegion(region: string): Promise<StartedRegion> {
  const state = mkdtempSync(join(tmpdir(), "region-"));
  const tributary = async (...args: readonly string[]): Promise<string> => {
    const command = [MAIN, "-t", "hub-and-spoke", "--state", state, "-q", ...args];
    const { stdout } = await run(process.execPath, command, { timeout: COMMAND_TIMEOUT_MS });
    return stdout;
  };
  const { regions } = JSON.parse(await tributary("-o", "json", "up", region, "--detach"));
  return {
    bootstrap: regions[0].bootstrap,
    tributary,
    async [Symbol.asyncDispose]() {
      await tributary("down", "--wipe");
      rmSync(state, { recursive: true, force: true });
    },
  };
}
