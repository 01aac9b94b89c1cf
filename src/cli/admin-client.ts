/**
 * Asks a running gateway through its admin listener.
 *
 * Thread: supervisor (on the main thread). The address and the token come from the options, from
 * the environment, or from the configuration file, in this order.
 */

import { ConfigError } from '../config/check/config-error.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { loadForCommand } from './command-config.js';
import { type CommandArguments, type CommandIo, UsageError } from './command-io.js';

/** The environment variable that holds the token of the running gateway. */
export const TOKEN_VARIABLE = 'GATEWAY_ADMIN_TOKEN';

const ANSWER_MS_MAX = 30_000;

export interface AdminAnswer {
  readonly status: number;
  /** The JSON object of the reply; empty when the reply has none. */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface AdminQuestion {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
}

/** No gateway answered. */
export class AdminUnreachableError extends Error {
  override readonly name = 'AdminUnreachableError';
}

/**
 * Sends a POST to a path. Throws UsageError or ConfigError when the address or the token is not
 * known, and {@link AdminUnreachableError} when no gateway answers.
 */
export function postToAdmin(
  path: string,
  args: CommandArguments,
  io: CommandIo,
): Promise<AdminAnswer> {
  return askAdmin({ method: 'POST', path }, args, io);
}

/** Reads a page. Throws what {@link postToAdmin} does. */
export function readFromAdmin(
  path: string,
  args: CommandArguments,
  io: CommandIo,
): Promise<AdminAnswer> {
  return askAdmin({ method: 'GET', path }, args, io);
}

/** Sends a request. Throws what {@link postToAdmin} does. */
export async function askAdmin(
  { method, path, body }: AdminQuestion,
  args: CommandArguments,
  io: CommandIo,
): Promise<AdminAnswer> {
  const { url, token } = findAdmin(args, io);
  return send(url, path, {
    method,
    headers: { authorization: `Bearer ${requireToken(token)}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/** Reads a page that needs no token. Throws {@link AdminUnreachableError}. */
export function readOpenPage(path: string, { url }: AdminPlace): Promise<AdminAnswer> {
  return send(url, path, {});
}

async function send(url: string, path: string, init: RequestInit): Promise<AdminAnswer> {
  try {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    const reply = await fetch(new URL(path, url), { ...init, signal });
    return { status: reply.status, body: parseObject(await reply.text()) };
  } catch (error) {
    throw new AdminUnreachableError(`no answer from the gateway at ${url}: ${causeOf(error)}`);
  }
}

/** Says on stderr that this is not the answer that was asked for. */
export function reportUnexpected({ status, body }: AdminAnswer, io: CommandIo): void {
  const hint =
    status === 401 ? `; set ${TOKEN_VARIABLE} to the token that the gateway runs with` : '';
  const detail = body['detail'] ?? 'no detail';
  io.stderr.write(`sluice: the gateway answered ${status}: ${detail}${hint}\n`);
}

/** Where a gateway is asked, and by which token; '': none is known. */
export interface AdminPlace {
  readonly url: string;
  readonly token: string;
}

/** Throws UsageError or ConfigError when the address is not known. */
export function findAdmin(args: CommandArguments, io: CommandIo): AdminPlace {
  const given = io.env[TOKEN_VARIABLE] ?? '';
  if (args.admin !== undefined) return { url: adminUrl(args.admin), token: given };
  const { admin } = loadWithHint(args, io);
  if (admin.port === 0) {
    throw new UsageError('admin.port is 0: name the address with --admin URL');
  }
  return {
    url: `http://${hostOf(admin.host)}:${admin.port}`,
    token: given === '' ? admin.token : given,
  };
}

/** The gateway may run with an older file, or with variables that are not set for this command. */
function loadWithHint(args: CommandArguments, io: CommandIo): CompiledConfig {
  if (args.configFile === undefined) {
    throw new UsageError('name the gateway: --admin URL, or its file with -c FILE');
  }
  try {
    return loadForCommand(args, io);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const hint = `with ${TOKEN_VARIABLE} and --admin URL this command needs no file`;
    throw new UsageError(`${error.message}\n${hint}`);
  }
}

/** What no field of a request can have in its middle; its end may have a line break. */
const NO_FIELD_TEXT = /[^\t\x20-\x7e\x80-\xff]/;

function requireToken(token: string): string {
  // Here, since `fetch` would show it.
  if (NO_FIELD_TEXT.test(token.replace(/[\t\n\r ]+$/, ''))) {
    throw new UsageError(
      `the token (admin.token in the file, or ${TOKEN_VARIABLE}) has a line break or a character ` +
        'that no request can carry',
    );
  }
  if (token !== '') return token;
  throw new UsageError(`there is no token: set admin.token in the file, or ${TOKEN_VARIABLE}`);
}

/** The URL that `--admin` names; `127.0.0.1:9901` is enough. Throws UsageError. */
export function adminUrl(text: string): string {
  if (text.includes('@')) {
    // It may be a password, so that it is not repeated.
    throw new UsageError(`--admin takes no user and password: ${TOKEN_VARIABLE} has the token`);
  }
  const url = text.includes('://') ? text : `http://${text}`;
  if (URL.canParse(url) && /^https?:/.test(url)) return url;
  throw new UsageError(`--admin takes a URL such as http://127.0.0.1:9901, not "${text}"`);
}

/** The host to connect to from this machine: an address that means all interfaces is no target. */
function hostOf(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || String(cause) : String(cause);
}

function parseObject(text: string): AdminAnswer['body'] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
