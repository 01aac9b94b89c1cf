/**
 * Certificates that are exchanged again and again under load, in both ways in which files are, with
 * pairs that do not fit in between. Forbidden: a request or a handshake that fails, a client that
 * is shown what its authority did not sign, a bad pair that is told twice or not at all.
 *
 * The long form exchanges them 100 times.
 */
import { X509Certificate } from 'node:crypto';
import { Agent } from 'node:https';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { answerAfter, FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { Load } from '../support/load.js';
import { IS_LONG } from '../support/long-form.js';
import { PairFiles } from '../support/pair-files.js';
import { TestAuthority } from '../support/test-authority.js';
import type { TestCertificate } from '../support/test-certificate.js';
import { askSecurely } from '../support/tls-client.js';

const SWAPS = IS_LONG ? 100 : 5;
/** Before each of these a pair comes that does not fit. */
const BAD_EVERY = 3;
const NAMES = ['renamed.test', 'linked.test'] as const;

let authorities: readonly TestAuthority[];
let all: string[];
let files: readonly PairFiles[];
let upstream: FakeUpstream;
let gateway: GatewayProcess;

beforeAll(() => {
  authorities = [new TestAuthority('first'), new TestAuthority('second')];
  all = authorities.map(({ cert }) => cert);
});

afterAll(() => {
  for (const authority of authorities) authority.remove();
});

afterEach(async () => {
  await gateway.kill();
  await upstream.close();
  for (const pair of files) pair.remove();
});

const authorityOf = (swap: number): TestAuthority => authorities[swap % 2] as TestAuthority;

/** Each is signed by another authority than the one before, and every second has an RSA key. */
function certificateOf(name: string, swap: number): TestCertificate {
  const kind = swap % 4 < 2 ? 'ec' : 'rsa';
  return authorityOf(swap).sign({ names: `DNS:${name}`, subject: `/CN=${name}`, kind });
}

async function start(): Promise<void> {
  upstream = await FakeUpstream.start(answerAfter(50));
  files = [
    new PairFiles('rename', certificateOf(NAMES[0], 0)),
    new PairFiles('link', certificateOf(NAMES[1], 0)),
  ];
  const certificates = files.map(({ cert, key }) => ({ cert, key }));
  const listen = { port: 0, engine: 'wire', tls: { certificates } };
  const top = { workers: 1, listen, logging: { accessLog: false } };
  gateway = await GatewayProcess.start(aConfig([upstream.url], { top }));
}

/** For each name clients that keep their connection, that resume their session, that do neither. */
function begin(): Load[] {
  return NAMES.flatMap((servername) =>
    [
      { keepAlive: true },
      { keepAlive: false },
      { keepAlive: false, maxCachedSessions: 0, maxVersion: 'TLSv1.2' as const },
    ].map((kind) => {
      const agent = new Agent({ ca: all, servername, maxSockets: 2, ...kind });
      return new Load(`https://127.0.0.1:${gateway.port}/`, 2, () => {}, agent);
    }),
  );
}

const refusals = (): number =>
  gateway.find('a file of TLS was refused, the old one stays in use').length;

async function isShown(name: string, wanted: string): Promise<void> {
  await eventually(`the new certificate of ${name}`, async () => {
    const { status, fingerprint } = await askSecurely(gateway.port, { servername: name, ca: all });
    return status === 200 && fingerprint === wanted;
  });
}

it('no client notices, and what comes last is shown', { timeout: 600_000 }, async () => {
  await start();
  const loads = begin();
  let bad = 0;
  for (let swap = 1; swap <= SWAPS; swap++) {
    const next = NAMES.map((name) => certificateOf(name, swap));
    if (swap % BAD_EVERY === 0) {
      for (const [at, pair] of files.entries()) {
        const { cert } = next[at] as TestCertificate;
        pair.put({ cert, key: certificateOf('other.test', swap).key });
      }
      bad += files.length;
      await eventually('both are told', () => refusals() >= bad);
      await eventually('requests go on', () => hasGoneOn(loads));
    }
    for (const [at, pair] of files.entries()) pair.put(next[at] as TestCertificate);
    for (const [at, name] of NAMES.entries()) {
      const wanted = new X509Certificate(next[at]?.cert ?? '').fingerprint256;
      await isShown(name, wanted);
    }
  }
  await eventually('requests go on', () => hasGoneOn(loads));
  await Promise.all(loads.map((load) => load.stop()));
  expect(loads.flatMap(({ others }) => others.map(({ cause }) => cause))).toEqual([]);
  // Clients that keep their connection were never sent away.
  expect([loads[0]?.connections, loads[3]?.connections]).toEqual([2, 2]);
  expect(refusals()).toBe(bad);
  const replaced = (): number => gateway.find('certificates replaced').length;
  await eventually('the log tells of each', () => replaced() >= SWAPS);
  expect(await handshakes()).toEqual(['done']);
  for (const servername of NAMES) {
    const [last, before] = [SWAPS, SWAPS + 1].map((swap) => authorityOf(swap).cert);
    const ask = (ca = '') => askSecurely(gateway.port, { servername, ca });
    expect(await ask(last)).toMatchObject({ status: 200 });
    await expect(ask(before)).rejects.toThrow();
  }
  if (!IS_LONG) return;
  const text = loads.map(({ replies, connections }) => `${replies} by ${connections}`).join(', ');
  console.log(
    `${SWAPS} swaps of two pairs, ${bad} that did not fit; replies by connections: ${text}`,
  );
});

/** What became of handshakes so far. */
async function handshakes(): Promise<string[]> {
  const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const lines = metrics.matchAll(/gateway_tls_handshakes_total\{[^}]*outcome="([^"]+)"/g);
  return [...lines].map(([, outcome = '']) => outcome);
}

/** Each of them has had replies since the last time. */
const seen = new Map<Load, number>();
function hasGoneOn(loads: readonly Load[]): boolean {
  const isOn = loads.every((load) => load.count(200) > (seen.get(load) ?? 0));
  if (isOn) for (const load of loads) seen.set(load, load.count(200));
  return isOn;
}
