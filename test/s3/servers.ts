/** S3-compatible servers as test peers: MinIO, and versitygw, which is the stricter. Each is built once through the Go toolchain
 *  and started with data and keys of its own on a free loopback port. */

import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { freePorts } from "../peers/ports.ts";

const run = promisify(execFile);

/** The programs; git ignores them. */
const PROGRAMS = join(import.meta.dirname, "bin");
/** MinIO needs about four minutes of processor time. */
const BUILD_TIMEOUT_MS = 1_800_000;
const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 50;

/** A kind of server. */
export interface ServerKind {
  readonly name: string;
  readonly module: string;
  readonly args: (at: {
    readonly directory: string;
    readonly port: number;
    readonly spare: number;
  }) => readonly string[];
  readonly env: (keys: Keys) => Readonly<Record<string, string>>;
  readonly healthPath: string;
}

/** Credentials of one server. */
export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** All of them. */
export const SERVER_KINDS: readonly ServerKind[] = [
  {
    name: "versitygw",
    module: "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
    args: ({ directory, port }) => [
      "--port",
      `127.0.0.1:${port}`,
      "--health",
      "/health",
      "--quiet",
      "posix",
      directory,
    ],
    env: ({ accessKeyId, secretAccessKey }) => ({ ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey }),
    healthPath: "/health",
  },
  {
    name: "minio",
    module: "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c",
    args: ({ directory, port, spare }) => [
      "server",
      directory,
      "--address",
      `127.0.0.1:${port}`,
      "--console-address",
      `127.0.0.1:${spare}`,
      "--quiet",
    ],
    env: ({ accessKeyId, secretAccessKey }) => ({
      MINIO_ROOT_USER: accessKeyId,
      MINIO_ROOT_PASSWORD: secretAccessKey,
    }),
    healthPath: "/minio/health/ready",
  },
];

/** Why a server cannot run here, or undefined when it can; where `CI=true`, the reason is thrown. */
export function serverMissing({ name }: ServerKind): string | undefined {
  if (existsSync(join(PROGRAMS, name))) return undefined;
  if (spawnSync("go", ["version"], { stdio: "ignore" }).status === 0) return undefined;
  const reason = `no go on the PATH, which builds ${name}`;
  if (process.env["CI"] === "true") throw new Error(reason);
  return reason;
}

/** Builds the program if it is not there. */
export async function buildServer({ name, module }: ServerKind): Promise<string> {
  const program = join(PROGRAMS, name);
  if (existsSync(program)) return program;
  mkdirSync(PROGRAMS, { recursive: true });
  const env = { ...process.env, GOBIN: PROGRAMS, CGO_ENABLED: "0", GOTOOLCHAIN: "local" };
  await run("go", ["install", "-trimpath", "-ldflags", "-s -w", module], { env, timeout: BUILD_TIMEOUT_MS });
  return program;
}

/** A running server. */
export interface S3Server extends AsyncDisposable {
  readonly kind: string;
  readonly endpoint: string;
  readonly keys: Keys;
  /** Where it keeps its data, for those who want to damage them. */
  readonly directory: string;
  /** Stops it; its data stay until it is disposed of. */
  stop(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
}

/** Starts one, with an empty directory of its own, or in a given one that stays. */
export async function startServer(kind: ServerKind, given?: string): Promise<S3Server> {
  const program = await buildServer(kind);
  const [port = 0, spare = 0] = await freePorts(2);
  const directory = given ?? mkdtempSync(join(tmpdir(), `${kind.name}-`));
  const keys = { accessKeyId: randomBytes(8).toString("hex"), secretAccessKey: randomBytes(16).toString("hex") };
  const endpoint = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  const stop = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const gone = new Promise((resolve) => running.once("exit", resolve));
    running.kill("SIGKILL");
    await gone;
  };
  const start = async (): Promise<void> => {
    child = spawn(program, kind.args({ directory, port, spare }), {
      env: { ...process.env, ...kind.env(keys) },
      stdio: "ignore",
    });
    started.add(child);
    child.once("exit", () => started.delete(child as ChildProcess));
    await ready(child, `${endpoint}${kind.healthPath}`, kind.name);
  };
  await start();
  return {
    kind: kind.name,
    endpoint,
    keys,
    directory,
    stop,
    start,
    [Symbol.asyncDispose]: async () => {
      await stop();
      if (given === undefined) rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function ready(child: ChildProcess, url: string, name: string): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok === true) return;
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
    if (performance.now() > deadline) throw new Error(`${name} does not answer after ${READY_TIMEOUT_MS} ms`);
    await delay(READY_POLL_MS);
  }
}

/** Servers must not outlive the test process. */
const started = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of started) child.kill("SIGKILL");
});
