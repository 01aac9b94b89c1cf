/**
 * `sluice token`: makes a token that the gateway accepts, so that users can try protected routes.
 *
 * Thread: supervisor (on the main thread).
 */
import { SignJWT } from 'jose/jwt/sign';
import { formatDuration, parseDurationMs } from '../base/quantities.js';
import { suggestName } from '../config/check/nearest-name.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import type { CompiledJwtAuthenticator } from '../filters/authentication/options.js';
import { loadForCommand } from './command-config.js';
import {
  type CommandArguments,
  type CommandIo,
  EXIT_OK,
  type ExitCode,
  UsageError,
} from './command-io.js';
import { reportErrors } from './report-error.js';

const EXPIRES_DEFAULT = '60m';
const EXPIRES_MS_MIN = 1000;
/** A year. Nobody can revoke such a token, so its life has a bound. */
const EXPIRES_MS_MAX = 8760 * 3_600_000;

/** Claims that come from the options and the configuration. */
const RESERVED_CLAIMS: ReadonlySet<string> = new Set(['sub', 'iss', 'aud', 'iat', 'exp']);

/** What a token says. */
export interface TokenContents {
  readonly sub: string;
  /** Wall time at which the token is issued, in whole seconds. */
  readonly issuedAtSeconds: number;
  readonly expiresInSeconds: number;
  /** Other claims by name. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** Prints only the token, so that a shell can assign it to a variable. */
export function tokenCommand(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, async () => {
    const contents = readContents(args, io.clock.unixMs());
    const authenticator = chooseAuthenticator(loadForCommand(args, io), args.authenticator);
    io.stdout.write(`${await signToken(authenticator, contents)}\n`);
    return EXIT_OK;
  });
}

/** Makes a token that this authenticator accepts. */
export function signToken(
  authenticator: CompiledJwtAuthenticator,
  contents: TokenContents,
): Promise<string> {
  const { issuedAtSeconds, expiresInSeconds } = contents;
  const token = new SignJWT({ ...contents.claims })
    .setProtectedHeader({ alg: authenticator.algorithms[0] ?? 'HS256', typ: 'JWT' })
    .setSubject(contents.sub)
    .setIssuedAt(issuedAtSeconds)
    .setExpirationTime(issuedAtSeconds + expiresInSeconds);
  if (authenticator.issuer !== '') token.setIssuer(authenticator.issuer);
  const [audience] = authenticator.audiences;
  if (audience !== undefined) token.setAudience(audience);
  return token.sign(new TextEncoder().encode(authenticator.secret));
}

function readContents(args: CommandArguments, unixMs: number): TokenContents {
  if (args.sub === undefined || args.sub === '') {
    throw new UsageError('token needs --sub ID, the caller that the token is for');
  }
  const expires = args.expires ?? EXPIRES_DEFAULT;
  const expiresMs = parseDurationMs(expires);
  if (expiresMs === undefined || expiresMs < EXPIRES_MS_MIN || expiresMs > EXPIRES_MS_MAX) {
    const range = `${formatDuration(EXPIRES_MS_MIN)} to ${formatDuration(EXPIRES_MS_MAX)}`;
    throw new UsageError(`--expires must be a duration from ${range}, not "${expires}"`);
  }
  return {
    sub: args.sub,
    issuedAtSeconds: Math.floor(unixMs / 1000),
    expiresInSeconds: Math.floor(expiresMs / 1000),
    claims: readClaims(args.claims),
  };
}

function readClaims(texts: readonly string[]): Record<string, unknown> {
  const claims = new Map<string, unknown>();
  for (const text of texts) {
    const mark = text.indexOf('=');
    if (mark < 1) throw new UsageError(`--claim must be NAME=VALUE, not "${text}"`);
    const name = text.slice(0, mark);
    if (RESERVED_CLAIMS.has(name)) {
      throw new UsageError(`the claim ${name} is set by the other options and the configuration`);
    }
    claims.set(name, claimValue(text.slice(mark + 1)));
  }
  return Object.fromEntries(claims);
}

/** The JSON value of the text (a number, true, a list); the text itself where it is not JSON. */
function claimValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Finds an authenticator with a secret: a public key only verifies, and cannot make a token. */
function chooseAuthenticator(
  { authenticators }: CompiledConfig,
  name: string | undefined,
): CompiledJwtAuthenticator {
  const able = authenticators.filter((each) => each.type === 'jwt').filter((each) => each.secret);
  const chosen = name === undefined ? able[0] : able.find((each) => each.name === name);
  if (chosen !== undefined) return chosen;
  if (authenticators.some((each) => each.name === name)) {
    throw new UsageError(`the authenticator "${name}" has no secret to make tokens with`);
  }
  const names = able.map((each) => each.name);
  if (name === undefined || names.length === 0) {
    throw new UsageError('the configuration has no jwt authenticator with a secret');
  }
  const hint = suggestName(name, names, 'authenticator');
  throw new UsageError(`unknown authenticator "${name}"${hint}`);
}
