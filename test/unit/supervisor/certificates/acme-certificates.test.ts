import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ListenerSettings } from '../../../../src/config/listener-settings.js';
import { AcmeCertificates } from '../../../../src/supervisor/certificates/acme-certificates.js';
import type {
  AcmeLibrary,
  AcmeOrderOptions,
} from '../../../../src/supervisor/certificates/acme-library.js';
import { AcmeStore } from '../../../../src/supervisor/certificates/acme-store.js';
import type { FurtherPairs } from '../../../../src/supervisor/certificates/certificates.js';
import { eventually } from '../../../support/eventually.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { A_LISTENER } from '../../../support/listener-settings.js';
import { recordingLogger } from '../../../support/recording-logger.js';
import { TestAuthority } from '../../../support/test-authority.js';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const authority = new TestAuthority();
afterAll(() => authority.remove());

let stateDir = '';
let clock: FakeClock;
let shown: FurtherPairs[];
let answers: string[];
let orders: { readonly options: AcmeOrderOptions; end(cert: string | Error): void }[];
let acme: AcmeCertificates;
/** The key of the order that is under way. */
let key = '';

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'sluice-acme-'));
  clock = new FakeClock();
  // Certificates of the test begin now.
  clock.time.ms = Date.now() - Date.UTC(2026, 0, 1);
  [shown, answers, orders] = [[], [], []];
  key = '';
  acme = create();
});

afterEach(() => {
  acme.stop();
  rmSync(stateDir, { recursive: true });
});

function create(): AcmeCertificates {
  return new AcmeCertificates({
    ...{ clock, random: () => 0, logger: recordingLogger() },
    load: async () => library(),
    show: (_listener, further) => void shown.push(further),
    tellAnswers: (all) => void answers.push([...all].join(' ')),
  });
}

function library(): AcmeLibrary {
  class Client {
    async auto(options: AcmeOrderOptions): Promise<string> {
      const authorization = { identifier: { value: 'a.test' } };
      const challenge = { type: 'http-01', token: 'token' };
      await options.challengeCreateFn(authorization, challenge, 'token.answer');
      return new Promise((resolve, reject) => {
        const end = (cert: string | Error): void => {
          if (cert instanceof Error) reject(cert);
          else resolve(cert);
        };
        orders.push({ options, end });
      });
    }
  }
  return {
    Client,
    axios: { defaults: {} },
    crypto: {
      createPrivateEcdsaKey: async () => Buffer.from(key === '' ? 'key' : key),
      createCsr: async (_data, own) => [own, Buffer.from('csr')],
      createAlpnCertificate: async () => [Buffer.alloc(0), ''],
    },
  };
}

function listener(index: number, name = 'a.test'): ListenerSettings {
  return {
    ...A_LISTENER,
    ...{ index, name: `l${index}` },
    tls: {
      certificates: [],
      ...{ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', ciphers: 'X', strictSni: false },
      ...{ spiffe: null, clientCertificates: null, tickets: { file: '', rotateMs: 1 } },
      acme: {
        ...{ email: 'a@b.test', names: [name], directory: 'https://ca.test/' },
        ...{ directoryCa: '', challenge: 'http-01' },
      },
    },
  };
}

/** Lets time pass until the next order is under way. */
async function nextOrder(ms: number): Promise<void> {
  const before = orders.length;
  clock.advance(ms);
  await eventually('an order', () => orders.length === before + 1);
}

async function endOrder(cert: string | Error): Promise<void> {
  const { ordered, failed } = acme.figures;
  orders.at(-1)?.end(cert);
  await eventually('the order is over', () => {
    return acme.figures.ordered + acme.figures.failed === ordered + failed + 1;
  });
}

const names = () => shown.at(-1)?.pairs.map((pair) => pair.names.join());

describe('a certificate by ACME', () => {
  it('is ordered at once, shown, stored, and renewed at two thirds of its life', async () => {
    const made = authority.sign({ names: 'DNS:a.test', days: 90 });
    ({ key } = made);
    await acme.adopt([listener(0)], stateDir);
    expect(names()).toEqual([]);
    await nextOrder(1);
    expect(answers).toEqual(['token,token.answer']);
    await endOrder(made.cert);
    expect(answers.at(-1)).toBe('');
    expect(names()).toEqual(['a.test']);
    clock.advance(59 * DAY);
    // It looks at the time still, and has ordered nothing.
    expect([clock.timerCount, orders.length]).toEqual([1, 1]);
    await nextOrder(2 * DAY);
    // The authority is down: what there is stays.
    await endOrder(new Error('503'));
    expect(names()).toEqual(['a.test']);
  });

  it('is renewed in time by a clock that is set while it waits', async () => {
    const made = authority.sign({ names: 'DNS:a.test', days: 90 });
    const one = listener(0);
    if (one.tls?.acme) await new AcmeStore(stateDir, one.tls.acme).savePair(made);
    await acme.adopt([one], stateDir);
    clock.setWall(66 * DAY);
    await nextOrder(3_600_000);
  });

  it('is not ordered again and again by a clock that is far ahead', async () => {
    const made = authority.sign({ names: 'DNS:a.test', days: 90 });
    ({ key } = made);
    clock.setWall(400 * DAY);
    await acme.adopt([listener(0)], stateDir);
    for (const [turn, minutes] of [5, 10].entries()) {
      await nextOrder(turn === 0 ? 1 : 5 * MINUTE);
      await endOrder(made.cert);
      expect(clock.nextDueMs - clock.time.ms).toBe(minutes * MINUTE);
    }
    // It is right again: so is what there is.
    clock.setWall(-400 * DAY);
    clock.advance(10 * MINUTE);
    expect(clock.nextDueMs - clock.time.ms).toBe(60 * MINUTE);
    expect(acme.figures).toEqual({ ordered: 2, failed: 0 });
  });

  it('is there at the next start', async () => {
    const made = authority.sign({ names: 'DNS:a.test', days: 90 });
    const one = listener(0);
    if (one.tls?.acme) await new AcmeStore(stateDir, one.tls.acme).savePair(made);
    await acme.adopt([one], stateDir);
    expect(names()).toEqual(['a.test']);
    clock.advance(DAY);
    expect([clock.timerCount, orders.length]).toEqual([1, 0]);
  });

  it('is ordered anew when what is stored is broken', async () => {
    const one = listener(0);
    if (one.tls?.acme === undefined || one.tls.acme === null) throw new Error('no acme');
    await new AcmeStore(stateDir, one.tls.acme).savePair({ cert: 'x', key: 'y' });
    await acme.adopt([one], stateDir);
    expect(names()).toEqual([]);
    await nextOrder(1);
  });

  it('is asked for again after pauses that double', async () => {
    await acme.adopt([listener(0)], stateDir);
    await nextOrder(1);
    for (const minutes of [5, 10, 20, 40, 80, 160, 320, 360, 360]) {
      await endOrder(new Error('no'));
      expect(clock.nextDueMs - clock.time.ms).toBe(minutes * MINUTE);
      await nextOrder(minutes * MINUTE);
    }
    expect(acme.figures).toEqual({ ordered: 0, failed: 9 });
  });

  it('is refused when it is for another name or key', async () => {
    const made = authority.sign({ names: 'DNS:b.test' });
    ({ key } = made);
    await acme.adopt([listener(0)], stateDir);
    await nextOrder(1);
    await endOrder(made.cert);
    expect(acme.figures.failed).toBe(1);
    expect(names()).toEqual([]);
    await nextOrder(6 * MINUTE);
    await endOrder(authority.sign({ names: 'DNS:a.test' }).cert);
    expect(acme.figures.failed).toBe(2);
  });

  it('is waited for by no other order than one, and for ten minutes at most', async () => {
    await acme.adopt([listener(0), listener(1, 'b.test')], stateDir);
    await nextOrder(1);
    clock.advance(9 * MINUTE);
    expect(orders).toHaveLength(1);
    await nextOrder(2 * MINUTE);
    expect(acme.figures.failed).toBe(1);
    await endOrder(new Error('no'));
  });

  it('is not ordered any more when the listener is gone', async () => {
    await acme.adopt([listener(0)], stateDir);
    await acme.adopt([], stateDir);
    clock.advance(DAY);
    expect([clock.timerCount, orders.length]).toEqual([0, 0]);
  });

  it('is shown no more when the listener is without ACME, and until then by other settings', async () => {
    const made = authority.sign({ names: 'DNS:a.test', days: 90 });
    const one = listener(0);
    if (one.tls?.acme === undefined || one.tls.acme === null) throw new Error('no acme');
    await new AcmeStore(stateDir, one.tls.acme).savePair(made);
    await acme.adopt([one], stateDir);
    const { tls } = one;
    await acme.adopt([{ ...one, name: 'renamed' }], stateDir);
    expect(shown.map(({ pairs }) => pairs.length)).toEqual([1, 1]);
    await acme.adopt([{ ...one, tls: { ...tls, acme: null } }], stateDir);
    expect(names()).toEqual([]);
    expect(clock.timerCount).toBe(0);
  });

  it('of other names stays until the one of the new names is issued', async () => {
    const made = authority.sign({ names: 'DNS:a.test', days: 90 });
    const one = listener(0);
    if (one.tls?.acme) await new AcmeStore(stateDir, one.tls.acme).savePair(made);
    await acme.adopt([one], stateDir);
    await acme.adopt([listener(0, 'b.test')], stateDir);
    expect(names()).toEqual(['a.test']);
    await nextOrder(1);
    await endOrder(new Error('no'));
    await acme.adopt([listener(0, 'c.test')], stateDir);
    expect(names()).toEqual(['a.test']);
    const newer = authority.sign({ names: 'DNS:c.test', days: 90 });
    ({ key } = newer);
    await nextOrder(1);
    await endOrder(newer.cert);
    expect(names()).toEqual(['c.test']);
  });

  it('needs a folder that it may write to', async () => {
    const file = join(stateDir, 'file');
    writeFileSync(file, '');
    await acme.adopt([listener(0)], file);
    clock.advance(1);
    await eventually('it has failed', () => acme.figures.failed === 1);
  });
});
