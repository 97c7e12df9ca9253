/** Sends one command to a process's control channel. */

import { toError } from "../core/errors.ts";
import { RuntimeError } from "./errors.ts";
import { request } from "./node-http.ts";

/** A command is done or hopeless after this long; a drain may take 10 s. */
const DEFAULT_TIMEOUT_MS = 15_000;

/** What to ask. */
export interface ControlRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly timeoutMs?: number;
}

/** The JSON answer. @throws {RuntimeError} `CONTROL_FAILED` when nobody listens, or the command failed there */
export async function control<T = unknown>(socketPath: string, command: ControlRequest): Promise<T> {
  const { status, body } = await exchange(socketPath, command);
  const value = JSON.parse(body) as T & { readonly message?: string };
  if (status === 200) return value;
  throw failed(socketPath, value.message ?? `answered with status ${status}`);
}

function exchange(socketPath: string, command: ControlRequest): Promise<{ status: number; body: string }> {
  const timeout = command.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    const sent = request(
      { socketPath, method: command.method, path: command.path, timeout, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
        response.on("error", (error) => reject(failed(socketPath, error.message, error)));
      },
    );
    sent.on("timeout", () => sent.destroy(new Error(`no answer in ${timeout} ms`)));
    sent.on("error", (error) => reject(failed(socketPath, toError(error).message, error)));
    sent.end();
  });
}

function failed(socketPath: string, why: string, cause?: unknown): RuntimeError {
  const message = `process does not do what it was told: ${why} (${socketPath}); look into its log beside it, or stop it with tributary down`;
  return new RuntimeError({ code: "CONTROL_FAILED", socketPath, why }, { message, cause });
}
