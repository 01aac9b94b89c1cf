/** Certificates of every kind, sound ones and others: which of them name a workload, and which do not. */
import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readSvidLeaf, splitCertificates } from '../../../../src/wire/x509/svid-leaf.js';
import { derOf, SvidAuthority, type SvidWish } from '../../../support/svid-authority.js';

const authority = new SvidAuthority('td');

const A = 'URI:spiffe://td/a';

function reading(wish: SvidWish) {
  return readSvidLeaf(derOf(authority.sign(wish).cert));
}

describe('a certificate of a workload', () => {
  it('has one URI, whatever other names it has', () => {
    expect(reading({ names: [A] })).toEqual({ id: 'spiffe://td/a' });
    const names = ['DNS:spiffe', 'DNS:a.test', A, 'email:a@b.test'];
    expect(reading({ names })).toEqual({ id: 'spiffe://td/a' });
  });

  it('may say nothing of whether it is an authority', () => {
    expect(reading({ names: [A], ca: null })).toEqual({ id: 'spiffe://td/a' });
  });

  it.each<[string, SvidWish]>([
    ['has 0 URIs', {}],
    ['has 0 URIs', { names: ['DNS:spiffe://td/a'] }],
    ['has 0 URIs', { names: ['email:spiffe://td/a'] }],
    ['has 2 URIs', { names: [A, 'URI:spiffe://td/b'] }],
    ['has 2 URIs', { names: [A, 'URI:https://td/b'] }],
    ['has 2 URIs', { names: [A, A] }],
    ['is no SPIFFE ID', { names: ['URI:spiffe://td/a/'] }],
    ['is no SPIFFE ID', { names: ['URI:spiffe://TD/a'] }],
    ['is no SPIFFE ID', { names: ['URI:SPIFFE://td/a'] }],
    ['is no SPIFFE ID', { names: ['URI:spiffe://td:1/a'] }],
    ['is no SPIFFE ID', { names: ['URI:spiffe://u@td/a'] }],
    ['is no SPIFFE ID', { names: ['URI:spiffe://td/%61'] }],
    ['is no SPIFFE ID', { names: ['URI:spiffe://td/a?b'] }],
    ['is no SPIFFE ID', { names: ['URI:spiffe://td/a#b'] }],
    ['is no SPIFFE ID', { names: ['URI:spiffe://td/a\0'] }],
    ['is no SPIFFE ID', { names: ['URI:spiffe://td/\xe4'] }],
    ['is no SPIFFE ID', { names: ['URI:spiffe://td/a, DNS:b.test'] }],
    ['authority (CA)', { names: [A], ca: true }],
    ['what its key is for', { names: [A], keyUsage: [] }],
    ['not for signatures', { names: [A], keyUsage: ['keyAgreement'] }],
    ['may sign', { names: [A], keyUsage: ['digitalSignature', 'keyCertSign'] }],
    ['may sign', { names: [A], keyUsage: ['digitalSignature', 'cRLSign'] }],
  ])('is none when it %s: %j', (problem, wish) => {
    expect(reading(wish)).toMatchObject({ problem: expect.stringContaining(problem) });
  });

  it('is not that of the authority itself', () => {
    expect(readSvidLeaf(authority.bundle)).toMatchObject({ problem: expect.any(String) });
  });
});

describe('bytes that are no certificate', () => {
  const whole = derOf(authority.svid('/a').cert);

  it('are told of, wherever they are cut or changed', () => {
    for (let length = 0; length < whole.length; length++) {
      expect(readSvidLeaf(whole.subarray(0, length))).toHaveProperty('problem');
    }
    for (let at = 0; at < whole.length; at++) {
      for (const change of [0xff, 0x80, 0x01]) {
        const other = Buffer.from(whole);
        other[at] = (other[at] ?? 0) ^ change;
        const result = readSvidLeaf(other);
        // It may still be one; whatever it is, nothing is thrown.
        expect(result).toSatisfy((one: object) => 'id' in one || 'problem' in one);
      }
    }
    expect(readSvidLeaf(Buffer.concat([whole, whole]))).toHaveProperty('problem');
    expect(readSvidLeaf(Buffer.concat([whole, Buffer.of(0)]))).toHaveProperty('problem');
  });

  it('are not split', () => {
    expect(splitCertificates(Buffer.concat([whole, authority.bundle]))).toEqual([
      whole,
      new X509Certificate(authority.cert).raw,
    ]);
    for (const bytes of [Buffer.of(0x30, 0x80), Buffer.of(0x04, 0x00), Buffer.of(0x30, 0x81, 1)]) {
      expect(() => splitCertificates(bytes)).toThrow();
    }
  });
});
