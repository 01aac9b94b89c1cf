/**
 * `sluice keys` against the admin listener and the keys of a gateway, on a port of their own.
 */
import { createHash } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdminAccess } from '../../src/admin/admin-access.js';
import { AdminListener } from '../../src/admin/admin-listener.js';
import { type KeysOfGateway, keyHandlers } from '../../src/admin/handlers/key-handlers.js';
import { systemClock } from '../../src/base/clock.js';
import { runCommandLine } from '../../src/cli/command-line.js';
import { Announcements } from '../../src/supervisor/announcements.js';
import { ApiKeys } from '../../src/supervisor/api-keys/api-keys.js';
import { LocalKeys } from '../../src/supervisor/api-keys/local-keys.js';
import { capturedIo } from '../unit/cli/captured-io.js';

const TOKEN = 'the-token-of-the-gateway';
const HOST = '127.0.0.1';
const SECRET = /^slk_([0-9a-f]{16})_[\w-]{43}$/;

describe('sluice keys', () => {
  const own = new ApiKeys({
    storage: new LocalKeys(''),
    events: null,
    announcements: new Announcements(systemClock),
    broadcast: () => 0,
    clock: systemClock,
    logger: pino({ level: 'silent' }),
  });
  let keys: KeysOfGateway | null = own;
  let names: string[] = ['partners'];
  const control = { authenticators: () => names, keys: () => keys };
  const access = new AdminAccess({ host: HOST, allowedHosts: [], token: TOKEN } as never);
  const problems: unknown[] = [];
  const listener = new AdminListener(keyHandlers(control), access, (one) => problems.push(one));
  let url = '';

  beforeAll(async () => {
    await own.start();
    url = `http://${HOST}:${await listener.listen({ host: HOST, port: 0 })}`;
  });

  afterAll(() => {
    listener.close();
    own.stop();
    expect(problems).toEqual([]);
  });

  async function call(argv: readonly string[], env: Record<string, string> = {}) {
    const io = capturedIo({ GATEWAY_ADMIN_TOKEN: TOKEN, ...env });
    const code = await runCommandLine(['keys', ...argv, '--admin', url], io, async () => 0);
    return { code, out: io.out(), err: io.err() };
  }

  /** Makes a key, and gives back its id. */
  async function made(consumer: string): Promise<string> {
    const { out } = await call(['create', '--consumer', consumer]);
    return SECRET.exec(out.trimEnd())?.[1] ?? '';
  }

  /** As the gateway knows it. */
  const keyOf = (id: string) => own.list().find((one) => one.id === id);

  it('prints a key that it makes on stdout, and nothing else there', async () => {
    const wish = ['--consumer', 'acme', '--scope', 'a:read', '--scope', 'b', '--expires', '90d'];
    const { code, out, err } = await call(['create', ...wish]);
    expect(code).toBe(0);
    const secret = out.slice(0, -1);
    expect(out).toBe(`${secret}\n`);
    const id = SECRET.exec(secret)?.[1] ?? '';
    expect(err).toMatch(new RegExp(`^key ${id} of acme for partners, until \\d{4}-.*\n$`));
    expect(err).not.toContain(secret);
    const key = keyOf(id);
    expect(key).toMatchObject({ consumer: 'acme', scopes: ['a:read', 'b'] });
    expect((key?.expiresMs ?? 0) - (key?.createdMs ?? 0)).toBe(90 * 86_400_000);
    const sha256 = createHash('sha256').update(secret).digest('hex');
    expect(key?.secrets).toEqual([{ sha256, untilMs: null }]);
  });

  it('lists keys without what they could be used by', async () => {
    const id = await made('lists');
    const { code, out, err } = await call(['list']);
    expect([code, err]).toEqual([0, '']);
    const [head, ...rows] = out.trimEnd().split('\n');
    expect(head).toMatch(/^ID +CONSUMER +AUTHENTICATOR +SCOPES +CREATED +EXPIRES$/);
    const row = rows.find((one) => one.startsWith(id));
    expect(row).toMatch(/^[0-9a-f]{16} +lists +partners +- +\d{4}-\d\d-\d\dT\S+Z +-$/);
    const json = await call(['list', '--json']);
    expect(JSON.parse(json.out)).toMatchObject({ kept: 'memory', known: true });
    expect(`${out}${json.out}`).not.toMatch(/slk_[0-9a-f]{16}_[\w-]|sha256/);
  });

  it('rotates, at once or with a time of grace, and takes back', async () => {
    const id = await made('rotates');
    const before = keyOf(id)?.secrets;
    const { code, out } = await call(['rotate', id, '--grace', '1h', '--json']);
    expect(code).toBe(0);
    const { key } = JSON.parse(out) as { key: string };
    expect(SECRET.exec(key)?.[1]).toBe(id);
    expect(keyOf(id)?.secrets.map(({ sha256 }) => sha256)).toContain(before?.[0]?.sha256);
    const plain = await call(['rotate', id]);
    expect(plain.out).toMatch(/^slk_\S+\n$/);
    expect(keyOf(id)?.secrets.length).toBe(1);
    expect(await call(['revoke', id])).toEqual({
      code: 0,
      out: `key ${id} is taken back\n`,
      err: '',
    });
    expect(keyOf(id)).toBe(undefined);
    const gone = await call(['revoke', id]);
    expect([gone.code, gone.out]).toEqual([2, '']);
    expect(gone.err).toContain('there is no such key');
    expect((await call(['rotate', id])).code).toBe(2);
  });

  it('says which gateways may not know of a change; a key taken back is then no success', async () => {
    const id = await made('spreads');
    const key = keyOf(id);
    if (key === undefined) throw new Error('there is no key');
    const done = async (spread: object) => ({
      ...{ kind: 'done' as const, key, secret: 'slk_made' },
      spread: { acknowledged: [], missing: [], trouble: '', ...spread },
    });
    const answers = (spread: object, state = { kept: 'store', isKnown: true }): KeysOfGateway => ({
      ...{ state, list: () => [] },
      create: () => done(spread),
      rotate: () => done(spread),
      revoke: () => done(spread),
    });
    keys = answers({ missing: ['b/1', 'c/2'] });
    const created = await call(['create', '--consumer', 'a']);
    expect([created.code, created.out]).toEqual([0, 'slk_made\n']);
    expect(created.err).toContain('not acknowledged by b/1, c/2;');
    expect((await call(['revoke', id])).code).toBe(1);
    keys = answers({ trouble: 'the store is lost' });
    const revoked = await call(['revoke', id]);
    expect(revoked.code).toBe(1);
    expect(revoked.err).toContain('other gateways (the store is lost)');
    keys = answers({}, { kept: 'store', isKnown: false });
    const listed = await call(['list']);
    expect(listed.code).toBe(1);
    expect(listed.err).toContain('does not reach the store');
    const lost = async () => ({ kind: 'lost' as const, reason: 'gone' });
    keys = { ...answers({}), create: lost };
    const failed = await call(['create', '--consumer', 'a']);
    expect([failed.code, failed.out]).toEqual([1, '']);
    expect(failed.err).toContain('the gateway answered 503');
    keys = null;
    expect((await call(['list'])).code).toBe(2);
    keys = own;
  });

  it('fails with 1 where no gateway answers, or not to this token', async () => {
    const gone = capturedIo({ GATEWAY_ADMIN_TOKEN: TOKEN });
    const argv = ['keys', 'list', '--admin', 'http://127.0.0.1:1'];
    expect(await runCommandLine(argv, gone, async () => 0)).toBe(1);
    expect(gone.err()).toContain('no answer from the gateway');
    const { code, err } = await call(['list'], { GATEWAY_ADMIN_TOKEN: 'a-token-of-another' });
    expect(code).toBe(1);
    expect(err).toContain('set GATEWAY_ADMIN_TOKEN');
  });

  it.each([
    [[], 'keys takes create, list, rotate ID or revoke ID'],
    [['constructor'], 'keys takes create, list, rotate ID or revoke ID'],
    [['create'], 'needs --consumer ID'],
    [['create', 'x', '--consumer', 'a'], 'keys create takes no ID'],
    [['create', '--consumer', 'a', '--grace', '1h'], 'the option --grace is for keys rotate'],
    [['list', '--scope', 'a'], 'the option --scope is for keys create'],
    [['rotate'], 'keys rotate needs the ID of a key'],
    [['revoke', 'slk_00'], 'keys revoke needs the ID of a key'],
    [['revoke', '../stats'], 'keys revoke needs the ID of a key'],
  ])('%j exits with 2, asks nobody, and says why', async (argv, message) => {
    const { code, out, err } = await call(argv);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
  });

  it('passes on what the gateway refuses, with 2', async () => {
    names = ['partners', 'others'];
    const { code, err } = await call(['create', '--consumer', 'a']);
    names = ['partners'];
    expect(code).toBe(2);
    expect(err).toContain('"authenticator", which it must have where several');
    const wrong = await call(['create', '--consumer', 'a', '--expires', 'soon']);
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain('"expiresIn"');
  });
});
