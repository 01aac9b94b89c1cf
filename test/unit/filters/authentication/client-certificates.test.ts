import { describe, expect, it } from 'vitest';
import { type ClientCertificate, thumbprintOf } from '../../../../src/base/client-certificate.js';
import { certificateText } from '../../../../src/channel/records/client-certificate.js';
import { CertificateAuthenticator } from '../../../../src/filters/authentication/certificate-authenticator.js';
import { JwtAuthenticator } from '../../../../src/filters/authentication/jwt-authenticator.js';
import type {
  CompiledCertificateAuthenticator,
  TokenBinding,
} from '../../../../src/filters/authentication/options.js';
import { describeAuthenticator } from '../../../contract/authenticator.contract.js';
import { aRequest } from '../../../support/authentication-request.js';
import { JWT_SECRET } from '../../../support/configs.js';
import { signHs256 } from '../../../support/hs256-token.js';

const NOW = Date.now() / 1000;

const CERTIFICATE: ClientCertificate = {
  sha256: 'ab'.repeat(32),
  subject: 'CN=billing,O=Größe\\, "Inc"',
  issuer: 'CN=authority',
  serial: '03E9',
  expiresAt: Math.floor(NOW) + 3600,
  dns: ['billing.test', 'b.test'],
  uris: ['spiffe://test/ns/billing'],
  emails: ['billing@test'],
};

const withCertificate = (wish: Partial<ClientCertificate> = {}) => ({
  certificate: certificateText({ ...CERTIFICATE, ...wish }),
});

function config(
  wish: Partial<CompiledCertificateAuthenticator> = {},
): CompiledCertificateAuthenticator {
  return {
    type: 'clientCertificate',
    index: 0,
    name: 'mtls',
    claimHeaders: [['x-user', 'sub']],
    forwardCredentials: true,
    consumerFrom: 'subject',
    clients: null,
    ...wish,
  };
}

describeAuthenticator({
  name: 'clientCertificate',
  async create() {
    const parts = [['spiffeId', 'spiffe://test/ns/billing']] as const;
    const clients = [{ id: 'ada', scopes: ['read'], parts }];
    return {
      authenticator: new CertificateAuthenticator(config({ clients, forwardCredentials: false })),
      good: withCertificate(),
      wrong: {
        'another SPIFFE ID': withCertificate({ uris: ['spiffe://test/ns/other'] }),
        'two URIs, of which none is a SPIFFE ID': withCertificate({
          uris: ['spiffe://test/ns/billing', 'spiffe://test/ns/other'],
        }),
        'no URI': withCertificate({ uris: [] }),
        'a certificate that has expired': withCertificate({ expiresAt: Math.floor(NOW) - 1 }),
      },
      secrets: [],
      close: async () => {},
    };
  },
});

function consumerOf(
  wish: Partial<CompiledCertificateAuthenticator>,
  certificate: Partial<ClientCertificate> = {},
) {
  const authenticator = new CertificateAuthenticator(config(wish));
  const result = authenticator.authenticate(aRequest(withCertificate(certificate)), NOW);
  return result.verdict === 'accepted' ? result.identity.consumer : result.verdict;
}

describe('the consumer of a client certificate', () => {
  it.each([
    ['subject', 'CN=billing,O=Größe\\, "Inc"'],
    ['commonName', 'billing'],
    ['spiffeId', 'spiffe://test/ns/billing'],
    ['uri', 'spiffe://test/ns/billing'],
    ['dns', 'billing.test'],
    ['email', 'billing@test'],
    ['sha256', 'ab'.repeat(32)],
  ] as const)('is its %s: %s', (consumerFrom, expected) => {
    expect(consumerOf({ consumerFrom })).toBe(expected);
  });

  it('is nobody when the certificate has no such name', () => {
    expect(consumerOf({ consumerFrom: 'email' }, { emails: [] })).toBe('refused');
    expect(consumerOf({ consumerFrom: 'commonName' }, { subject: 'O=CN=billing' })).toBe('refused');
    expect(consumerOf({ consumerFrom: 'commonName' }, { subject: 'O=x\\,CN=billing' })).toBe(
      'refused',
    );
  });

  it('is the first client that has all of its parts', () => {
    const clients = [
      { id: 'both', scopes: [], parts: [['dns', 'b.test'] as const, ['email', 'x'] as const] },
      { id: 'one', scopes: [], parts: [['dns', 'b.test'] as const] },
    ];
    expect(consumerOf({ clients })).toBe('one');
    expect(consumerOf({ clients }, { emails: ['x'] })).toBe('both');
    expect(consumerOf({ clients }, { dns: [] })).toBe('refused');
  });

  it('ends with the certificate, though it was remembered', () => {
    const authenticator = new CertificateAuthenticator(config());
    const request = aRequest(withCertificate());
    expect(authenticator.authenticate(request, NOW).verdict).toBe('accepted');
    const late = authenticator.authenticate(request, CERTIFICATE.expiresAt);
    expect(late).toMatchObject({ verdict: 'refused', reason: expect.stringContaining('expired') });
  });
});

describe('what the target gets of a client certificate', () => {
  const fieldsOf = (wish: Partial<CompiledCertificateAuthenticator>) => {
    const authenticator = new CertificateAuthenticator(config(wish));
    const result = authenticator.authenticate(aRequest(withCertificate()), NOW);
    return result.verdict === 'accepted' ? result.identity.fields : [];
  };

  it('is X-Forwarded-Client-Cert, in ASCII and without two readings', () => {
    const [, , name, value] = fieldsOf({ claimHeaders: [['x-user', 'serial']] });
    expect(name).toBe('x-forwarded-client-cert');
    expect(value).toBe(
      `Hash=${'ab'.repeat(32)};Subject="CN=billing,O=Gr%C3%B6%C3%9Fe\\\\, \\"Inc\\"";` +
        'URI=spiffe://test/ns/billing;DNS=billing.test;DNS=b.test',
    );
  });

  it('is claims alone where credentials are not forwarded', () => {
    expect(fieldsOf({ forwardCredentials: false })).toHaveLength(2);
    const { ownedFields } = new CertificateAuthenticator(config({ forwardCredentials: false }));
    expect(ownedFields).toContain('x-forwarded-client-cert');
  });
});

describe('a token that is bound to a certificate', () => {
  const claims = { sub: 'ada', exp: Math.floor(NOW) + 600 };
  const cnf = { 'x5t#S256': thumbprintOf(CERTIFICATE) };
  const other = withCertificate({ sha256: 'cd'.repeat(32) });

  async function create(binding: TokenBinding) {
    const feed = { subscribe: () => () => {}, askNewer: () => null, isRevoked: () => false };
    return JwtAuthenticator.create(
      {
        ...{
          type: 'jwt',
          dpop: 'bound',
          dpopWindowMs: 60_000,
          dpopMemory: 'gateway',
          dpopNonceMs: 0,
          index: 0,
          name: 'jwt',
          claimHeaders: [],
          forwardCredentials: true,
        },
        ...{ algorithms: ['HS256'], secret: JWT_SECRET, keys: [], keySource: null, issuer: '' },
        ...{ audiences: [], clockSkewMs: 0, requiredClaims: ['exp'], consumerClaim: 'sub' },
        from: [{ kind: 'header', name: 'authorization' }],
        forwardPlaces: false,
        binding,
      },
      feed,
    );
  }

  const bearer = (token: unknown) => ({ authorization: `Bearer ${signHs256(token)}` });

  it.each<[TokenBinding, string, unknown, { certificate?: string }, string]>([
    ['verify', 'its own certificate', { ...claims, cnf }, withCertificate(), 'accepted'],
    ['verify', 'another certificate', { ...claims, cnf }, other, 'refused'],
    ['verify', 'no certificate', { ...claims, cnf }, {}, 'refused'],
    ['verify', 'no binding', claims, {}, 'accepted'],
    ['verify', 'a binding of another kind', { ...claims, cnf: { kid: 'x' } }, {}, 'accepted'],
    ['verify', 'an empty binding', { ...claims, cnf: { 'x5t#S256': '' } }, other, 'refused'],
    ['verify', 'a null binding', { ...claims, cnf: { 'x5t#S256': null } }, {}, 'refused'],
    ['require', 'no binding', claims, withCertificate(), 'refused'],
    ['require', 'its own certificate', { ...claims, cnf }, withCertificate(), 'accepted'],
    ['ignore', 'another certificate', { ...claims, cnf }, other, 'accepted'],
  ])('%s, with %s: each time the same', async (binding, _, token, connection, verdict) => {
    const authenticator = await create(binding);
    const request = aRequest({ ...bearer(token), ...connection });
    expect(await authenticator.authenticate(request, NOW)).toMatchObject({ verdict });
    expect(await authenticator.authenticate(request, NOW)).toMatchObject({ verdict });
  });

  it('is refused over another connection though it was remembered', async () => {
    const authenticator = await create('verify');
    const own = bearer({ ...claims, cnf });
    const good = await authenticator.authenticate(aRequest({ ...own, ...withCertificate() }), NOW);
    expect(good.verdict).toBe('accepted');
    const stolen = await authenticator.authenticate(aRequest({ ...own, ...other }), NOW);
    expect(stolen.verdict).toBe('refused');
    expect((await authenticator.authenticate(aRequest(own), NOW)).verdict).toBe('refused');
  });
});
