/**
 * User names and passwords (RFC 7617), checked against scrypt hashes.
 *
 * Thread: worker. One check takes a core for tens of milliseconds on purpose. So results are
 * remembered for some time under a keyed hash, only a few checks run at a time, and when a short
 * queue is full further ones are refused: a stranger who guesses passwords cannot use up all CPU
 * time. A check of an unknown user takes as long as one of a known user: where users have hashes of
 * different costs, as long as that of one of them, and the same one each time, in every worker.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { assert, defined } from '../../base/assert.js';
import { type PasswordHash, parsePasswordHash } from '../../base/password-hash.js';
import {
  ABSENT,
  type AuthenticationRequest,
  type AuthenticationResult,
  type Authenticator,
  type Identity,
  refused,
  schemeValue,
  unavailable,
} from './authenticator.js';
import { ExpiringMemory } from './expiring-memory.js';
import { makeIdentity } from './identity.js';
import type { CompiledBasicAuthenticator } from './options.js';
import { isPassword, NO_PASSWORD, PASSWORD_BYTES_MAX } from './password-hash.js';
import { WorkQueue } from './work-queue.js';

const REMEMBERED_MAX = 1024;
const REMEMBERED_SECONDS = 300;
/** A wrong password that is sent again and again is checked once in this time. */
const REFUSED_SECONDS = 10;
const CHECKS_AT_ONCE = 2;
const CHECKS_WAITING_MAX = 32;

const WRONG = refused('the user name or the password is wrong');
const TOO_MANY = unavailable('too many passwords are being checked');

interface User {
  readonly hash: PasswordHash;
  readonly identity: Identity;
}

export class BasicAuthenticator implements Authenticator {
  readonly name: string;
  readonly challenge = 'Basic realm="sluice", charset="UTF-8"';
  readonly isBearer = false;
  readonly ownedFields: readonly string[];
  readonly stripsAuthorization: boolean;
  readonly readsAuthorization = true;

  private readonly users = new Map<string, User>();
  /** For names of nobody: hashes that cost as much as those of the users. */
  private readonly absent: PasswordHash[] = [];
  /** Of all hashes of the users: no stranger knows it, and every worker has the same. */
  private readonly absentKey: Buffer;
  private readonly secret = randomBytes(32);
  private readonly accepted = new ExpiringMemory<AuthenticationResult>(REMEMBERED_MAX);
  /** Separate from accepted passwords, so that guesses do not push these out. */
  private readonly wrong = new ExpiringMemory<AuthenticationResult>(REMEMBERED_MAX);
  private readonly checks = new WorkQueue(CHECKS_AT_ONCE, CHECKS_WAITING_MAX);
  /** By digest: checks that are under way. A client with many requests at once is checked once. */
  private readonly asked = new Map<string, Promise<AuthenticationResult>>();

  constructor(config: CompiledBasicAuthenticator) {
    this.name = config.name;
    this.ownedFields = config.claimHeaders.map(([header]) => header);
    this.stripsAuthorization = !config.forwardCredentials;
    const digest = createHash('sha256');
    for (const { id, passwordHash, scopes } of config.users) {
      const hash = parsePasswordHash(passwordHash);
      assert(typeof hash !== 'string', 'a hash in the configuration was checked');
      const claims = { sub: id, scope: scopes.join(' ') };
      const identity = defined(makeIdentity(id, claims, config), 'the identity of a bounded user');
      this.users.set(id.normalize('NFC'), { hash, identity });
      this.absent.push({ ...hash, hash: Buffer.alloc(hash.hash.length) });
      digest.update(hash.hash);
    }
    this.absentKey = digest.digest();
  }

  /** What a password of nobody is checked against. */
  private absentHash(name: string): PasswordHash {
    const number = createHmac('sha256', this.absentKey).update(name).digest().readUInt32BE(0);
    return this.absent[number % this.absent.length] ?? NO_PASSWORD;
  }

  authenticate(
    { fields }: AuthenticationRequest,
    unixSeconds: number,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const encoded = schemeValue(fields.authorization, 'basic ');
    if (encoded === '') return ABSENT;
    if (encoded.length > 2 * PASSWORD_BYTES_MAX) return WRONG;
    const digest = createHmac('sha256', this.secret).update(encoded).digest('binary');
    const known = this.accepted.get(digest, unixSeconds) ?? this.wrong.get(digest, unixSeconds);
    return known ?? this.asked.get(digest) ?? this.check(encoded, digest, unixSeconds);
  }

  private check(
    encoded: string,
    digest: string,
    unixSeconds: number,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const text = Buffer.from(encoded, 'base64').toString('utf8');
    const mark = text.indexOf(':');
    if (mark < 1) return WRONG;
    const name = text.slice(0, mark).normalize('NFC');
    const user = this.users.get(name);
    const hash = user?.hash ?? this.absentHash(name);
    const password = text.slice(mark + 1);
    const started = this.checks.run(async () => {
      const isRight = await isPassword(password, hash);
      if (!isRight || user === undefined) {
        this.wrong.set(digest, WRONG, { expiresAt: unixSeconds + REFUSED_SECONDS });
        return WRONG;
      }
      const result: AuthenticationResult = { verdict: 'accepted', identity: user.identity };
      this.accepted.set(digest, result, { expiresAt: unixSeconds + REMEMBERED_SECONDS });
      return result;
    });
    if (started === null) return TOO_MANY;
    const result = started.finally(() => this.asked.delete(digest));
    this.asked.set(digest, result);
    return result;
  }
}
