import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { compileHmac } from '../../../../../src/config/compile/compile-hmac.js';
import type { HmacAuthenticatorConfig } from '../../../../../src/config/gateway-config.js';
import { HmacAuthenticator } from '../../../../../src/filters/authentication/hmac/hmac-authenticator.js';
import { aRequest } from '../../../../support/authentication-request.js';

const NOW = 1_800_000_000;
const SECRET = 'a secret that both of them know';
const BODY = '{"action":"opened"}';

type Fields = readonly (readonly [name: string, value: string])[];

function verdictOf(
  config: Omit<HmacAuthenticatorConfig, 'type' | 'secrets'> & {
    readonly secrets?: readonly string[];
  },
  fields: Fields,
  body = BODY,
) {
  const compiled = compileHmac({ type: 'hmac', secrets: [SECRET], ...config }, 'hook');
  const common = { index: 0, name: 'hook', claimHeaders: [], forwardCredentials: true };
  const authenticator = new HmacAuthenticator({ ...common, ...compiled });
  return authenticator.authenticate(aRequest({ fields, body }), NOW);
}

function hex(text: string, secret = SECRET): string {
  return createHmac('sha256', secret).update(text).digest('hex');
}

describe('a webhook of GitHub', () => {
  const github = { format: 'github' } as const;

  it('is accepted with the example of its documentation', () => {
    const secrets = ["It's a Secret to Everybody"];
    const sum = '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
    const fields: Fields = [['x-hub-signature-256', `sha256=${sum}`]];
    const result = verdictOf({ ...github, secrets }, fields, 'Hello, World!');
    expect(result).toMatchObject({ verdict: 'accepted', identity: { consumer: 'hook' } });
  });

  it('is accepted with either secret while one is changed', () => {
    const secrets = ['the new secret of both', SECRET];
    const fields: Fields = [['x-hub-signature-256', `sha256=${hex(BODY)}`]];
    expect(verdictOf({ ...github, secrets }, fields).verdict).toBe('accepted');
  });

  it.each([
    ['another body', [['x-hub-signature-256', `sha256=${hex('x')}`]]],
    ['another secret', [['x-hub-signature-256', `sha256=${hex(BODY, 'x'.repeat(20))}`]]],
    ['no prefix', [['x-hub-signature-256', hex(BODY)]]],
    ['half of it', [['x-hub-signature-256', `sha256=${hex(BODY).slice(0, 32)}`]]],
    ['nothing', [['x-hub-signature-256', '']]],
    ['what is not hexadecimal', [['x-hub-signature-256', `sha256=${hex(BODY)}zz`]]],
    [
      'two of them',
      [
        ['x-hub-signature-256', `sha256=${hex(BODY)}`],
        ['x-hub-signature-256', `sha256=${hex('x')}`],
      ],
    ],
  ] as const)('is refused with the signature of %s', (_, fields) => {
    expect(verdictOf(github, fields).verdict).toBe('refused');
  });

  it('is somebody else without a signature', () => {
    expect(verdictOf(github, []).verdict).toBe('absent');
    // The older one is of SHA-1.
    expect(verdictOf(github, [['x-hub-signature', `sha1=${hex(BODY)}`]]).verdict).toBe('absent');
  });
});

describe('a webhook of Stripe', () => {
  const stripe = { format: 'stripe' } as const;
  const signed = (at: number, body = BODY): string => `t=${at},v1=${hex(`${at}.${body}`)}`;
  const verdict = (value: string): string =>
    verdictOf(stripe, [['stripe-signature', value]]).verdict;

  it('is accepted within five minutes, either way', () => {
    for (const age of [0, 300, -300]) expect(verdict(signed(NOW - age))).toBe('accepted');
    for (const age of [301, -301, 100_000]) expect(verdict(signed(NOW - age))).toBe('refused');
  });

  it('is accepted with one of several signatures', () => {
    expect(verdict(`${signed(NOW)},v1=${'0'.repeat(64)},v0=abc`)).toBe('accepted');
    expect(verdict(`t=${NOW},v1=${'0'.repeat(64)},v1=${hex(`${NOW}.${BODY}`)}`)).toBe('accepted');
  });

  it('is refused when its time is not the one that was signed', () => {
    expect(verdict(signed(NOW - 1000).replace(String(NOW - 1000), String(NOW)))).toBe('refused');
    for (const value of [
      `t=${NOW}`,
      `v1=${hex(BODY)}`,
      `t=${NOW},t=${NOW},v1=${hex(`${NOW}.${BODY}`)}`,
      `t=${NOW},v0=${hex(`${NOW}.${BODY}`)}`,
      `t=1e9,v1=${hex(`1e9.${BODY}`)}`,
      `t=${NOW}${',v1=00'.repeat(9)}`,
    ]) {
      expect([value, verdict(value)]).toEqual([value, 'refused']);
    }
  });
});

describe('a webhook of Slack', () => {
  it('is accepted with the example of its documentation, while that was new', () => {
    const body =
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V' +
      '&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=' +
      '&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN' +
      '&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
    const sum = 'a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503';
    const fields: Fields = [
      ['x-slack-signature', `v0=${sum}`],
      ['x-slack-request-timestamp', '1531420618'],
    ];
    const config = { format: 'slack', secrets: ['8f742231b10e8888abcd99yyyzzz85a5'] } as const;
    // All of it fits but the time.
    expect(verdictOf(config, fields, body)).toMatchObject({
      verdict: 'refused',
      reason: 'the signature is too old, or of a time to come',
    });
    expect(verdictOf(config, fields, `${body}x`)).toMatchObject({
      reason: 'the signature is not that of the body',
    });
  });

  it('is accepted now', () => {
    const fields: Fields = [
      ['x-slack-signature', `v0=${hex(`v0:${NOW}:${BODY}`)}`],
      ['x-slack-request-timestamp', String(NOW)],
    ];
    expect(verdictOf({ format: 'slack' }, fields).verdict).toBe('accepted');
    expect(verdictOf({ format: 'slack' }, fields.slice(0, 1)).verdict).toBe('refused');
  });
});

describe('a standard webhook', () => {
  const key = Buffer.alloc(24, 7);
  const config = { format: 'standard', secrets: [`whsec_${key.toString('base64')}`] } as const;
  const sum = createHmac('sha256', key).update(`msg_1.${NOW}.${BODY}`).digest('base64');

  it('is accepted with its id and its time', () => {
    const fields: Fields = [
      ['webhook-id', 'msg_1'],
      ['webhook-timestamp', String(NOW)],
      ['webhook-signature', `v1a,xyz v1,${Buffer.alloc(32).toString('base64')} v1,${sum}`],
    ];
    expect(verdictOf(config, fields).verdict).toBe('accepted');
    const other = fields.map(([name, value]) => [name, name === 'webhook-id' ? 'msg_2' : value]);
    expect(verdictOf(config, other as unknown as Fields).verdict).toBe('refused');
  });
});

describe('any other sender', () => {
  it('signs as the configuration says', () => {
    const plain = {
      format: 'plain',
      header: 'X-Sum',
      prefix: 'v=',
      encoding: 'base64',
      algorithm: 'sha512',
      timestampHeader: 'X-Time',
      consumer: 'shop',
      scopes: ['orders'],
    } as const;
    const sum = createHmac('sha512', SECRET).update(`${NOW}.${BODY}`).digest('base64');
    const fields: Fields = [
      ['x-sum', `v=${sum}`],
      ['x-time', String(NOW)],
    ];
    expect(verdictOf(plain, fields)).toMatchObject({
      verdict: 'accepted',
      identity: { consumer: 'shop', scopes: new Set(['orders']) },
    });
    expect(verdictOf(plain, [['x-sum', `v=${sum}`]]).verdict).toBe('refused');
  });
});
